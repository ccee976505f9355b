"""The agent's side of an edge: what the session says about sound, done on the edge's own clock."""

from collections.abc import Callable

import numpy as np

from voice_contract.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from voice_contract.messages import (
    Audio,
    Event,
    PlayoutFlush,
    PlayoutPause,
    PlayoutPosition,
    PlayoutResume,
    RunAudioEnd,
)
from voice_orchestrator.edges.speaker import Speaker
from voice_orchestrator.runtime.ports import EdgePort


class Playout:
    """Feeds a speaker from a session's events and reports what was played."""

    def __init__(self, end: EdgePort, speaker: Speaker, timeline_s: Callable[[], float]) -> None:
        self._end = end
        self._speaker = speaker
        self._timeline_s = timeline_s
        self._ending: dict[int, int] = {}
        self._flushed_run_id = 0
        self._received: dict[int, int] = {}
        self.totals: dict[int, int] = {}
        """Length of every run whose end was told, samples."""
        self.late_samples = 0
        """Sound of a run that came after the run was flushed; it is not played."""
        self.missing_samples = 0
        """Sound of runs that by its own positions never came."""
        self.repeated_samples = 0
        """Sound of runs that by its own positions came again."""

    @property
    def idle(self) -> bool:
        """Whether everything that arrived was played."""
        return self._speaker.idle

    def now_samples(self) -> int:
        """Present position of the call's timeline."""
        return max(0, int(self._timeline_s() * SAMPLE_RATE_HZ))

    async def accept(self, event: Event) -> None:
        """Takes an event of the session; what is not about sound is not looked at."""
        now = self.now_samples()
        match event.payload:
            case Audio(pcm=pcm) if event.run_id <= self._flushed_run_id:
                self.late_samples += len(pcm) // SAMPLE_BYTES
            case Audio(pcm=pcm, offset_samples=offset):
                self._follow(event.run_id, offset, len(pcm) // SAMPLE_BYTES)
                self._speaker.push(event.run_id, np.frombuffer(pcm, dtype=np.int16), now)
            case PlayoutPause():
                self._speaker.pause(now)
            case PlayoutResume():
                self._speaker.resume(now)
            case PlayoutFlush():
                played = self._speaker.flush(event.run_id, now)
                self._ending.pop(event.run_id, None)
                self._flushed_run_id = max(self._flushed_run_id, event.run_id)
                await self._end.send(PlayoutPosition(played_samples=played), event.run_id)
            case RunAudioEnd(total_samples=total):
                self._ending[event.run_id] = self.totals[event.run_id] = total
            case _:
                return
        await self.tick()

    def _follow(self, run_id: int, offset: int, samples: int) -> None:
        expected = self._received.get(run_id, 0)
        self.missing_samples += max(0, offset - expected)
        self.repeated_samples += max(0, expected - offset)
        self._received[run_id] = offset + samples

    async def tick(self) -> None:
        """Plays what is due and reports runs that were played to their end."""
        self._speaker.advance(self.now_samples())
        for run_id, total in tuple(self._ending.items()):
            if self._speaker.played(run_id) >= total:
                del self._ending[run_id]
                await self._end.send(PlayoutPosition(played_samples=total), run_id)
