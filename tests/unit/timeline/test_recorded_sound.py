"""The sound of a page: extremes that hide nothing, everything to hear within a limit, broken recordings refused."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wav_files import loudest_hz, tone, write_wav

from voice_operations.operator_error import OperatorError
from voice_orchestrator.timeline import recorded_sound
from voice_orchestrator.timeline.recorded_sound import RecordedSound, read_sound


def both_sides(caller: Any, agent: Any) -> Any:
    return np.stack([caller, agent], axis=1)


def recording(folder: Path, samples: Any, rate_hz: int = 16_000) -> Path:
    return write_wav(folder / "recording.wav", samples, rate_hz)


def refusal(path: Path) -> str:
    with pytest.raises(OperatorError) as refused:
        read_sound(path, to_hear=False)
    (problem,) = refused.value.problems
    return problem.removeprefix(f"{path}: ")


def test_each_side_has_its_own_extremes(tmp_path: Path) -> None:
    samples = np.zeros((16_000, 2), dtype=np.int16)
    samples[3_200:3_232, 0] = 1_000
    samples[3_232:3_264, 0] = -1_000
    samples[8_000, 1] = 32_767
    sound = read_sound(recording(tmp_path, samples), to_hear=False)
    assert (sound.duration_ms, sound.bin_ms, sound.peaks.shape) == (1_000, 2, (2, 500, 2))
    assert sound.peaks[0, 100].tolist() == [3, 4]
    assert sound.peaks[0, 101].tolist() == [-4, -3]
    assert sound.peaks[1, 250].tolist() == [0, 127]
    assert np.count_nonzero(sound.peaks.any(axis=2)) == 3
    assert sound.loudest == pytest.approx((1_000 / 32_768, 32_767 / 32_768))
    assert sound.ogg is None


@settings(max_examples=40)
@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=200))
def test_extremes_are_never_smaller_than_the_sound(tmp_path_factory: pytest.TempPathFactory, values: list[int]) -> None:
    samples = both_sides(np.array(values, dtype=np.int16), np.zeros(len(values), dtype=np.int16))
    sound = read_sound(recording(tmp_path_factory.mktemp("sound"), samples), to_hear=False)
    for index in range(sound.peaks.shape[1]):
        part = values[index * 32 : (index + 1) * 32]
        least, greatest = sound.peaks[0, index].tolist()
        assert least * 256 <= min(part) < (least + 1) * 256
        assert greatest == 127 or (greatest - 1) * 256 < max(part) <= greatest * 256


def test_long_recordings_are_drawn_coarser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recording(tmp_path, both_sides(tone(440, seconds=2.5), tone(880, seconds=2.5)))
    monkeypatch.setattr(recorded_sound, "BINS_MAX", 300)
    sound = read_sound(path, to_hear=False)
    assert (sound.bin_ms, sound.peaks.shape[1]) == (10, 250)
    monkeypatch.setattr(recorded_sound, "BINS_MAX", 1)
    assert read_sound(path, to_hear=False).bin_ms == recorded_sound.BIN_MS[-1]


def heard(sound: RecordedSound) -> tuple[Any, int]:
    assert sound.ogg is not None
    samples, rate_hz = soundfile.read(io.BytesIO(sound.ogg), dtype="int16")
    return samples, rate_hz


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_what_is_heard_is_the_recording_at_the_same_places(tmp_path: Path, rate_hz: int) -> None:
    silence = np.zeros(rate_hz)
    tones = (tone(440, rate_hz=rate_hz, seconds=1.0), tone(1_000, rate_hz=rate_hz, seconds=1.0))
    caller, agent = np.concatenate([silence, tones[0], silence]), np.concatenate([silence, silence, tones[1]])
    path = recording(tmp_path, both_sides(caller, agent), rate_hz)
    samples, rate = heard(read_sound(path, to_hear=True))
    assert (samples.shape, rate) == ((3 * rate_hz, 2), rate_hz)
    scale = rate_hz / 16_000
    assert loudest_hz(samples[rate_hz : 2 * rate_hz, 0]) * scale == pytest.approx(440, abs=3)
    assert loudest_hz(samples[2 * rate_hz :, 1]) * scale == pytest.approx(1_000, abs=3)
    # Neither early nor late by more than two milliseconds.
    loud = np.flatnonzero(np.abs(samples[:, 1].astype(int)) > 3_000)
    assert abs(loud[0] - 2 * rate_hz) <= rate_hz // 500


def test_too_much_sound_is_left_out_and_still_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).integers(-9_000, 9_000, (48_000, 2)).astype(np.int16)
    path = recording(tmp_path, noise)
    assert read_sound(path, to_hear=True).ogg is not None
    monkeypatch.setattr(recorded_sound, "SOUND_BYTES_MAX", 4_000)
    sound = read_sound(path, to_hear=True)
    assert sound.ogg is None
    assert sound.peaks.shape[1] == 1_500


def test_a_call_without_a_sample_has_an_empty_recording(tmp_path: Path) -> None:
    sound = read_sound(recording(tmp_path, np.zeros((0, 2), dtype=np.int16)), to_hear=True)
    assert (sound.duration_ms, sound.ogg, sound.peaks.shape) == (0, None, (2, 0, 2))


def test_flac_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "recording.flac"
    soundfile.write(str(path), both_sides(tone(440), tone(440)), 16_000, format="FLAC")
    assert read_sound(path, to_hear=False).duration_ms == 500
    path.write_bytes(path.read_bytes()[:-3_000])
    assert "move it away to make the page without sound" in refusal(path)


def test_broken_recordings_are_told_in_one_line(tmp_path: Path) -> None:
    path = recording(tmp_path, both_sides(tone(440), tone(440)))
    path.write_bytes(path.read_bytes()[:-100])
    assert refusal(path) == "is cut short; move it away to make the page without sound"
    path.write_bytes(b"no sound at all")
    assert refusal(path).startswith("cannot be read (")
    path.write_bytes(b"")
    assert refusal(path).startswith("cannot be read (")
    write_wav(path, tone(440))
    assert refusal(path).startswith("1 channels at 16000 Hz are no recording of a call; ")
    path.unlink()
    assert refusal(path) == "No such file or directory"
