"""The real voice in windows, against the sound of one call on the same frames."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from piper import PiperVoice
from piper.config import PiperConfig
from structlog.testing import capture_logs

from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.engines.base import CancelToken, TtsEnd
from voice_inference.engines.tts.piper import Piper
from voice_inference.engines.tts.voice_graph import voice_parts
from voice_inference.engines.tts.voice_network import WindowedVoice, session_opener

pytestmark = pytest.mark.models

VOICE: Final = "en_US-joe-medium"
SENTENCE: Final = "We are open from Monday to Friday, and on Saturdays we take new patients by appointment only."


def folder() -> Path:
    return ModelStore(default_cache_dir()).verified_dir(VOICE)


@pytest.fixture(scope="module")
def tts() -> Piper:
    with capture_logs() as logs:
        tts = Piper(folder(), model=VOICE, device="cpu", threads=2)
    assert logs == []
    return tts


def test_joined_windows_are_the_sound_of_one_call() -> None:
    parts = voice_parts(folder() / f"{VOICE}.onnx")
    assert (parts.shape.hop_samples, parts.shape.before_frames, parts.shape.behind_frames) == (256, 11, 11)
    settings = (folder() / f"{VOICE}.onnx.json").read_text(encoding="utf-8")
    config = PiperConfig.from_dict(json.loads(settings))
    phonemizer = PiperVoice(session=None, config=config)
    ids = phonemizer.phonemes_to_ids(phonemizer.phonemize(SENTENCE)[0])
    inputs: dict[str, Any] = {
        "input": np.array([ids], dtype=np.int64),
        "input_lengths": np.array([len(ids)], dtype=np.int64),
        "scales": np.array([0.667, 1.0, 0.8], dtype=np.float32),
    }
    open_session = session_opener("cpu", 2)
    voice = WindowedVoice(parts, open_session, rate_hz=config.sample_rate)
    latents: list[Any] = []
    run = voice._encoder.run

    class Recorded:
        def run(self, *given: Any) -> Any:
            latents.append(run(*given))
            return latents[-1]

    voice._encoder = Recorded()
    utterance = voice.speak(inputs, CancelToken())
    windows = [part.samples for part in utterance.parts]
    (whole,) = open_session(parts.vocoder).run(None, {parts.shape.latent: latents[0][0]})
    assert len(windows) > 4
    assert np.abs(np.concatenate(windows) - whole.reshape(-1)).max() < 1e-4 * np.abs(whole).max()
    assert utterance.durations is not None
    assert utterance.durations.sum() * 256 == whole.size


@pytest.mark.parametrize("text", ["Yes.", "Sure, I can help with that.", SENTENCE])
def test_every_sentence_is_about_as_loud(tts: Piper, text: str) -> None:
    pieces = [piece for piece in tts.synthesize(text, "", 1.0, CancelToken()) if not isinstance(piece, TtsEnd)]
    sound = np.concatenate(pieces) / 32_768
    power = np.square(sound[: len(sound) // 320 * 320].reshape(-1, 320)).mean(axis=1)
    level_db = 10 * np.log10(power[power > 0.01 * power.max()].mean())
    assert level_db == pytest.approx(-19, abs=4)
    assert np.abs(sound).max() < 0.96
