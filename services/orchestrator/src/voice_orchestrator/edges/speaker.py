"""The caller's loudspeaker: plays the agent's sound on a sample clock and knows exactly what was heard.

Pure: `now` is always the present position of the call's timeline in samples. Nothing is played but by `advance`.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_contract.audio import FRAME_SAMPLES
from voice_orchestrator.audio_files.stereo_recording import StereoRecording

HEARD_WITHIN_SAMPLES: Final = 2 * FRAME_SAMPLES
"""A run whose newest sample is no older than this is being heard: sound arrives frame by frame."""


@dataclass(slots=True, kw_only=True)
class RunPlayed:
    """What was heard of a run: `start_samples` and `end_samples` on the timeline, `played_samples` of the run."""

    start_samples: int
    end_samples: int
    played_samples: int = 0


@dataclass(slots=True, kw_only=True)
class Stretch:
    """Sound of one run that was heard without a break, samples of the timeline."""

    run_id: int
    start_samples: int
    end_samples: int


class Speaker:
    """Sound that arrives while nothing plays is played at once, otherwise after what waits."""

    def __init__(self, recording: StereoRecording | None) -> None:
        self._recording = recording
        self._waiting: deque[tuple[int, NDArray[np.int16]]] = deque()
        self._cursor = 0
        self._paused = False
        self.runs: dict[int, RunPlayed] = {}
        self.stretches: list[Stretch] = []
        """What was heard without a break, in order."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be played."""
        return not self._waiting

    def push(self, run_id: int, samples: NDArray[np.int16], now: int) -> None:
        """Sound of a run arrived."""
        self.advance(now)
        self._waiting.append((run_id, samples))

    def advance(self, now: int) -> None:
        """Plays everything that is due until `now`."""
        while self._waiting and not self._paused and self._cursor < now:
            run_id, samples = self._waiting.popleft()
            due = samples[: now - self._cursor]
            if len(due) < len(samples):
                self._waiting.appendleft((run_id, samples[len(due) :]))
            self._play(run_id, due)
        self._cursor = max(self._cursor, now)

    def _play(self, run_id: int, samples: NDArray[np.int16]) -> None:
        if self._recording is not None:
            self._recording.write_agent(self._cursor, samples)
        run = self.runs.setdefault(run_id, RunPlayed(start_samples=self._cursor, end_samples=self._cursor))
        last = self.stretches[-1] if self.stretches else None
        if last is None or last.run_id != run_id or last.end_samples != self._cursor:
            last = Stretch(run_id=run_id, start_samples=self._cursor, end_samples=self._cursor)
            self.stretches.append(last)
        self._cursor += len(samples)
        last.end_samples = self._cursor
        run.end_samples = self._cursor
        run.played_samples += len(samples)

    def pause(self, now: int) -> None:
        """Nothing more is heard until `resume`."""
        self.advance(now)
        self._paused = True

    def resume(self, now: int) -> None:
        """Goes on at the very sample where `pause` stopped."""
        self.advance(now)
        self._paused = False

    def flush(self, run_id: int, now: int) -> int:
        """Drops what waits of a run; gives how many of its samples were played."""
        self.advance(now)
        self._waiting = deque(item for item in self._waiting if item[0] != run_id)
        self._paused = False
        return self.played(run_id)

    def heard_for(self, now: int) -> int | None:
        """How long ago the run that is heard at `now` began to be heard, samples; None while nothing is heard."""
        self.advance(now)
        if not self.runs:
            return None
        run = self.runs[max(self.runs)]
        return now - run.start_samples if now - run.end_samples < HEARD_WITHIN_SAMPLES else None

    def played(self, run_id: int) -> int:
        """Samples of a run that were played."""
        run = self.runs.get(run_id)
        return run.played_samples if run else 0
