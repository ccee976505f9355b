"""How much of Whisper's window an utterance gets, and when its transcript is not believed."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.engines.base import FloatSamples
from voice_inference.engines.stt.whisper_window import (
    FULL_WINDOW_S,
    PIECE_S_MAX,
    SPLIT_SEARCH_S,
    WINDOWS_S,
    every_frame,
    looks_like_loop,
    split_points,
    tokens_max,
    window_frames,
    window_s,
)


def seconds(length: float) -> int:
    return round(length * SAMPLE_RATE_HZ)


@pytest.mark.parametrize(
    ("length_s", "window"),
    [(0, 10), (1.5, 10), (8, 10), (8.01, 12), (10, 12), (13, 15), (13.5, 20), (18, 20), (23, 25), (24, 30), (28, 30)],
)
def test_the_window_is_the_smallest_size_with_two_seconds_to_spare(length_s: float, window: int) -> None:
    assert window_s(seconds(length_s)) == window


@pytest.mark.parametrize(("length_s", "window"), [(1, 30), (6, 30)])
def test_without_smaller_sizes_it_is_the_full_window(length_s: float, window: int) -> None:
    assert window_s(seconds(length_s), (FULL_WINDOW_S,)) == window


@pytest.mark.parametrize(("length_s", "window"), [(4, 6), (4.1, 30)])
def test_an_utterance_too_long_for_the_sizes_gets_the_full_window(length_s: float, window: int) -> None:
    assert window_s(seconds(length_s), (4, 6)) == window


def test_no_window_is_longer_than_whispers() -> None:
    assert window_s(seconds(60)) == FULL_WINDOW_S


@given(st.integers(0, PIECE_S_MAX * SAMPLE_RATE_HZ))
@settings(derandomize=True)
def test_every_utterance_fits_into_its_window(samples: int) -> None:
    assert window_s(samples) in WINDOWS_S
    assert window_s(samples) * SAMPLE_RATE_HZ >= samples + 2 * SAMPLE_RATE_HZ


@given(st.integers(0, 23 * SAMPLE_RATE_HZ))
@settings(derandomize=True)
def test_all_of_an_utterance_and_a_quarter_of_the_silence_behind_it_is_computed(samples: int) -> None:
    length_s = window_s(samples)
    found = window_frames(samples, length_s)
    heard = np.count_nonzero(np.cumprod(found.stands_for == 1))
    # Every frame as far as a second behind the utterance, in its place.
    assert samples / 320 + 50 <= heard
    assert np.array_equal(found.places[:heard], np.arange(heard))
    # Behind that one of four, in the middle of those it stands for, until the window is full.
    ends = np.cumsum(found.stands_for)
    assert ends[-1] == 50 * length_s
    assert set(found.stands_for[heard:-1]) <= {4}
    assert found.stands_for[-1] <= 4
    assert np.all((ends - found.stands_for <= found.places) & (found.places < ends))
    assert len(found.places) <= samples / 320 + 52 + (50 * length_s - samples / 320) / 4


def test_three_seconds_are_heard_in_half_of_the_shortest_window() -> None:
    found = window_frames(seconds(3), 10)
    assert len(found.places) == 200 + 75
    assert list(found.places[198:204]) == [198, 199, 202, 206, 210, 214]


def test_a_whole_window_leaves_nothing_out() -> None:
    found = every_frame(FULL_WINDOW_S)
    assert list(found.places) == list(range(1_500))
    assert set(found.stands_for) == {1}
    assert np.array_equal(window_frames(seconds(24), FULL_WINDOW_S).places, found.places)


@pytest.mark.parametrize(("length_s", "tokens"), [(0, 8), (1, 14), (10, 68), (0.5, 11)])
def test_longer_sound_may_have_more_tokens(length_s: float, tokens: int) -> None:
    assert tokens_max(seconds(length_s)) == tokens


def test_part_of_a_token_counts_as_a_whole_one() -> None:
    assert tokens_max(1) == 9


@pytest.mark.parametrize(
    "text",
    [
        "i am here i am here",
        "Thank you. Thank you. Thank you.",
        "so, what's that? So what's that",
        "one two three one two three one two three",
    ],
)
def test_one_phrase_over_and_over_is_a_loop(text: str) -> None:
    assert looks_like_loop(text, tokens=8, samples=seconds(5))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello.",
        "I would like to book a table for two.",
        "thank you thank you very much",
        "i am here i am",
        "bye bye",
        "the man and the dog and the man",
    ],
)
def test_ordinary_speech_is_no_loop(text: str) -> None:
    assert not looks_like_loop(text, tokens=8, samples=seconds(5))


def test_more_tokens_than_anybody_speaks_are_a_loop() -> None:
    samples = seconds(2)
    assert not looks_like_loop("a quiet word", tokens_max(samples), samples)
    assert looks_like_loop("a quiet word", tokens_max(samples) + 1, samples)


def noise(length_s: float) -> FloatSamples:
    samples: FloatSamples = np.random.default_rng(7).uniform(-0.5, 0.5, seconds(length_s)).astype(np.float32)
    return samples


def with_pauses(length_s: float, *pauses_s: tuple[float, float]) -> FloatSamples:
    samples = noise(length_s)
    for begin, end in pauses_s:
        samples[seconds(begin) : seconds(end)] = 0.0
    return samples


@pytest.mark.parametrize("length_s", [0, 5, PIECE_S_MAX])
def test_sound_that_fits_is_not_cut(length_s: float) -> None:
    assert split_points(noise(length_s)) == []


def test_sound_is_cut_in_a_pause_near_the_end_of_the_piece() -> None:
    (point,) = split_points(with_pauses(35, (10, 11), (24.2, 24.8)))
    assert seconds(24.2) <= point <= seconds(24.8)


def test_a_pause_too_early_in_the_piece_is_not_used() -> None:
    (point,) = split_points(with_pauses(35, (10, 11)))
    assert seconds(PIECE_S_MAX - SPLIT_SEARCH_S) <= point <= seconds(PIECE_S_MAX)


def test_long_sound_is_cut_as_often_as_needed() -> None:
    first, second = split_points(with_pauses(60, (25, 25.6), (49, 49.6)))
    assert seconds(25) <= first <= seconds(25.6)
    assert seconds(49) <= second <= seconds(49.6)


@given(st.integers(0, seconds(75)), st.integers(0, 2**16))
@settings(max_examples=25, derandomize=True)
def test_no_piece_is_longer_than_a_window_takes_or_needlessly_short(samples: int, seed: int) -> None:
    sound: FloatSamples = np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32)
    edges = [0, *split_points(sound), samples]
    lengths = [after - before for before, after in pairwise(edges)]
    assert all(0 <= length <= PIECE_S_MAX * SAMPLE_RATE_HZ for length in lengths)
    assert all(length >= (PIECE_S_MAX - SPLIT_SEARCH_S) * SAMPLE_RATE_HZ for length in lengths[:-1])
