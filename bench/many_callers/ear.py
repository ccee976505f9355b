"""What one caller hears: which sentences, of which run, when and how much of each."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from support.telling_engines import turn_and_part
from support.told_sound import LEVEL_OF_ZERO

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.edges.speaker import Speaker

JOINED_SAMPLES: Final = 2
"""Sound of the same sentence that follows without a gap is the same stretch of it."""


@dataclass(slots=True, kw_only=True)
class Heard:
    """A stretch of one sentence that was heard without a break; `start_samples` on the caller's own timeline."""

    number: int
    start_samples: int
    samples: int

    @property
    def turn(self) -> int:
        """The turn it answers; 0: none, a line of the profile."""
        return turn_and_part(self.number)[0]

    def start_s(self) -> float:
        """Seconds of the timeline."""
        return self.start_samples / SAMPLE_RATE_HZ


class Ear(StereoRecording):
    """Stands where a speaker's recording does, and understands what is played instead of keeping it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Heard] = []
        self.samples_of: dict[int, int] = {}
        """How much of every sentence was heard in all."""

    def write_agent(self, position_samples: int, samples: NDArray[np.int16]) -> None:
        """See StereoRecording."""
        at = 0
        while at < len(samples):
            number = abs(int(samples[at])) - LEVEL_OF_ZERO
            # Nearly always one sentence fills the frame; where it does not, find how far the first one goes.
            if abs(int(samples[-1])) - LEVEL_OF_ZERO == number:
                count = len(samples) - at
            else:
                others = np.flatnonzero(np.abs(samples[at:]) - LEVEL_OF_ZERO != number)
                count = int(others[0])
            self._hear(number, position_samples + at, count)
            at += count

    def _hear(self, number: int, start: int, count: int) -> None:
        self.samples_of[number] = self.samples_of.get(number, 0) + count
        last = self.heard[-1] if self.heard else None
        if last and last.number == number and start - (last.start_samples + last.samples) <= JOINED_SAMPLES:
            last.samples += count
        else:
            self.heard.append(Heard(number=number, start_samples=start, samples=count))


def heard_in_two_runs(ear: Ear, speaker: Speaker) -> list[int]:
    """Sentences that were heard, in whole or in part, as sound of more than one run: nobody wants to be told twice."""
    runs: dict[int, set[int]] = {}
    for heard in ear.heard:
        if heard.turn:
            runs.setdefault(heard.number, set()).update(_runs_at(heard, speaker))
    return sorted(number for number, found in runs.items() if len(found) > 1)


def _runs_at(heard: Heard, speaker: Speaker) -> set[int]:
    middle = heard.start_samples + heard.samples // 2
    return {each.run_id for each in speaker.stretches if each.start_samples <= middle < each.end_samples}
