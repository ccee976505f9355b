"""The newest sound of a caller, by its position in the call."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.engines.base import IntSamples
from voice_inference.server.audio_ring import AudioRing

CAPACITY = 10


def pcm(*values: int) -> IntSamples:
    return np.array(values, dtype=np.int16)


def kept(ring: AudioRing, start: int, end: int) -> list[int]:
    """What the ring gives for a stretch, as the integers that were put in."""
    return [round(value * 32768) for value in ring.slice(start, end).tolist()]


def ring_with(offset: int, *values: int) -> AudioRing:
    ring = AudioRing(CAPACITY)
    assert ring.append(offset, pcm(*values)) == 0
    return ring


def test_an_empty_ring_has_nothing() -> None:
    ring = AudioRing(CAPACITY)
    assert (ring.start_samples, ring.end_samples) == (0, 0)
    assert len(ring.slice(0, 100)) == 0


def test_sound_comes_back_from_where_it_was_put() -> None:
    ring = ring_with(0, 1, 2, 3)
    ring.append(3, pcm(4, 5))
    assert kept(ring, 0, 5) == [1, 2, 3, 4, 5]
    assert kept(ring, 1, 4) == [2, 3, 4]


def test_sound_comes_back_as_floats_between_minus_one_and_one() -> None:
    samples = ring_with(0, -32768, 0, 16384, 32767).slice(0, 4)
    assert samples.dtype == np.float32
    assert samples.tolist() == [-1.0, 0.0, 0.5, 32767 / 32768]


def test_a_slice_is_a_copy_that_later_sound_does_not_change() -> None:
    ring = ring_with(0, 1, 2, 3)
    samples = ring.slice(0, 3)
    ring.append(3, pcm(*[9] * CAPACITY))
    assert (samples * 32768).tolist() == [1, 2, 3]


def test_the_oldest_sound_gives_way_to_the_newest() -> None:
    ring = ring_with(0, *range(1, 9))
    ring.append(8, pcm(*range(9, 15)))
    assert (ring.start_samples, ring.end_samples) == (4, 14)
    assert kept(ring, 0, 99) == list(range(5, 15))


def test_more_sound_than_the_ring_holds_leaves_its_end() -> None:
    ring = AudioRing(CAPACITY)
    assert ring.append(0, pcm(*range(25))) == 0
    assert (ring.start_samples, ring.end_samples) == (15, 25)
    assert kept(ring, 0, 25) == list(range(15, 25))


def test_a_call_may_begin_at_any_position() -> None:
    ring = ring_with(1_000_003, 1, 2, 3)
    assert (ring.start_samples, ring.end_samples) == (1_000_003, 1_000_006)
    assert kept(ring, 0, 2_000_000) == [1, 2, 3]


def test_a_gap_is_silence() -> None:
    ring = ring_with(0, 1, 2)
    assert ring.append(5, pcm(6)) == 0
    assert kept(ring, 0, 6) == [1, 2, 0, 0, 0, 6]


@pytest.mark.parametrize("gap", [CAPACITY - 1, CAPACITY, CAPACITY + 1, 3 * CAPACITY + 7])
def test_a_gap_longer_than_the_ring_leaves_no_old_sound_behind(gap: int) -> None:
    ring = ring_with(0, *[7] * CAPACITY)
    ring.append(CAPACITY + gap, pcm(1, 2))
    end = CAPACITY + gap + 2
    assert (ring.start_samples, ring.end_samples) == (end - CAPACITY, end)
    assert kept(ring, 0, end) == [0] * (CAPACITY - 2) + [1, 2]


def test_sound_that_was_there_before_is_dropped_and_counted() -> None:
    ring = ring_with(0, 1, 2, 3)
    assert ring.append(1, pcm(9, 9)) == 2
    assert ring.append(2, pcm(9, 4, 5)) == 1
    assert ring.append(5, pcm()) == 0
    assert kept(ring, 0, 9) == [1, 2, 3, 4, 5]
    assert ring.end_samples == 5


def test_sound_from_before_the_first_position_is_dropped() -> None:
    ring = ring_with(100, 1, 2)
    assert ring.append(40, pcm(9, 9)) == 2
    assert kept(ring, 0, 200) == [1, 2]


@pytest.mark.parametrize(("start", "end"), [(3, 3), (3, 1), (-5, 0), (5, 9), (99, 200)])
def test_a_stretch_outside_of_what_is_kept_is_empty(start: int, end: int) -> None:
    assert kept(ring_with(0, 1, 2, 3, 4, 5), start, end) == []


def test_a_ring_holds_the_longest_turn_by_default() -> None:
    ring = AudioRing()
    for second in range(80):
        ring.append(second * SAMPLE_RATE_HZ, np.full(SAMPLE_RATE_HZ, second, dtype=np.int16))
    assert ring.end_samples - ring.start_samples == 75 * SAMPLE_RATE_HZ
    assert kept(ring, 20 * SAMPLE_RATE_HZ - 1, 20 * SAMPLE_RATE_HZ + 1) == [19, 20]


@given(st.lists(st.tuples(st.integers(-12, 25), st.integers(1, 25)), max_size=12), st.integers(0, 30))
@settings(max_examples=300, derandomize=True)
def test_a_ring_is_a_window_on_everything_that_ever_came(pieces: list[tuple[int, int]], first: int) -> None:
    ring = AudioRing(CAPACITY)
    everything: dict[int, int] = {}
    end, value = first, 0
    for at, (shift, length) in enumerate(pieces):
        offset = first if at == 0 else max(0, end + shift)
        values = list(range(value + 1, value + 1 + length))
        value += length
        stale = ring.append(offset, pcm(*values))
        fresh = {offset + i: each for i, each in enumerate(values) if offset + i >= end}
        assert stale == length - len(fresh)
        everything |= fresh
        end = max(fresh, default=end - 1) + 1
    start = max(first, end - CAPACITY)
    assert not pieces or (ring.start_samples, ring.end_samples) == (start, end)
    assert kept(ring, 0, 10_000) == [everything.get(position, 0) for position in range(start, end)]


def test_the_longest_turn_a_profile_allows_is_kept_whole() -> None:
    ring = AudioRing()
    turn_samples = 60 * SAMPLE_RATE_HZ
    second = np.arange(SAMPLE_RATE_HZ, dtype=np.int16)
    for at in range(0, 100 * SAMPLE_RATE_HZ, SAMPLE_RATE_HZ):
        ring.append(at, second)
    heard = ring.slice(ring.end_samples - turn_samples, ring.end_samples)
    assert np.array_equal(heard, np.tile(second, 60) / np.float32(32_768))
