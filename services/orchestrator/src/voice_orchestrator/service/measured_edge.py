"""The way to an edge, with what can only be measured there: when an order to be silent left, and gaps in the sound."""

from typing import Final

from voice_contract.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from voice_contract.messages import Audio, Event, Payload, PlayoutFlush, PlayoutPause
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import EdgePort
from voice_orchestrator.service.session_metrics import SessionMetrics

GAP_S_MIN: Final = 0.005
"""Sound later than this left a gap; less is a timer that woke late."""


class MeasuredEdge:
    """Implements EdgePort around another one."""

    def __init__(self, edge: EdgePort, metrics: SessionMetrics, clock: SessionClock) -> None:
        self._edge = edge
        self._metrics = metrics
        self._clock = clock
        self._run_id = 0
        # When everything that was sent has been heard by an edge that plays what it gets.
        self._heard_by_s = 0.0

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        """See EdgePort."""
        await self._edge.send(payload, run_id)
        if isinstance(payload, Audio):
            self._sound_left(payload, run_id)
        elif isinstance(payload, PlayoutPause | PlayoutFlush):
            self._run_id = 0
            self._metrics.stop_left(run_id, self._clock.now_s() * 1_000)

    async def receive(self) -> Event:
        """See EdgePort."""
        return await self._edge.receive()

    def close(self) -> None:
        """See EdgePort."""
        self._edge.close()

    def _sound_left(self, audio: Audio, run_id: int) -> None:
        now_s = self._clock.now_s()
        late_s = now_s - self._heard_by_s
        if run_id == self._run_id and late_s > GAP_S_MIN:
            self._metrics.gap_heard(late_s)
        self._run_id = run_id
        self._heard_by_s = max(self._heard_by_s, now_s) + len(audio.pcm) / SAMPLE_BYTES / SAMPLE_RATE_HZ
