"""The VAD engine: the scores of the library's network, whoever else is in the batch."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
from numpy.typing import NDArray

from voice_contract.failures import FailureReason, VoiceAgentError
from voice_inference.engines.base import FloatSamples
from voice_inference.engines.vad.silero import CONTEXT_SAMPLES, WINDOW_SAMPLES, SileroVad, bundled_model
from voice_inference.engines.vad.silero_graph import with_batch_along_width

SPEECH = Path(__file__).resolve().parents[3] / "test_data" / "speech"
CLIPS = sorted(SPEECH.glob("*.wav"))
WINDOWS = 60


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad(bundled_model())


def windows_of(clip: Path) -> FloatSamples:
    """(WINDOWS, WINDOW_SAMPLES): the clip, and silence behind it."""
    sound, _ = soundfile.read(clip, dtype="float32", frames=WINDOWS * WINDOW_SAMPLES)
    return np.pad(sound, (0, WINDOWS * WINDOW_SAMPLES - len(sound))).reshape(WINDOWS, WINDOW_SAMPLES)


def scores_of_the_library(windows: FloatSamples) -> list[float]:
    """One session's windows through the network as the package's own code feeds it."""
    session = onnxruntime.InferenceSession(
        bundled_model().with_name("silero_vad.onnx"), providers=["CPUExecutionProvider"]
    )
    rate, state = np.array(16_000, dtype=np.int64), np.zeros((2, 1, 128), dtype=np.float32)
    scores: list[float] = []
    before = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)
    for window in windows:
        sound = np.concatenate((before, window))[None]
        probability, state = session.run(None, {"input": sound, "state": state, "sr": rate})
        scores.append(float(probability[0, 0]))
        before = window[-CONTEXT_SAMPLES:]
    return scores


def test_windows_score_as_the_library_scores_them_in_batches_of_any_sessions(vad: SileroVad) -> None:
    heard = [windows_of(clip) for clip in CLIPS]
    expected = np.array([scores_of_the_library(windows) for windows in heard])
    assert np.ptp(expected) > 0.9, "speech and silence are among them"
    states = [vad.new_state() for _ in heard]
    scores: list[list[float]] = [[] for _ in heard]
    random = np.random.default_rng(7)
    while waiting := [place for place, told in enumerate(scores) if len(told) < WINDOWS]:
        batch = random.permutation(waiting)[: random.integers(1, len(waiting) + 1)].tolist()
        windows = np.stack([heard[place][len(scores[place])] for place in batch])
        probabilities, after = vad.score(windows, [states[place] for place in batch])
        assert probabilities.shape == (len(batch),)
        for place, probability, state in zip(batch, probabilities.tolist(), after, strict=True):
            scores[place].append(probability)
            states[place] = state
    assert np.abs(np.array(scores) - expected).max() < 1e-5


def test_a_state_is_not_changed_by_what_is_scored_with_it(vad: SileroVad) -> None:
    window = windows_of(CLIPS[0])[20:21]
    _, (state,) = vad.score(window, [vad.new_state()])
    kept: NDArray[np.float32] = state.copy()
    first, _ = vad.score(window, [state])
    again, _ = vad.score(window, [state])
    assert np.array_equal(state, kept)
    assert first == again


@pytest.mark.parametrize(
    "other", ["silero_vad.onnx", "silero_vad_16k_op15.onnx", "silero_vad_op18_ifless.onnx", "silero_vad.jit"]
)
def test_another_network_is_refused(other: str) -> None:
    with pytest.raises(ValueError, match=r"one padding and one recurrent cell|no ONNX model"):
        with_batch_along_width(bundled_model().with_name(other))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"Sqrt", b"Tanh", "Tanh was not expected between"),
        (b"encoder.1.weight", b"encoder.9.weight", "constant weights"),
        (b"Unsqueeze", b"Unsqueezy", "to get a channel"),
        (b"LSTM", b"LSTN", "one recurrent cell"),
    ],
)
def test_a_network_that_is_built_otherwise_is_refused(tmp_path: Path, old: bytes, new: bytes, complaint: str) -> None:
    content = bundled_model().read_bytes()
    # The first of the names is the one that a step uses; the constant keeps its own.
    changed = content.replace(old, new, 1) if old.startswith(b"encoder") else content.replace(old, new)
    assert changed != content
    path = tmp_path / "other.onnx"
    path.write_bytes(changed)
    with pytest.raises(ValueError, match=complaint):
        with_batch_along_width(path)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x80" * 40])
def test_a_file_that_holds_no_such_network_is_said_to_be_missing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "silero.onnx"
    path.write_bytes(content)
    with pytest.raises(VoiceAgentError, match=r"silero\.onnx holds a network not known here") as caught:
        SileroVad(path)
    assert caught.value.failure.reason is FailureReason.MODEL_MISSING


def test_a_package_without_the_file_is_said_to_be_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "silero_vad").mkdir()
    (tmp_path / "silero_vad" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(VoiceAgentError, match="not installed, or too old"):
        bundled_model()
