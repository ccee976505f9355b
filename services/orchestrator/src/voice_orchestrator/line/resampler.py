"""Resampling between 8 and 16 kHz, piece by piece, with 3.4 ms held back and no drift.

One linear-phase low-pass at 16 kHz serves both directions: flat to 3.4 kHz, where telephone speech ends, and at least
65 dB down from 4 kHz on, so that of no tone whatever an image or an alias is heard. It is a windowed sinc whose length
is given by Kaiser's formula: order = (A - 7.95) / (2.285 * transition), beta = 0.1102 * (A - 8.7).

Positions are kept: sample k at 8 kHz is sample 2k at 16 kHz. A sample leaves as soon as the last one its filter reaches
is there, which is `HOLD_BACK_SAMPLES` of 16 kHz later; before the first sample and after the last there is silence.
N samples at 8 kHz give exactly 2N, N at 16 kHz give N/2, an odd N rounded up.

The output does not depend on how the input is cut. Taps are whole multiples of 2**-30 and samples are whole numbers, so
every product and every sum is exact in float64, in whatever order BLAS adds them up.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_contract.audio import SAMPLE_RATE_HZ

PASSBAND_HZ: Final = 3_400
STOPBAND_HZ: Final = 4_000
DESIGN_REJECTION_DB: Final = 66.0
"""Kaiser's formula is an estimate; the filter it gives has 65.8 dB."""

_TRANSITION: Final = 2 * np.pi * (STOPBAND_HZ - PASSBAND_HZ) / SAMPLE_RATE_HZ
HOLD_BACK_SAMPLES: Final = 2 * int(np.ceil((DESIGN_REJECTION_DB - 7.95) / (2.285 * _TRANSITION) / 4))
"""Half the filter's order, made even so that both phases of 8 kHz reach equally far; samples of 16 kHz."""

TAP_UNIT: Final = 2.0**-30
BLOCK_HOPS: Final = 20
"""Steps of the filter in one row of the matrix product: few enough that the zeros in the matrix cost little, enough
that 20 ms are a handful of rows. 200 ms stay below the size from which BLAS wakes other threads."""

SAMPLE_MIN: Final = -32_768
SAMPLE_MAX: Final = 32_767

Samples = NDArray[np.int16]


def _taps() -> NDArray[np.float64]:
    """The filter at 16 kHz, 2 * HOLD_BACK_SAMPLES + 1 taps; either phase adds up to 1, so silence and DC are exact."""
    place = np.arange(-HOLD_BACK_SAMPLES, HOLD_BACK_SAMPLES + 1)
    cutoff = (PASSBAND_HZ + STOPBAND_HZ) / SAMPLE_RATE_HZ
    taps: NDArray[np.float64] = np.sinc(cutoff * place) * np.kaiser(len(place), 0.1102 * (DESIGN_REJECTION_DB - 8.7))
    for phase in (0, 1):
        taps[phase::2] /= taps[phase::2].sum()
    return taps


def _exact(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.rint(taps / TAP_UNIT) * TAP_UNIT


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that looks at `window` samples, gives `outputs` samples, and goes on by `hop` samples.

    `matrix` does BLOCK_HOPS such steps at once: (BLOCK_HOPS - 1) * hop + window rows, BLOCK_HOPS * outputs columns.
    """

    window: int
    hop: int
    outputs: int
    matrix: NDArray[np.float64]

    @classmethod
    def of(cls, step: NDArray[np.float64], hop: int) -> "Filter":
        """The filter whose one step is `step`, window x outputs."""
        window, outputs = step.shape
        matrix = np.zeros(((BLOCK_HOPS - 1) * hop + window, BLOCK_HOPS * outputs))
        for index in range(BLOCK_HOPS):
            matrix[index * hop : index * hop + window, index * outputs : (index + 1) * outputs] = step
        return cls(window, hop, outputs, matrix)

    @property
    def reach(self) -> int:
        """Samples it looks back, and ahead."""
        return self.window // 2


def _doubling() -> Filter:
    taps = _exact(_taps())
    step = np.zeros((HOLD_BACK_SAMPLES + 1, 2))
    step[:, 0] = taps[0::2]
    step[1:, 1] = taps[1::2]
    return Filter.of(step, hop=1)


def _halving() -> Filter:
    return Filter.of(_exact(_taps() / 2)[:, np.newaxis], hop=2)


DOUBLING: Final = _doubling()
"""From 8 to 16 kHz."""

HALVING: Final = _halving()
"""From 16 to 8 kHz."""


class Resampler:
    """One stretch of sound after another through a filter: `DOUBLING` or `HALVING`."""

    def __init__(self, filter_: Filter) -> None:
        self._filter = filter_
        self._pending = self._silence()

    def feed(self, samples: Samples) -> Samples:
        """Adds `samples` to the stretch and gives what is known by now; may be empty."""
        filter_, known = self._filter, len(self._pending)
        total = known + len(samples)
        hops = max(0, (total - filter_.window) // filter_.hop + 1)
        blocks = -(-hops // BLOCK_HOPS)
        stretch = np.zeros(max(total, (blocks * BLOCK_HOPS - 1) * filter_.hop + filter_.window))
        stretch[:known] = self._pending
        stretch[known:total] = samples
        self._pending = stretch[hops * filter_.hop : total].copy()
        # Rows that overlap, without copying: what as_strided gives, in an eighth of its time.
        shape = (blocks, len(filter_.matrix))
        strides = (BLOCK_HOPS * filter_.hop * stretch.itemsize, stretch.itemsize)
        rows = np.ndarray(shape, np.float64, stretch, 0, strides)
        sound = (rows @ filter_.matrix).reshape(-1)[: hops * filter_.outputs]
        np.rint(sound, out=sound)
        np.minimum(sound, SAMPLE_MAX, out=sound)
        np.maximum(sound, SAMPLE_MIN, out=sound)
        return sound.astype(np.int16)

    def finish(self) -> Samples:
        """Gives what was held back of the stretch; the next sample begins a new one."""
        tail = self.feed(np.zeros(self._filter.reach, dtype=np.int16))
        self._pending = self._silence()
        return tail

    def _silence(self) -> NDArray[np.float64]:
        return np.zeros(self._filter.reach)
