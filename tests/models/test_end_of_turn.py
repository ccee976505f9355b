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
from voice_inference.engines.end_of_turn.smart_turn import SmartTurn, window_frames
from voice_inference.engines.onnx_session import open_session

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


def model_file() -> Path:
    return next(ModelStore(default_cache_dir()).verified_dir("smart-turn-v3.2").glob("*.onnx"))


@pytest.fixture(scope="module")
def judge() -> SmartTurn:
    return SmartTurn(model_file(), model="smart-turn-v3.2", threads=2)


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


def odds(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def test_it_says_what_the_network_says_that_computes_every_frame(judge: SmartTurn) -> None:
    as_it_comes = open_session(str(model_file()), threads=2)
    apart = []
    for name, end_s in (*((name, CLIPS[name]["speech_end_s"]) for name in FINISHED), *UNFINISHED):
        sound = sound_until(name, end_s)
        (whole,) = as_it_comes.run(None, {"input_features": judge.features(sound)[np.newaxis]})
        apart.append(abs(odds(judge.score(sound, CancelToken())) - odds(float(whole[0, 0]))))
    # Of 187 pauses the odds correlate with 0.98, those of every frame with an emphasis of nothing with 0.99.
    assert np.mean(apart) < 0.5
    assert max(apart) < 1.5


@pytest.mark.parametrize(("length_s", "frames"), [(0.5, 238), (3.0, 300), (6.9, 398), (7.0, 400), (11.0, 400)])
def test_of_silence_that_is_long_before_the_turn_half_is_computed(length_s: float, frames: int) -> None:
    found = window_frames(round(length_s * 16_000))
    assert len(found.places) == frames
    assert found.stands_for.sum() == 400
    assert found.places[-1] == 399


OVER_KEYS: Final = b"\x0a\x04axis\x18" + 9 * b"\xff" + b"\x01"
"""The axis of a softmax, -1, as it is written."""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (OVER_KEYS, OVER_KEYS.replace(b"axis", b"axes"), "0 parts"),
        (b"Softmax", b"Hardmax", "softmax over"),
        (np.array([400]).tobytes(), np.array([401]).tobytes(), "0 parts"),
    ],
)
def test_a_network_that_is_built_otherwise_is_refused(tmp_path: Path, old: bytes, new: bytes, complaint: str) -> None:
    content = model_file().read_bytes()
    assert old in content
    path = tmp_path / "other.onnx"
    path.write_bytes(content.replace(old, new))
    with pytest.raises(VoiceAgentError, match="not known here") as refused:
        SmartTurn(path, model="other", threads=1)
    assert refused.value.failure.reason is FailureReason.MODEL_MISSING
    assert complaint in str(refused.value)


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
