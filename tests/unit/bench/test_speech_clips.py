"""Clips as a bench plays them: cut as an endpointer would, in noise of a known loudness, through a telephone."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speech_clips import Condition, Utterance, carried, load_noises, load_utterances, mixed, through_telephone

from voice_inference.engines.base import FloatSamples

RATE_HZ = 16_000


def tone(length_s: float, hz: float, level: float = 0.3) -> FloatSamples:
    at = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    wave: FloatSamples = (level * np.sin(2 * np.pi * hz * at)).astype(np.float32)
    return wave


def loudness(samples: FloatSamples) -> float:
    return float(np.sqrt(np.mean(np.square(samples.astype(np.float64)))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sound = np.concatenate([np.zeros(RATE_HZ, np.float32), tone(2, 500), np.zeros(RATE_HZ, np.float32)])
    soundfile.write(tmp_path / "said.wav", sound, RATE_HZ)
    soundfile.write(tmp_path / "hum.wav", tone(6, 100), RATE_HZ)
    clips = [
        {"file": "said.wav", "seconds": 4.0, "text": "hello", "speech_start_s": 1.0, "speech_end_s": 3.0,
         "pauses_s": [[1.5, 2.0]]},
        {"file": "hum.wav", "seconds": 6.0, "text": None},
    ]  # fmt: skip
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, clips)))
    return tmp_path


def test_an_utterance_has_a_little_silence_around_it_and_knows_its_pauses(folder: Path) -> None:
    (utterance,) = load_utterances(folder)
    assert len(utterance.samples) == round(2.6 * RATE_HZ)
    assert len(utterance.active) == round(1.5 * RATE_HZ)
    assert utterance.said == "hello"


def test_noise_is_as_loud_as_it_should_be(folder: Path) -> None:
    (utterance,) = load_utterances(folder)
    (noise,) = load_noises(folder)
    added = mixed(utterance, noise, 10.0) - utterance.samples
    assert 20 * np.log10(loudness(utterance.active) / loudness(added)) == pytest.approx(10.0, abs=0.1)


def test_without_recorded_noise_there_is_some_all_the_same(folder: Path) -> None:
    (folder / "manifest.jsonl").write_text((folder / "manifest.jsonl").read_text().splitlines()[0])
    (noise,) = load_noises(folder)
    assert loudness(noise) > 0.01
    assert np.array_equal(noise, load_noises(folder)[0])


def test_a_telephone_lets_speech_through_and_no_more() -> None:
    low, high = tone(1, 1_000), tone(1, 6_000)
    assert len(through_telephone(low)) == len(low)
    assert loudness(through_telephone(low)) == pytest.approx(loudness(low), rel=0.05)
    assert loudness(through_telephone(high)) < 0.05 * loudness(high)


def test_clean_sound_is_left_alone() -> None:
    samples = tone(1, 500)
    utterance = Utterance(name="a", said="a", samples=samples, active=samples)
    assert carried(utterance, Condition.CLEAN, samples) is samples
    assert not np.array_equal(carried(utterance, Condition.NOISE, tone(1, 90)), samples)


@pytest.mark.parametrize(("text", "problem"), [(None, "there is no"), ("", "names no clip")])
def test_a_folder_without_clips_is_one_line(tmp_path: Path, text: str | None, problem: str) -> None:
    if text is not None:
        (tmp_path / "manifest.jsonl").write_text(text)
    with pytest.raises(SystemExit, match=problem):
        load_utterances(tmp_path)
