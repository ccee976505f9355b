"""A caller's telephone on a true timeline: a microphone that never stops, a loudspeaker, and both recorded.

Between sounds it sends silence, as a telephone does. A frame is sent when its last sample has been spoken, so every
position in the recording is a true time.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from voice_contract.audio import FRAME_MS, FRAME_SAMPLES
from voice_contract.messages import Audio, AudioFormat, CallEnded, CallOpen, Event, Payload
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.edges.call_progress import CallProgress
from voice_orchestrator.edges.edge_tasks import run_edge_tasks
from voice_orchestrator.edges.playout import Playout
from voice_orchestrator.edges.speaker import Speaker
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import EdgeGoneError, EdgePort

SILENCE: Final = np.zeros(FRAME_SAMPLES, dtype=np.int16)


class EdgeListener(Protocol):
    """Is told of everything the session sends to its edge."""

    def on_event(self, event: Event, at_ms: int) -> None:
        """`event` arrived at `at_ms` of the call's timeline."""


class SoundLine:
    """One call's telephone. `run` once; who speaks into it is told by `act`."""

    def __init__(
        self,
        end: EdgePort,
        clock: SessionClock,
        recording: StereoRecording,
        profile: str,
        listeners: Sequence[EdgeListener] = (),
    ) -> None:
        self._end = end
        self._clock = clock
        self._recording = recording
        self._profile = profile
        self._listeners = tuple(listeners)
        self._origin_s = 0.0
        self.speaker = Speaker(recording)
        self.playout = Playout(end, self.speaker, self._timeline_s)
        self.progress = CallProgress(clock, lambda: not self.speaker.idle)
        self._next_frame = 0
        self._current: NDArray[np.int16] | None = None
        self._current_at = 0

    @property
    def origin_ms(self) -> int:
        """Session time of the timeline's beginning, ms."""
        return int(self._origin_s * 1_000)

    @property
    def speaking(self) -> bool:
        """Whether a sound is on its way into the microphone."""
        return self._current is not None

    @property
    def next_samples(self) -> int:
        """Where on the timeline a sound begins that is begun now, samples."""
        return self._next_frame * FRAME_SAMPLES

    def begin(self, samples: NDArray[np.int16]) -> int:
        """Speaks `samples` from the next frame on, instead of what is spoken now; gives their start, samples."""
        self._current, self._current_at = samples, 0
        return self.next_samples

    async def send(self, payload: Payload) -> None:
        """Sends a control event; raises EdgeGoneError."""
        await self._end.send(payload)

    async def run(self, act: Callable[[], Coroutine[Any, Any, None]]) -> CallEnded | None:
        """Makes the call and runs `act` in it; gives how it ended, None when the session went without saying."""
        format_ = AudioFormat()
        try:
            await self._end.send(CallOpen(profile=self._profile, caller_format=format_, agent_format=format_))
            first = await self._end.receive()
        except EdgeGoneError:
            return None
        self._notify(first)
        self.progress.accept(first)
        if self.progress.ended is not None:
            return self.progress.ended
        self._origin_s = self._clock.now_s()
        await run_edge_tasks(listen=self._listen(), keep_time=self._microphone(), act=act())
        self.speaker.advance(self.playout.now_samples())
        self._end.close()
        return self.progress.ended

    def _timeline_s(self) -> float:
        return self._clock.now_s() - self._origin_s

    # --- hearing the agent

    async def _listen(self) -> None:
        while self.progress.ended is None:
            event = await self._end.receive()
            await self.playout.accept(event)
            self.progress.accept(event)
            self._notify(event)

    def _notify(self, event: Event) -> None:
        at_ms = int(self._timeline_s() * 1_000) if self._origin_s else 0
        for listener in self._listeners:
            listener.on_event(event, at_ms)

    # --- speaking

    async def _microphone(self) -> None:
        while True:
            await self._clock.sleep_until_s(self._origin_s + (self._next_frame + 1) * FRAME_MS / 1_000)
            samples = self._take_frame()
            offset = self._next_frame * FRAME_SAMPLES
            self._next_frame += 1
            self._recording.write_caller(offset, samples)
            await self._end.send(Audio(pcm=samples.tobytes(), offset_samples=offset))
            await self.playout.tick()

    def _take_frame(self) -> NDArray[np.int16]:
        if self._current is None:
            return SILENCE
        frame = self._current[self._current_at : self._current_at + FRAME_SAMPLES]
        self._current_at += FRAME_SAMPLES
        if self._current_at >= len(self._current):
            self._current = None
        return np.concatenate([frame, SILENCE[len(frame) :]])
