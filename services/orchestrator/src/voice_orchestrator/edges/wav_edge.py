"""Plays WAV files to a session as a caller would: each when the one before has been answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voice_contract.messages import CallEnded, HangUp, Phase
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.audio_files.wav_reader import CallerSound
from voice_orchestrator.edges.sound_line import EdgeListener, SoundLine
from voice_orchestrator.edges.speaker import Speaker
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import EdgePort

GREETING_WAIT_S: Final = 15.0


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
        self._line = SoundLine(end, clock, recording, profile, listeners)
        self._progress = self._line.progress
        self.files: list[PlayedFile] = []

    @property
    def speaker(self) -> Speaker:
        """The caller's loudspeaker."""
        return self._line.speaker

    @property
    def origin_ms(self) -> int:
        """Session time of the timeline's beginning, ms."""
        return self._line.origin_ms

    async def run(self) -> CallEnded | None:
        """Plays the script; gives how the call ended, None when the session went away without saying."""
        return await self._line.run(self._act)

    async def _act(self) -> None:
        await self._progress.until(lambda: self._progress.phase is Phase.ACTIVE, GREETING_WAIT_S)
        if self._script.greets:
            began = await self._progress.until(lambda: self._progress.responded_since(0.0), GREETING_WAIT_S)
            if began and self._script.overlap_s is None:
                await self._progress.until(lambda: self._progress.calm_s() > 0.2, GREETING_WAIT_S)
        for sound in self._script.sounds:
            await self._play(sound)
        await self._progress.until(lambda: self._progress.calm_s() > 0.2, self._script.answer_wait_s)
        await self._line.send(HangUp())

    async def _play(self, sound: CallerSound) -> None:
        began_s = self._clock.now_s()
        played = PlayedFile(sound=sound, start_samples=self._line.begin(sound.samples))
        self.files.append(played)
        await self._progress.until(lambda: not self._line.speaking, sound.duration_ms / 1_000 + 5.0)
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
        played.answered = self._progress.answered_since(began_s)
