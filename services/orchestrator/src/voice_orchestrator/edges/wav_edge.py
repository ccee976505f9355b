"""Plays WAV files to a session as a caller would, hears the agent, and records both.

The microphone never stops: between files it sends silence, as a telephone does. A frame is sent when its last sample
has been spoken, so every position in the recording is a true time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from voice_contract.audio import FRAME_MS, FRAME_SAMPLES
from voice_contract.messages import Audio, AudioFormat, CallEnded, CallOpen, Event, HangUp, Phase
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.audio_files.wav_reader import CallerSound
from voice_orchestrator.edges.call_progress import CallProgress
from voice_orchestrator.edges.edge_tasks import run_edge_tasks
from voice_orchestrator.edges.playout import Playout
from voice_orchestrator.edges.speaker import Speaker
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import EdgeGoneError, EdgePort

GREETING_WAIT_S: Final = 15.0
SILENCE: Final = np.zeros(FRAME_SAMPLES, dtype=np.int16)


class EdgeListener(Protocol):
    """Is told of everything the session sends to its edge."""

    def on_event(self, event: Event, at_ms: int) -> None:
        """`event` arrived at `at_ms` of the call's timeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WavScript:
    """What the caller does.

    greets: the profile has a greeting, the first file waits for it.
    settle_s: the agent has finished when it has only been listening for this long after a file.
    answer_wait_s: a file not answered this long after its end is given up.
    overlap_s: begin the next file so long after the agent began to speak, None: when it has finished.
    """

    sounds: tuple[CallerSound, ...]
    greets: bool
    settle_s: float
    answer_wait_s: float = 20.0
    overlap_s: float | None = None


@dataclass(slots=True, kw_only=True)
class PlayedFile:
    """A file as it was played: `start_samples` on the timeline, and whether the agent answered it."""

    sound: CallerSound
    start_samples: int
    answered: bool = False


class WavEdge:
    """One call. `run` once."""

    def __init__(
        self,
        end: EdgePort,
        clock: SessionClock,
        script: WavScript,
        recording: StereoRecording,
        profile: str,
        listeners: Sequence[EdgeListener] = (),
    ) -> None:
        self._end = end
        self._clock = clock
        self._script = script
        self._recording = recording
        self._profile = profile
        self._listeners = tuple(listeners)
        self._origin_s = 0.0
        self.speaker = Speaker(recording)
        self._playout = Playout(end, self.speaker, self._timeline_s)
        self._progress = CallProgress(clock, lambda: not self.speaker.idle)
        self._next_frame = 0
        self._current: NDArray[np.int16] | None = None
        self._current_at = 0
        self.files: list[PlayedFile] = []

    @property
    def origin_ms(self) -> int:
        """Session time of the timeline's beginning, ms."""
        return int(self._origin_s * 1_000)

    def _timeline_s(self) -> float:
        return self._clock.now_s() - self._origin_s

    async def run(self) -> CallEnded | None:
        """Plays the script; gives how the call ended, None when the session went away without saying."""
        format_ = AudioFormat()
        await self._end.send(CallOpen(profile=self._profile, caller_format=format_, agent_format=format_))
        try:
            self._notify(await self._end.receive())
        except EdgeGoneError:
            return None
        self._origin_s = self._clock.now_s()
        await run_edge_tasks(listen=self._listen(), keep_time=self._microphone(), act=self._act())
        self.speaker.advance(self._playout.now_samples())
        self._end.close()
        return self._progress.ended

    # --- hearing the agent

    async def _listen(self) -> None:
        while self._progress.ended is None:
            event = await self._end.receive()
            await self._playout.accept(event)
            self._progress.accept(event)
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
            await self._playout.tick()

    def _take_frame(self) -> NDArray[np.int16]:
        if self._current is None:
            return SILENCE
        frame = self._current[self._current_at : self._current_at + FRAME_SAMPLES]
        self._current_at += FRAME_SAMPLES
        if self._current_at >= len(self._current):
            self._current = None
        return np.concatenate([frame, SILENCE[len(frame) :]])

    # --- the script

    async def _act(self) -> None:
        await self._progress.until(lambda: self._progress.phase is Phase.ACTIVE, GREETING_WAIT_S)
        if self._script.greets:
            began = await self._progress.until(lambda: self._progress.responded_since(0.0), GREETING_WAIT_S)
            if began and self._script.overlap_s is None:
                await self._progress.until(lambda: self._progress.calm_s() > 0.2, GREETING_WAIT_S)
        for sound in self._script.sounds:
            await self._play(sound)
        await self._progress.until(lambda: self._progress.calm_s() > 0.2, self._script.answer_wait_s)
        await self._end.send(HangUp())

    async def _play(self, sound: CallerSound) -> None:
        played = PlayedFile(sound=sound, start_samples=self._next_frame * FRAME_SAMPLES)
        self.files.append(played)
        began_s = self._clock.now_s()
        self._current, self._current_at = sound.samples, 0
        await self._progress.until(lambda: self._current is None, sound.duration_ms / 1_000 + 5.0)
        overlap_s, settle_s = self._script.overlap_s, self._script.settle_s
        # A calm moment may belong to a pause inside the file: it counts from the file's end at the earliest.
        ended_s = self._clock.now_s()

        def finished() -> bool:
            if not self._progress.responded_since(began_s):
                return False
            if overlap_s is not None:
                return self._clock.now_s() >= (self._progress.responding_at_s or 0.0) + overlap_s
            return min(self._progress.calm_s(), self._clock.now_s() - ended_s) >= settle_s

        while not await self._progress.until(finished, self._script.answer_wait_s):
            # Still talking or thinking: not unanswered yet, and every stage has a deadline of its own.
            if self._progress.calm_s() > 0.0:
                break
        played.answered = self._progress.responded_since(began_s)
