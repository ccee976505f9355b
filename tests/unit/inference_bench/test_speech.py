"""What the callers of the bench say."""

import wave
from pathlib import Path

import numpy as np
import pytest
from support.scripted_engines import ScriptedTts

from voice_inference.bench.speech import SENTENCES, speech_of_folder, speech_of_voice
from voice_operations.operator_error import OperatorError


def write_wav(path: Path, length_s: float, *, rate_hz: int = 16_000, channels: int = 1, level: int = 1_000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.full(round(length_s * rate_hz) * channels, level, dtype="<i2").tobytes())


def test_recordings_of_a_folder_at_any_rate(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 1.0)
    write_wav(tmp_path / "b.wav", 2.0, rate_hz=8_000)
    speech = speech_of_folder(tmp_path)
    assert [len(clip) for clip in speech.clips] == [16_000, 32_000]
    assert str(tmp_path) in speech.source


def test_what_is_no_utterance_is_left_out(tmp_path: Path) -> None:
    write_wav(tmp_path / "good.wav", 1.0, level=7)
    write_wav(tmp_path / "short.wav", 0.3)
    write_wav(tmp_path / "long.wav", 60.0)
    write_wav(tmp_path / "stereo.wav", 1.0, channels=2)
    (tmp_path / "text.wav").write_text("this is no sound at all")
    (clip,) = speech_of_folder(tmp_path).clips
    assert set(clip) == {7}


def test_a_folder_without_speech_is_one_line_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="leave it out"):
        speech_of_folder(tmp_path / "nowhere")


def test_of_many_recordings_some_of_all_kinds_are_taken(tmp_path: Path) -> None:
    for index in range(40):
        write_wav(tmp_path / f"{index:02}.wav", 1.0, level=index + 1)
    levels = [int(clip[0]) for clip in speech_of_folder(tmp_path).clips]
    assert len(levels) <= 16
    assert min(levels) < 5
    assert max(levels) > 35


def test_without_a_folder_the_placements_own_voice_speaks() -> None:
    voice = ScriptedTts()
    speech = speech_of_voice(voice)
    assert tuple(voice.spoken) == SENTENCES
    assert "own voice" in speech.source
    assert all(len(clip) for clip in speech.clips)


@pytest.mark.parametrize("length_s", [0.032, 2.0, 30.0])
def test_speech_lasts_as_long_as_is_asked(length_s: float) -> None:
    sound = speech_of_voice(ScriptedTts()).lasting(length_s)
    assert len(sound) == round(length_s * 16_000)
    assert sound.dtype == np.float32
    assert np.abs(sound).max() <= 1.0
