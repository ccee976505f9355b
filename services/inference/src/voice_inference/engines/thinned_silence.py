"""Which frames of a window are computed when most of it is silence. Pure.

A network that hears a window of fixed length pays for all of it, however short the speech in it is. Frames of silence
are alike, so that of several in a row one can be computed, in its own place, and be attended to as all that it stands
for: the logarithm of their number is added to what it is weighed by (proportional attention, Bolya et al. 2023,
arXiv:2210.09461).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowFrames:
    """The frames of a window that are computed: their `places` in it, which rise, and how many frames of it each one
    `stands_for`, itself included; both (frames,).
    """

    places: NDArray[np.int64]
    stands_for: NDArray[np.int64]

    @property
    def emphasis(self) -> NDArray[np.float32]:
        """What is added where a frame is attended to, (frames,): the natural logarithm of what it stands for."""
        return np.log(self.stands_for, dtype=np.float32)


def thinned(frames: int, silence: range) -> WindowFrames:
    """A window of `frames` frames, and of those in `silence`, a range in it, one for each of its steps."""
    begins = np.concatenate(
        [np.arange(silence.start), np.array(silence, dtype=np.int64), np.arange(silence.stop, frames)]
    )
    stands_for = np.diff(begins, append=frames)
    return WindowFrames(places=begins + stands_for // 2, stands_for=stands_for)
