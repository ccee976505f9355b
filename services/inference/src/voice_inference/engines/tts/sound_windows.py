"""Cuts a sentence into the windows its sound is made in. Pure.

The first window is short, so that sound leaves early; those behind it are longer, because each costs as much more as
its sound depends on neighbours, but bounded, because what a call needs in memory grows with its length.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FIRST_MS: Final = 220
LONGEST_MS: Final = 1_200
GROWTH: Final = 3
"""Each window is so many times as long as the one before: it is made while that one is heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundWindow:
    """A call of the vocoder, in frames of the sentence: it is given `given_first` up to before `given_end`, and its
    sound counts from `first` up to before `end`.
    """

    first: int
    end: int
    given_first: int
    given_end: int


def sound_windows(frames: int, *, frame_ms: float, before_frames: int, behind_frames: int) -> Iterator[SoundWindow]:
    """The windows of a sentence of `frames` frames of `frame_ms`, in order, without gap or overlap of what counts. A
    frame's sound depends on `before_frames` and `behind_frames` neighbours.
    """
    longest = max(1, int(LONGEST_MS / frame_ms))
    size = max(1, int(FIRST_MS / frame_ms))
    first = 0
    while first < frames:
        end = first + _length(frames - first, size, longest)
        yield SoundWindow(
            first=first,
            end=end,
            given_first=max(0, first - before_frames),
            given_end=min(frames, end + behind_frames),
        )
        first, size = end, min(GROWTH * size, longest)


def _length(left: int, size: int, longest: int) -> int:
    """Frames of the next window: about `size`, such that no sliver of a window is left for the end."""
    if left <= min(size + size // 2, longest):
        return left
    return min(size, -(-left // 2))
