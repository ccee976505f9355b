"""Smart Turn on ONNX Runtime: how a pause sounds, not what was said.

The network sees the last 8 s of a turn as Whisper's log-mel spectrum, the end of the sound at the end of the window and
silence before it when the turn is shorter. The window is brought to zero mean and unit variance first, so that loud and
quiet callers look alike.
"""

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from faster_whisper.feature_extractor import FeatureExtractor

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import EngineDescription
from voice_inference.engines.base import CancelToken, FloatSamples

WINDOW_S: Final = 8
WINDOW_SAMPLES: Final = WINDOW_S * SAMPLE_RATE_HZ
VARIANCE_FLOOR: Final = 1e-7
"""Keeps perfect silence from being divided by zero; the value the network was trained with."""


class SmartTurn:
    """One network, on the CPU, for which its weights are made; its calls are serialised by the lane before it."""

    def __init__(self, model_file: Path, *, model: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A waiting thread that spins takes the core from the engines that work meanwhile.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(model_file), sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._spectrum = FeatureExtractor(chunk_length=WINDOW_S)
        self._name = model

    def describe(self) -> EngineDescription:
        """What it is."""
        return EngineDescription(
            stage=Stage.END_OF_TURN, engine="smart-turn", model=self._name, device="cpu", precision="int8"
        )

    def warm_up(self) -> None:
        """Scores a second of silence."""
        self.score(np.zeros(SAMPLE_RATE_HZ, dtype=np.float32), CancelToken())

    def score(self, samples: FloatSamples, cancel: CancelToken) -> float:
        """See EndOfTurnEngine.score."""
        if not len(samples):
            detail = "there is no sound of this turn to judge"
            raise VoiceAgentError(Failure(stage=Stage.END_OF_TURN, reason=FailureReason.EMPTY_RESULT, detail=detail))
        features = self.features(samples)
        cancel.raise_if_cancelled()
        (probabilities,) = self._session.run(None, {"input_features": features[None]})
        return float(np.clip(probabilities[0, 0], 0.0, 1.0))

    def features(self, samples: FloatSamples) -> FloatSamples:
        """The network's view (80, 800) of the last 8 s of `samples`."""
        window = np.zeros(WINDOW_SAMPLES, dtype=np.float32)
        last = samples[-WINDOW_SAMPLES:]
        window[WINDOW_SAMPLES - len(last) :] = last
        window = (window - window.mean()) / np.sqrt(window.var() + np.float32(VARIANCE_FLOOR))
        spectrum: FloatSamples = self._spectrum(window, padding=0)
        return spectrum
