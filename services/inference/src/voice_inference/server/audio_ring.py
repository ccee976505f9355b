"""The last minute of a session's caller sound, addressed by its position in the call. Pure."""

from typing import Final

import numpy as np

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.engines.base import FloatSamples, IntSamples

RING_SECONDS: Final = 75
"""Longer than any turn a profile allows (60 s) with its lead-in: 2.4 MB a session."""


class AudioRing:
    """Keeps the newest samples; older ones are overwritten. A gap in positions is silence."""

    def __init__(self, capacity_samples: int = RING_SECONDS * SAMPLE_RATE_HZ) -> None:
        self._samples: IntSamples = np.zeros(0, dtype=np.int16)
        self._capacity = capacity_samples
        self._end = 0
        self._first: int | None = None

    @property
    def end_samples(self) -> int:
        """One past the newest sample."""
        return self._end

    @property
    def start_samples(self) -> int:
        """The oldest sample that is kept."""
        return max(self._first or 0, self._end - self._capacity)

    def append(self, offset_samples: int, samples: IntSamples) -> int:
        """Adds `samples` at `offset_samples`; gives how many of them were old and dropped."""
        if not len(self._samples):
            self._samples = np.zeros(self._capacity, dtype=np.int16)
        if self._first is None:
            self._first = self._end = offset_samples
        stale = min(len(samples), max(0, self._end - offset_samples))
        begin = max(offset_samples + max(stale, len(samples) - self._capacity), self._end)
        samples = samples[stale:][-self._capacity :]
        if gap := min(begin - self._end, self._capacity):
            self._put(begin - gap, np.zeros(gap, dtype=np.int16))
        self._put(begin, samples)
        self._end = begin + len(samples)
        return stale

    def _put(self, position: int, samples: IntSamples) -> None:
        at = position % self._capacity
        head = min(len(samples), self._capacity - at)
        self._samples[at : at + head] = samples[:head]
        self._samples[: len(samples) - head] = samples[head:]

    def slice(self, start_samples: int, end_samples: int) -> FloatSamples:
        """The samples from `start_samples` to `end_samples` that are kept, as float32 in -1..1."""
        start = max(start_samples, self.start_samples)
        end = min(end_samples, self._end)
        if end <= start:
            return np.zeros(0, dtype=np.float32)
        at = start % self._capacity
        head = self._samples[at : at + end - start]
        rest = self._samples[: end - start - len(head)]
        return np.concatenate((head, rest), dtype=np.float32) / np.float32(32768.0)
