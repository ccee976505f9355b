"""The two filters of the telephone line: what they let through, what they hold back, and that they lose nothing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voice_orchestrator.line.resampler import DOUBLING, HALVING, HOLD_BACK_SAMPLES, Filter, Resampler

HOLD_BACK_MS_MAX = 6.0
REJECTION_DB_MIN = 60.0
PASSBAND_DB_MAX = 0.5
INNER_HZ = 16_000
PHONE_HZ = 8_000

Samples = NDArray[np.int16]
BOTH = [
    pytest.param(DOUBLING, PHONE_HZ, INNER_HZ, id="8 to 16 kHz"),
    pytest.param(HALVING, INNER_HZ, PHONE_HZ, id="16 to 8 kHz"),
]


def whole(filter_: Filter, samples: Samples) -> Samples:
    resampler = Resampler(filter_)
    return np.concatenate([resampler.feed(samples), resampler.finish()])


def exact_length(samples: int, from_hz: int) -> int:
    return 2 * samples if from_hz == PHONE_HZ else (samples + 1) // 2


def noise(samples: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).integers(-32_768, 32_768, samples).astype(np.int16)


# --- one filter, whatever the pieces


def direct(samples: Samples, from_hz: int) -> Samples:
    """The same filter written down as one convolution of whole numbers, at 16 kHz, and rounded once."""
    half = 54
    place = np.arange(-half, half + 1)
    taps = np.sinc(3_700 / 8_000 * place) * np.kaiser(2 * half + 1, 0.1102 * (66 - 8.7))
    for phase in (0, 1):
        taps[phase::2] /= taps[phase::2].sum()
    gain = 1.0 if from_hz == PHONE_HZ else 0.5
    exact_taps = np.rint(taps * gain * 2**30).astype(np.int64)
    at_16_khz = samples.astype(np.int64)
    if from_hz == PHONE_HZ:
        at_16_khz = np.zeros(2 * len(samples), dtype=np.int64)
        at_16_khz[::2] = samples
    sums = np.convolve(np.pad(at_16_khz, half), exact_taps, "valid")
    if from_hz == INNER_HZ:
        sums = sums[::2]
    return np.clip(np.rint(sums / 2**30), -32_768, 32_767).astype(np.int16)


@pytest.mark.parametrize(("filter_", "from_hz", "to_hz"), BOTH)
def test_it_is_the_filter_that_is_written_down(filter_: Filter, from_hz: int, to_hz: int) -> None:
    for length in (1, 2, 53, 54, 55, 1_000, 1_001):
        sound = noise(length, seed=length)
        assert np.array_equal(whole(filter_, sound), direct(sound, from_hz))


@pytest.mark.parametrize(("filter_", "from_hz", "to_hz"), BOTH)
@settings(max_examples=60)
@given(length=st.integers(0, 1_500), cuts=st.lists(st.integers(0, 1_500), max_size=12), seed=st.integers(0, 99))
def test_the_pieces_make_no_difference(
    filter_: Filter, from_hz: int, to_hz: int, length: int, cuts: list[int], seed: int
) -> None:
    sound = noise(length, seed)
    at = sorted({0, length, *(cut for cut in cuts if cut < length)})
    resampler = Resampler(filter_)
    pieces = [resampler.feed(sound[first:behind]) for first, behind in pairwise(at)]
    pieces.append(resampler.finish())
    together = np.concatenate(pieces)
    assert together.tobytes() == whole(filter_, sound).tobytes()
    assert len(together) == exact_length(length, from_hz)


@pytest.mark.parametrize(("filter_", "from_hz", "to_hz"), BOTH)
def test_sample_by_sample_is_as_good_as_at_once(filter_: Filter, from_hz: int, to_hz: int) -> None:
    sound = noise(700)
    resampler = Resampler(filter_)
    pieces = [resampler.feed(sound[index : index + 1]) for index in range(len(sound))]
    assert np.array_equal(np.concatenate([*pieces, resampler.finish()]), whole(filter_, sound))


@pytest.mark.parametrize(("filter_", "from_hz", "to_hz"), BOTH)
def test_after_the_end_it_begins_anew(filter_: Filter, from_hz: int, to_hz: int) -> None:
    resampler = Resampler(filter_)
    resampler.feed(np.full(500, 30_000, dtype=np.int16))
    resampler.finish()
    sound = noise(300)
    assert np.array_equal(np.concatenate([resampler.feed(sound), resampler.finish()]), whole(filter_, sound))
    assert not resampler.finish().size


@pytest.mark.parametrize(("filter_", "from_hz", "to_hz"), BOTH)
@pytest.mark.parametrize("level", [0, 1, -1, 12_345, 32_767, -32_768])
def test_a_constant_stays_what_it_is(filter_: Filter, from_hz: int, to_hz: int, level: int) -> None:
    sound = whole(filter_, np.full(2_000, level, dtype=np.int16))
    inside = sound[HOLD_BACK_SAMPLES:-HOLD_BACK_SAMPLES]
    assert set(inside.tolist()) == {level}


@pytest.mark.parametrize(("filter_", "from_hz", "to_hz"), BOTH)
def test_what_is_too_loud_is_cut_and_does_not_wrap(filter_: Filter, from_hz: int, to_hz: int) -> None:
    square = np.where(np.arange(4_000) // 20 % 2, -32_768, 32_767).astype(np.int16)
    sound = whole(filter_, square)
    assert sound.max() == 32_767
    assert sound.min() == -32_768
    middle = 20 * to_hz // from_hz // 2
    assert sound[middle] > 30_000


@pytest.mark.parametrize("filter_", [DOUBLING, HALVING], ids=["8 to 16 kHz", "16 to 8 kHz"])
def test_every_sum_is_exact_in_whatever_order_it_is_made(filter_: Filter) -> None:
    whole_taps = filter_.matrix * 2**30
    assert np.array_equal(whole_taps, np.rint(whole_taps))
    assert np.abs(whole_taps).sum(axis=0).max() * 32_768 < 2**53


# --- tones


def tone(frequency_hz: int, rate_hz: int, seconds: float = 1.2, level: float = 30_000.0) -> Samples:
    place = np.arange(int(rate_hz * seconds))
    return np.rint(level * np.sin(2 * np.pi * frequency_hz * place / rate_hz + 0.3)).astype(np.int16)


def spectrum(sound: Samples, rate_hz: int) -> NDArray[np.float64]:
    """Amplitude at every whole hertz, of one second from the middle."""
    first = (len(sound) - rate_hz) // 2
    second = sound[first : first + rate_hz].astype(np.float64)
    return np.asarray(np.abs(np.fft.rfft(second)) / (rate_hz / 2))


def decibels(amplitude: float, reference: float) -> float:
    return float(20 * np.log10(max(amplitude, 1e-9) / reference))


@pytest.mark.parametrize(("filter_", "from_hz", "to_hz"), BOTH)
def test_speech_passes_as_it_is(filter_: Filter, from_hz: int, to_hz: int) -> None:
    for frequency in range(50, 3_401, 50):
        sound = tone(frequency, from_hz)
        before, after = spectrum(sound, from_hz)[frequency], spectrum(whole(filter_, sound), to_hz)[frequency]
        assert abs(decibels(after, before)) <= PASSBAND_DB_MAX, frequency


def test_no_tone_of_the_telephone_has_an_image() -> None:
    worst = -999.0
    for frequency in [*range(50, 4_000, 50), 3_990, 3_999]:
        sound = tone(frequency, PHONE_HZ)
        heard = spectrum(whole(DOUBLING, sound), INNER_HZ)
        worst = max(worst, decibels(heard[PHONE_HZ // 2 + 1 :].max(), spectrum(sound, PHONE_HZ)[frequency]))
    assert worst <= -REJECTION_DB_MIN


def test_no_tone_above_the_telephone_has_an_alias() -> None:
    worst = -999.0
    for frequency in [4_001, 4_010, *range(4_050, 8_000, 50)]:
        sound = tone(frequency, INNER_HZ)
        heard = spectrum(whole(HALVING, sound), PHONE_HZ)
        worst = max(worst, decibels(heard.max(), spectrum(sound, INNER_HZ)[frequency]))
    assert worst <= -REJECTION_DB_MIN


# --- what is held back


@pytest.mark.parametrize(("filter_", "from_hz", "to_hz"), BOTH)
def test_never_more_than_6_ms_are_held_back(filter_: Filter, from_hz: int, to_hz: int) -> None:
    resampler = Resampler(filter_)
    given_samples = 0
    worst = 0
    for fed in range(1, 2_000):
        given_samples += len(resampler.feed(np.ones(1, dtype=np.int16)))
        worst = max(worst, fed * (INNER_HZ // from_hz) - given_samples * (INNER_HZ // to_hz))
    assert worst == HOLD_BACK_SAMPLES
    assert worst * 1_000 / INNER_HZ <= HOLD_BACK_MS_MAX


@pytest.mark.parametrize(("filter_", "from_hz", "to_hz"), BOTH)
def test_a_click_comes_within_6_ms_and_in_its_place(filter_: Filter, from_hz: int, to_hz: int) -> None:
    at = 400
    resampler = Resampler(filter_)
    heard: list[int] = []
    came_after = 0
    for index in range(2 * at):
        heard += resampler.feed(np.array([20_000 if index == at else 0], dtype=np.int16)).tolist()
        if not came_after and max(heard, default=0) > 5_000:
            came_after = index - at
    assert heard.index(max(heard)) * from_hz == at * to_hz
    assert 0 < came_after * 1_000 / from_hz <= HOLD_BACK_MS_MAX


@pytest.mark.parametrize(("filter_", "from_hz", "to_hz"), BOTH)
def test_a_click_sounds_the_same_before_and_behind(filter_: Filter, from_hz: int, to_hz: int) -> None:
    click = np.zeros(801, dtype=np.int16)
    click[400] = 32_767
    sound = whole(filter_, click)
    centre = 400 * to_hz // from_hz
    reach = HOLD_BACK_SAMPLES * to_hz // INNER_HZ
    assert np.array_equal(sound[centre : centre + reach + 1], sound[centre - reach : centre + 1][::-1])
    assert not sound[: centre - reach].any()
    assert not sound[centre + reach + 1 :].any()
