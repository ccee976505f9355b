"""Which frames of a window with much silence are computed, and what they stand for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voice_inference.engines.thinned_silence import thinned


def test_of_silence_the_middle_of_every_step_is_kept() -> None:
    found = thinned(14, range(2, 12, 4))
    assert list(found.places) == [0, 1, 4, 8, 11, 12, 13]
    assert list(found.stands_for) == [1, 1, 4, 4, 2, 1, 1]
    assert np.allclose(np.exp(found.emphasis), found.stands_for)
    assert found.emphasis.dtype == np.float32


def test_silence_may_be_at_either_end_or_nowhere() -> None:
    assert list(thinned(6, range(0, 4, 2)).places) == [1, 3, 4, 5]
    assert list(thinned(6, range(2, 6, 2)).places) == [0, 1, 3, 5]
    assert list(thinned(3, range(0)).places) == list(thinned(3, range(3, 3)).places) == [0, 1, 2]


@given(frames=st.integers(1, 300), ends=st.tuples(st.integers(0, 300), st.integers(0, 300)), step=st.integers(1, 9))
def test_every_frame_is_stood_for_by_one_near_it(frames: int, ends: tuple[int, int], step: int) -> None:
    first, stop = sorted(min(end, frames) for end in ends)
    found = thinned(frames, range(first, stop, step))
    assert found.stands_for.sum() == frames
    assert found.stands_for.max() <= step
    ends_of = np.cumsum(found.stands_for)
    assert np.all((ends_of - found.stands_for <= found.places) & (found.places < ends_of))
    # What is no silence stands for itself.
    spoken = np.setdiff1d(np.arange(frames), np.arange(first, stop))
    assert set(spoken) <= set(found.places[found.stands_for == 1])
