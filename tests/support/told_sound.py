"""Sound that tells a number by its loudness: whoever hears it knows what was said, by whom, and whether twice."""

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FULL_SCALE: Final = 32_768
LEVEL_OF_ZERO: Final = 1_000
"""Well above what counts as silence; every number is one step of a sample louder, which PCM carries exactly."""

NUMBER_MAX: Final = 31_000
SHORTEST_SAMPLES: Final = 160
"""What is shorter than 10 ms tells nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A number that was told for `samples` samples, from `start_samples` on."""

    number: int
    start_samples: int
    samples: int


def tell(number: int, samples: int) -> NDArray[np.int16]:
    """Sound of `samples` samples that tells `number`, 0 to NUMBER_MAX: a square wave at half the sample rate."""
    assert 0 <= number <= NUMBER_MAX, number
    sound = np.full(samples, LEVEL_OF_ZERO + number, dtype=np.int16)
    sound[1::2] *= -1
    return sound


def told_in(samples: NDArray[np.int16]) -> list[Told]:
    """The numbers in a stretch of sound, in order; silence tells none."""
    levels = np.abs(samples.astype(np.int32))
    edges = np.flatnonzero(np.diff(levels)) + 1
    bounds = [0, *edges.tolist(), len(levels)]
    found = []
    for start, end in itertools.pairwise(bounds):
        if end - start >= SHORTEST_SAMPLES and levels[start] >= LEVEL_OF_ZERO:
            number = int(levels[start]) - LEVEL_OF_ZERO
            found.append(Told(number=number, start_samples=start, samples=end - start))
    return found
