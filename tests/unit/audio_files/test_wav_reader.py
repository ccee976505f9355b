"""Caller WAVs of every width, rate and number of channels become the runtime's sound."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.wav_files import chunk, level_of, loudest_hz, pcm16_format, riff, tone, write_wav

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_orchestrator.audio_files.wav_reader import read_wav

RAMP: NDArray[np.int16] = np.arange(-32_768, 32_768, 13, dtype=np.int32).astype(np.int16)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "made.wav"
    path.write_bytes(content)
    return path


def test_sound_in_the_format_of_the_runtime_is_taken_sample_by_sample(tmp_path: Path) -> None:
    sound = read_wav(write_wav(tmp_path / "a.wav", RAMP))
    assert sound.samples.dtype == np.int16
    assert np.array_equal(sound.samples, RAMP)


def test_it_is_said_what_the_sound_was_made_from(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.zeros((4_800, 2)), 48_000, "PCM_24")
    sound = read_wav(path)
    assert (sound.path, sound.source_rate_hz, sound.source_channels, sound.source_subtype) == (
        path,
        48_000,
        2,
        "PCM_24",
    )
    assert sound.duration_ms == 100


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [("PCM_U8", 256), ("PCM_16", 1), ("PCM_24", 1), ("PCM_32", 1), ("FLOAT", 1), ("DOUBLE", 1)],
)
def test_every_width_keeps_the_wave_to_its_own_precision(tmp_path: Path, subtype: str, tolerance: int) -> None:
    wave = tone(440.0)
    sound = read_wav(write_wav(tmp_path / "a.wav", wave, subtype=subtype))
    assert len(sound.samples) == len(wave)
    assert np.max(np.abs(sound.samples - wave * 32_768)) <= tolerance


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("rate_hz", [4_000, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 192_000])
def test_a_tone_keeps_its_length_frequency_and_level_at_every_rate(tmp_path: Path, rate_hz: int, subtype: str) -> None:
    sound = read_wav(write_wav(tmp_path / "a.wav", tone(440.0, rate_hz=rate_hz), rate_hz, subtype))
    assert abs(len(sound.samples) - SAMPLE_RATE_HZ // 2) <= 1
    assert loudest_hz(sound.samples) == pytest.approx(440.0, abs=2.0)
    assert level_of(sound.samples) == pytest.approx(0.5, rel=0.02)


def test_what_lies_above_the_rate_of_the_runtime_does_not_fold_back(tmp_path: Path) -> None:
    sound = read_wav(write_wav(tmp_path / "a.wav", tone(12_000.0, rate_hz=48_000), 48_000))
    assert level_of(sound.samples) < 0.001


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = np.full(100, 1_000, dtype=np.int16)
    sound = read_wav(write_wav(tmp_path / "a.wav", np.stack([left, 3 * left], axis=1)))
    assert set(sound.samples.tolist()) == {2_000}


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_a_tone_on_both_sides_of_a_stereo_file_is_as_loud_as_on_one(tmp_path: Path, rate_hz: int) -> None:
    wave = tone(440.0, rate_hz=rate_hz)
    both = read_wav(write_wav(tmp_path / "both.wav", np.stack([wave, wave], axis=1), rate_hz))
    left = read_wav(write_wav(tmp_path / "left.wav", np.stack([wave, 0 * wave], axis=1), rate_hz))
    assert level_of(both.samples) == pytest.approx(0.5, rel=0.01)
    assert level_of(left.samples) == pytest.approx(0.25, rel=0.01)


def test_eight_channels_are_still_heard(tmp_path: Path) -> None:
    sound = read_wav(write_wav(tmp_path / "a.wav", np.full((100, 8), 800, dtype=np.int16)))
    assert set(sound.samples.tolist()) == {800}


def test_sound_beyond_full_scale_is_clipped_not_wrapped(tmp_path: Path) -> None:
    sound = read_wav(write_wav(tmp_path / "a.wav", np.array([1.0, 3.0, -1.0, -3.0]), subtype="FLOAT"))
    assert sound.samples.tolist() == [32_767, 32_767, -32_768, -32_768]


def test_a_full_scale_step_does_not_wrap_where_resampling_overshoots(tmp_path: Path) -> None:
    step = np.concatenate([np.full(400, -1.0), np.full(400, 1.0)])
    samples = read_wav(write_wav(tmp_path / "a.wav", step, 8_000, "FLOAT")).samples.astype(np.int32)
    assert np.max(samples[:700]) < 0
    assert np.min(samples[900:1_500]) > 0


def test_a_single_sample_is_sound(tmp_path: Path) -> None:
    assert read_wav(write_wav(tmp_path / "a.wav", np.array([5], dtype=np.int16))).samples.tolist() == [5]


def test_chunks_before_and_behind_the_sound_are_passed_over(tmp_path: Path) -> None:
    noted = chunk(b"LIST", b"INFOodd")
    content = riff(noted, pcm16_format(), noted, chunk(b"data", RAMP.tobytes()), noted)
    assert np.array_equal(read_wav(written(tmp_path, content)).samples, RAMP)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_streamed_file_that_does_not_know_its_length_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    content = riff(pcm16_format(), chunk(b"data", RAMP.tobytes(), size))
    assert np.array_equal(read_wav(written(tmp_path, content)).samples, RAMP)


def test_reading_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", RAMP)
    before = path.read_bytes()
    read_wav(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
