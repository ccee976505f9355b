"""A sentence's sound in windows: the same samples however it is cut, begun at once, never too loud."""

from collections.abc import Sequence

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from voice_inference.engines.base import FloatSamples, IntSamples
from voice_inference.engines.tts.sentence_sound import (
    CEILING,
    KNEE,
    LEAD_SAMPLES,
    LEVEL,
    PIECE_SAMPLES,
    QUIET,
    SentenceSound,
    gain_for,
)

RATE_HZ = 22_050


def tone(samples: int, height: float = 0.4) -> FloatSamples:
    return np.asarray(height * np.sin(np.arange(samples) * 0.07), dtype=np.float32)


def silence(samples: int) -> FloatSamples:
    return np.zeros(samples, dtype=np.float32)


def spoken(
    windows: Sequence[FloatSamples], rate_hz: int = RATE_HZ, gain: float = 1.0
) -> tuple[list[IntSamples], SentenceSound]:
    sound = SentenceSound(rate_hz=rate_hz, gain=gain)
    pieces = [
        piece for index, window in enumerate(windows) for piece in sound.add(window, last=index == len(windows) - 1)
    ]
    return pieces, sound


def cut(samples: FloatSamples, points: Sequence[int]) -> list[FloatSamples]:
    return np.split(samples, sorted(points))


@given(
    lead=st.integers(0, 9_000),
    length=st.integers(1, 20_000),
    points=st.lists(st.integers(0, 20_000), max_size=6),
    rate_hz=st.sampled_from((16_000, 22_050)),
)
def test_no_sample_is_lost_or_another_however_it_is_cut(
    lead: int, length: int, points: list[int], rate_hz: int
) -> None:
    samples = np.concatenate([silence(lead), tone(length)])
    whole, in_one = spoken([samples], rate_hz)
    pieces, in_windows = spoken(cut(samples, [min(point, len(samples)) for point in points]), rate_hz)
    assert np.concatenate([*pieces, silence(0)]).tolist() == np.concatenate([*whole, silence(0)]).tolist()
    assert in_windows.lead_samples == in_one.lead_samples
    assert in_windows.sent_samples == sum(map(len, pieces))
    assert in_windows.lead_samples + in_windows.sent_samples == len(soxr.resample(samples, rate_hz, 16_000))


def test_the_sound_is_the_resampled_one() -> None:
    samples = tone(30_000)
    pieces, sound = spoken(cut(samples, [7_000, 9_000]))
    expected = soxr.resample(samples, RATE_HZ, 16_000, quality="HQ")[sound.lead_samples :]
    assert np.abs(np.concatenate(pieces) / 32_767 - expected).max() < 2 / 32_767


def test_the_silence_before_a_sentence_is_left_out() -> None:
    pieces, sound = spoken([silence(4_000), silence(4_000), tone(4_000), silence(2_000)], 16_000)
    said = np.concatenate(pieces)
    begins = int(np.flatnonzero(np.abs(said) > QUIET * 32_767)[0])
    assert begins == LEAD_SAMPLES
    assert sound.lead_samples == 8_000 - LEAD_SAMPLES + int(np.flatnonzero(np.abs(tone(4_000)) > QUIET)[0])
    assert len(said) == 14_000 - sound.lead_samples


def test_sound_that_is_loud_at_once_is_kept_from_its_beginning() -> None:
    _, sound = spoken([tone(4_000) + np.float32(0.2)], 16_000)
    assert sound.lead_samples == 0


def test_a_silent_sentence_is_left_out() -> None:
    pieces, sound = spoken([silence(4_000), silence(300)])
    assert (pieces, sound.sent_samples, sound.lead_samples) == (
        [],
        0,
        len(soxr.resample(silence(4_300), RATE_HZ, 16_000)),
    )


def test_pieces_are_short() -> None:
    pieces, _ = spoken([tone(30_000), tone(9_000)])
    assert max(map(len, pieces)) == PIECE_SAMPLES


def test_up_to_the_knee_sound_is_only_made_louder() -> None:
    (piece,) = spoken([tone(3_000, KNEE / 2)], 16_000, gain=2.0)[0]
    assert np.abs(piece / 32_767 - tone(3_000, KNEE)).max() < 1 / 32_767


@given(gain=st.floats(0.1, 100))
def test_no_gain_makes_it_clip_and_louder_stays_louder(gain: float) -> None:
    ramp = np.linspace(-1, 1, 3_001, dtype=np.float32)
    (piece,) = spoken([ramp], 16_000, gain)[0]
    said = piece.astype(np.int32)
    assert np.abs(said).max() <= CEILING * 32_767 + 1
    assert np.diff(said).min() >= 0


def test_a_voice_is_brought_to_the_level_with_its_pauses_left_out() -> None:
    speech = np.concatenate([tone(20_000, 0.05), silence(30_000), tone(20_000, 0.05)])
    pieces, _ = spoken([speech], gain=gain_for(speech, RATE_HZ))
    level = np.sqrt(np.square(np.concatenate(pieces)[2_000:12_000] / 32_767).mean())
    assert level == pytest.approx(LEVEL, rel=0.02)


@pytest.mark.parametrize("sound", [silence(0), silence(10), silence(30_000), tone(50)])
def test_nothing_is_concluded_from_a_voice_that_said_nothing(sound: FloatSamples) -> None:
    assert gain_for(sound, RATE_HZ) == 1.0
