"""The end-of-turn engine on its real weights: its view of sound, and what it says of human speech."""

import json
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import soundfile

from voice_contract.failures import FailureReason, Stage, VoiceAgentError
from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.engines.base import Cancelled, CancelToken, FloatSamples
from voice_inference.engines.end_of_turn.smart_turn import SmartTurn

pytestmark = pytest.mark.models

SPEECH: Final = Path(__file__).resolve().parents[2] / "test_data" / "speech"
CLIPS: Final = {
    clip["file"]: clip for clip in map(json.loads, (SPEECH / "manifest.jsonl").read_text().splitlines()) if clip["text"]
}
HANGOVER_S: Final = 0.2
"""Silence that has passed when a pause is judged."""

FINISHED: Final = [name for name in CLIPS if name.startswith(("cmd_", "order_", "cv_", "ls_1998"))]
UNFINISHED: Final = [
    ("jfk.wav", 4.3),  # ask not ...
    ("jfk.wav", 7.54),  # ... what your country can do for you, ...
    ("order_0075d273.wav", 1.75),  # can i have a ...
    ("order_ad2f916f.wav", 1.8),  # i'd like a ...
]


@pytest.fixture(scope="module")
def judge() -> SmartTurn:
    folder = ModelStore(default_cache_dir()).verified_dir("smart-turn-v3.2")
    return SmartTurn(next(folder.glob("*.onnx")), model="smart-turn-v3.2", threads=2)


def sound_until(name: str, end_s: float) -> FloatSamples:
    """The clip up to `end_s`, and faint noise for the silence after."""
    samples, rate_hz = soundfile.read(SPEECH / name, dtype="float32")
    silence = np.random.default_rng(7).normal(0, 1e-4, int(HANGOVER_S * rate_hz)).astype(np.float32)
    return np.concatenate([samples[: int(end_s * rate_hz)], silence])


def score(judge: SmartTurn, name: str, end_s: float) -> float:
    return judge.score(sound_until(name, end_s), CancelToken())


@pytest.mark.parametrize("name", FINISHED)
def test_a_finished_sentence_sounds_finished(judge: SmartTurn, name: str) -> None:
    assert score(judge, name, CLIPS[name]["speech_end_s"]) > 0.8


@pytest.mark.parametrize(("name", "end_s"), UNFINISHED)
def test_a_sentence_that_goes_on_sounds_unfinished(judge: SmartTurn, name: str, end_s: float) -> None:
    assert score(judge, name, end_s) < 0.3


def test_only_the_last_eight_seconds_count(judge: SmartTurn) -> None:
    sound = sound_until("jfk.wav", CLIPS["jfk.wav"]["speech_end_s"])
    assert judge.score(sound, CancelToken()) == judge.score(sound[-8 * 16_000 :], CancelToken())


def test_loudness_does_not_count(judge: SmartTurn) -> None:
    sound = sound_until("cmd_what_time_is_it.wav", 1.0)
    assert judge.score(sound * np.float32(0.1), CancelToken()) == pytest.approx(
        judge.score(sound, CancelToken()), abs=0.02
    )


@pytest.mark.parametrize("seconds", [0.3, 2.5, 8.0, 11.0])
def test_the_view_is_the_one_the_network_was_trained_with(judge: SmartTurn, seconds: float) -> None:
    samples, _ = soundfile.read(SPEECH / "jfk.wav", dtype="float32")
    sound = samples[: int(seconds * 16_000)]
    view = judge.features(sound)
    assert view.shape == (80, 800)
    assert np.abs(view - log_mel(sound)).max() < 1e-3


def log_mel(sound: FloatSamples) -> FloatSamples:
    """Whisper's log-mel spectrum by its definition, in double precision, one frame after the other."""
    window = np.zeros(128_000)
    window[max(0, 128_000 - len(sound)) :] = sound[-128_000:]
    window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    padded = np.pad(window, 200, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    power = np.array([np.abs(np.fft.rfft(padded[at : at + 400] * hann)) ** 2 for at in range(0, 128_000, 160)])
    logarithm = np.log10(np.maximum(mel_filters() @ power.T, 1e-10))
    view: FloatSamples = ((np.maximum(logarithm, logarithm.max() - 8) + 4) / 4).astype(np.float32)
    return view


def mel_filters() -> FloatSamples:
    """80 triangles from 0 to 8,000 Hz, evenly spaced on Slaney's mel scale, of equal area."""

    def hertz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1_000 * float(np.exp(np.log(6.4) / 27 * (mel - 15)))

    top = 15 + 27 / np.log(6.4) * np.log(8)
    corners = [hertz(mel) for mel in np.linspace(0, top, 82)]
    bins = np.arange(201) * 40.0
    rows = [
        np.clip(np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)), 0, None) * 2 / (high - low)
        for low, mid, high in zip(corners, corners[1:], corners[2:], strict=False)
    ]
    return np.array(rows, dtype=np.float32)


def test_no_sound_is_a_failure_and_a_cancel_is_seen(judge: SmartTurn) -> None:
    with pytest.raises(VoiceAgentError) as refused:
        judge.score(np.zeros(0, dtype=np.float32), CancelToken())
    assert (refused.value.failure.stage, refused.value.failure.reason) == (
        Stage.END_OF_TURN,
        FailureReason.EMPTY_RESULT,
    )
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        judge.score(np.zeros(16_000, dtype=np.float32), cancel)
