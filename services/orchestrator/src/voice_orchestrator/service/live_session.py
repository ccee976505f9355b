"""A session that is running, as operators see it: follows the steps of its core."""

from collections.abc import Callable
from datetime import datetime

from voice_contract.messages import (
    BargeIn,
    BargeInCause,
    BargeInOutcome,
    Phase,
    Speaker,
    Transcript,
    TranscriptKind,
    TurnLatency,
)
from voice_orchestrator.service.directory import SessionInfo
from voice_orchestrator.session.commands import ToEdge
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.reducer import Transition


class LiveSession:
    """Implements Observer. `node` tells the address of its inference node, `end` asks it to end politely."""

    def __init__(
        self,
        session_id: str,
        profile: str,
        peer: str,
        started_at: datetime,
        node: Callable[[], str],
        end: Callable[[], None],
    ) -> None:
        self.session_id = session_id
        self.end = end
        self._profile = profile
        self._peer = peer
        self._started_at = started_at
        self._node = node
        self._phase = Phase.CREATED
        self._turns: set[int] = set()
        self._interruptions = 0
        self._latency_ms: int | None = None

    def over(self) -> None:
        """It does not run any more: lets go of it, so that nothing of it has to wait for the cyclic collector."""
        self._node = str
        self.end = lambda: None

    def on_transition(self, event: SessionEvent, transition: Transition) -> None:
        """See Observer."""
        del event
        self._phase = transition.state.phase
        for command in transition.commands:
            if not isinstance(command, ToEdge):
                continue
            match command.message:
                case Transcript(speaker=Speaker.CALLER, kind=TranscriptKind.FINAL, utterance_id=turn):
                    self._turns.add(turn)
                case BargeIn(outcome=BargeInOutcome.CONFIRMED, cause=cause) if cause is not BargeInCause.CONTINUED:
                    self._interruptions += 1
                case TurnLatency(total_ms=total):
                    self._latency_ms = total
                case _:
                    pass

    def info(self) -> SessionInfo:
        """What it is like now."""
        return SessionInfo(
            session_id=self.session_id,
            profile=self._profile,
            peer=self._peer,
            started_at=self._started_at,
            phase=self._phase,
            turns=len(self._turns),
            interruptions=self._interruptions,
            inference=self._node(),
            last_voice_to_voice_ms=self._latency_ms,
        )
