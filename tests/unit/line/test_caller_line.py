"""The caller's way in: any format, any frame, the same inner sound, in its place."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voice_contract.messages import AudioEncoding, AudioFormat
from voice_orchestrator.line.caller_line import CallerLine
from voice_orchestrator.line.edge_format import EdgeFormat
from voice_orchestrator.line.resampler import DOUBLING, HOLD_BACK_SAMPLES, Resampler

FORMATS = [
    AudioFormat(encoding=encoding, sample_rate_hz=rate_hz) for encoding in AudioEncoding for rate_hz in (8_000, 16_000)
]
PHONE = AudioFormat(encoding=AudioEncoding.MULAW, sample_rate_hz=8_000)
LINEAR_PHONE = AudioFormat(sample_rate_hz=8_000)


def name(format_: AudioFormat) -> str:
    return f"{format_.encoding.value}-{format_.sample_rate_hz}"


def sound_of(format_: AudioFormat, samples: int, seed: int = 0) -> bytes:
    width = EdgeFormat.of(format_).sample_bytes
    return np.random.default_rng(seed).integers(0, 256, samples * width).astype(np.uint8).tobytes()


def expected(format_: AudioFormat, sound: bytes) -> NDArray[np.int16]:
    linear = EdgeFormat.of(format_).decode(sound)
    if format_.sample_rate_hz == 16_000:
        return linear
    resampler = Resampler(DOUBLING)
    return np.concatenate([resampler.feed(linear), resampler.finish()])


@pytest.mark.parametrize("format_", FORMATS, ids=name)
@settings(max_examples=40)
@given(frames=st.lists(st.integers(1, 1_600), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_any_frames_give_the_same_inner_sound(format_: AudioFormat, frames: list[int], seed: int) -> None:
    width = EdgeFormat.of(format_).sample_bytes
    sound = sound_of(format_, sum(frames), seed)
    ends = np.cumsum([0, *frames]) * width
    line = CallerLine(format_)
    inner = b"".join(line.feed(sound[first:behind]) for first, behind in pairwise(ends))
    assert inner + line.finish() == expected(format_, sound).tobytes()


def test_the_runtimes_own_format_passes_as_it_is() -> None:
    sound = sound_of(AudioFormat(), 320)
    line = CallerLine(AudioFormat())
    assert line.feed(sound) is sound
    assert line.finish() == b""


@pytest.mark.parametrize("format_", [one for one in FORMATS if one.sample_rate_hz == 16_000], ids=name)
def test_nothing_is_held_back_at_16_khz(format_: AudioFormat) -> None:
    line = CallerLine(format_)
    for samples in (160, 161, 3_200, 1):
        assert len(line.feed(sound_of(format_, samples))) == 2 * samples
    assert line.finish() == b""


def test_a_frame_of_10_ms_always_gives_sound() -> None:
    line = CallerLine(PHONE)
    assert len(line.feed(sound_of(PHONE, 80))) == 2 * (160 - HOLD_BACK_SAMPLES)
    assert len(line.feed(sound_of(PHONE, 80))) == 2 * 160


def test_half_an_hour_does_not_drift() -> None:
    frames, frame_samples = 30 * 60 * 50, 160
    click_at = frames * frame_samples - 100
    click = np.full(frame_samples, 0xFF, dtype=np.uint8)
    click[click_at % frame_samples] = 0x80
    silence = b"\xff" * frame_samples
    line = CallerLine(PHONE)
    inner_samples = sum(len(line.feed(silence)) for _ in range(frames - 1)) // 2
    assert inner_samples == 2 * (frames - 1) * frame_samples - HOLD_BACK_SAMPLES
    last = np.frombuffer(line.feed(click.tobytes()) + line.finish(), dtype=np.int16)
    assert inner_samples + len(last) == 2 * frames * frame_samples
    assert inner_samples + int(last.argmax()) == line.inner_samples(click_at)


def test_after_its_end_a_line_begins_anew() -> None:
    line = CallerLine(LINEAR_PHONE)
    line.feed(np.full(500, 30_000, dtype=np.int16).tobytes())
    line.finish()
    sound = sound_of(LINEAR_PHONE, 200)
    assert line.feed(sound) + line.finish() == expected(LINEAR_PHONE, sound).tobytes()


@pytest.mark.parametrize(
    ("format_", "sound", "rule"),
    [
        (LINEAR_PHONE, b"", "a frame of the caller holds no sound"),
        (PHONE, b"", "a frame of the caller holds no sound"),
        (LINEAR_PHONE, bytes(321), "321 bytes of s16le end in the middle of a sample"),
        (AudioFormat(), bytes(1), "1 bytes of s16le end in the middle of a sample"),
        (PHONE, bytes(1_601), "a frame of the caller holds 1601 samples at 8000 Hz, longer than 200 ms"),
        (AudioFormat(), bytes(6_402), "a frame of the caller holds 3201 samples at 16000 Hz, longer than 200 ms"),
    ],
)
def test_a_wrong_frame_is_refused_by_the_rule_it_breaks(format_: AudioFormat, sound: bytes, rule: str) -> None:
    line = CallerLine(format_)
    with pytest.raises(ValueError, match=f"^{rule}$"):
        line.feed(sound)


def test_a_refused_frame_changes_nothing() -> None:
    line, sound = CallerLine(LINEAR_PHONE), sound_of(LINEAR_PHONE, 320)
    heard = line.feed(sound[:400])
    with pytest.raises(ValueError, match="in the middle of a sample"):
        line.feed(sound[400:431])
    assert heard + line.feed(sound[400:]) + line.finish() == expected(LINEAR_PHONE, sound).tobytes()


@pytest.mark.parametrize("format_", FORMATS, ids=name)
def test_200_ms_are_taken(format_: AudioFormat) -> None:
    assert CallerLine(format_).feed(sound_of(format_, format_.sample_rate_hz // 5))


@pytest.mark.parametrize("rate_hz", [0, 7_999, 11_025, 48_000])
def test_other_rates_are_refused(rate_hz: int) -> None:
    with pytest.raises(ValueError, match=f"^sound of {rate_hz} Hz is not converted, only of 8000 and 16000 Hz$"):
        CallerLine(AudioFormat(sample_rate_hz=rate_hz))
