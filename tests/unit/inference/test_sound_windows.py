"""Windows cover a sentence, the first is short, none is long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_inference.engines.tts.sound_windows import FIRST_MS, LONGEST_MS, sound_windows

FRAME_MS = 256 / 22.05


def lengths(frames: int, frame_ms: float = FRAME_MS) -> list[int]:
    return [
        window.end - window.first
        for window in sound_windows(frames, frame_ms=frame_ms, before_frames=11, behind_frames=11)
    ]


@given(frames=st.integers(0, 3000), frame_ms=st.floats(1, 2000), before=st.integers(0, 30), behind=st.integers(0, 30))
def test_every_frame_counts_once_and_has_the_neighbours_it_needs(
    frames: int, frame_ms: float, before: int, behind: int
) -> None:
    at = 0
    for window in sound_windows(frames, frame_ms=frame_ms, before_frames=before, behind_frames=behind):
        assert window.first == at < window.end
        assert window.given_first == max(0, window.first - before)
        assert window.given_end == min(frames, window.end + behind)
        at = window.end
    assert at == frames


@given(frames=st.integers(1, 5000), frame_ms=st.floats(4, 40))
def test_the_first_window_is_short_none_is_long_and_none_a_sliver(frames: int, frame_ms: float) -> None:
    first, *others = lengths(frames, frame_ms)
    assert first * frame_ms <= 1.5 * FIRST_MS
    assert all(length * frame_ms <= LONGEST_MS for length in others)
    assert all(length * frame_ms >= FIRST_MS / 2 - 2 * frame_ms for length in others)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(1, [1]), (27, [27]), (40, [18, 22]), (80, [18, 62]), (145, [18, 54, 73]), (400, [18, 54, 103, 103, 61, 61])],
)
def test_windows_grow(frames: int, expected: list[int]) -> None:
    assert lengths(frames) == expected
