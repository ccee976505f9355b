"""What an edge that plays a script knows of the call: is the agent talking, did it answer, is it all over."""

from collections.abc import Callable

from voice_contract.audio import FRAME_MS
from voice_contract.messages import CallEnded, Event, Phase, PhaseChanged, TurnLatency
from voice_orchestrator.runtime.clock import SessionClock


class CallProgress:
    """Follows the phases of a session on the edge's clock."""

    def __init__(self, clock: SessionClock, playing: Callable[[], bool]) -> None:
        self._clock = clock
        self._playing = playing
        self._phase = Phase.CREATED
        self._calm_since_s = 0.0
        self.responding_at_s: float | None = None
        self._answered_at_s: float | None = None
        self.ended: CallEnded | None = None

    def accept(self, event: Event) -> None:
        """Takes an event of the session."""
        match event.payload:
            case PhaseChanged(to_phase=phase):
                self._phase = phase
                if phase is Phase.RESPONDING:
                    self.responding_at_s = self._clock.now_s()
                self._calm_since_s = self._clock.now_s()
            case TurnLatency():
                self._answered_at_s = self._clock.now_s()
            case CallEnded() as ended:
                self.ended = ended
            case _:
                pass

    @property
    def phase(self) -> Phase:
        """Where the session stands."""
        return self._phase

    def calm_s(self) -> float:
        """How long the session has only been listening, with nothing of the agent left to hear; seconds."""
        if self._phase is not Phase.ACTIVE or self._playing():
            self._calm_since_s = self._clock.now_s()
            return 0.0
        return self._clock.now_s() - self._calm_since_s

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Looks every frame whether `holds`; False when it did not within `timeout_s`."""
        deadline_s = self._clock.now_s() + timeout_s
        while not holds():
            if self._clock.now_s() >= deadline_s:
                return False
            await self._clock.sleep_until_s(self._clock.now_s() + FRAME_MS / 1_000)
        return True

    def answered_since(self, at_s: float) -> bool:
        """Whether the agent began to answer a turn after `at_s`; a line nobody asked for is no answer."""
        return self._answered_at_s is not None and self._answered_at_s >= at_s

    def responded_since(self, at_s: float) -> bool:
        """Whether the agent began to be heard after `at_s`."""
        return self.responding_at_s is not None and self.responding_at_s >= at_s
