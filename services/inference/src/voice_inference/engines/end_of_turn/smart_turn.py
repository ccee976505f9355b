"""Smart Turn on ONNX Runtime: how a pause sounds, not what was said.

The network sees the last 8 s of a turn as Whisper's log-mel spectrum, the end of the sound at the end of the window and
silence before it when the turn is shorter. The window is brought to zero mean and unit variance first, so that loud and
quiet callers look alike. Of the silence earlier than a second before the turn one frame of two is computed.
"""

from pathlib import Path
from typing import Final

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import EngineDescription
from voice_inference.engines.base import CancelToken, FloatSamples
from voice_inference.engines.end_of_turn.smart_turn_graph import FRAMES, with_chosen_frames
from voice_inference.engines.onnx_session import open_session
from voice_inference.engines.thinned_silence import WindowFrames, thinned

WINDOW_S: Final = 8
WINDOW_SAMPLES: Final = WINDOW_S * SAMPLE_RATE_HZ
SAMPLES_PER_FRAME: Final = WINDOW_SAMPLES // FRAMES
CLOSE_FRAMES: Final = FRAMES // WINDOW_S
STEP: Final = 2
"""Of silence earlier than CLOSE_FRAMES before a turn one frame in STEP is computed. With 4 ends score lower."""

VARIANCE_FLOOR: Final = 1e-7
"""Keeps perfect silence from being divided by zero; the value the network was trained with."""


def window_frames(samples: int) -> WindowFrames:
    """The frames of the window that are computed for a turn of `samples` samples at its end."""
    silent = FRAMES - CLOSE_FRAMES - -(-samples // SAMPLES_PER_FRAME)
    return thinned(FRAMES, range(0, max(0, silent), STEP))


class SmartTurn:
    """One network, on the CPU, for which its weights are made; its calls are serialised by the lane before it."""

    def __init__(self, model_file: Path, *, model: str, threads: int) -> None:
        """Loads it; raises VoiceAgentError when the network in the file is not the one it was written for."""
        try:
            network, self._positions = with_chosen_frames(model_file)
        except (IndexError, ValueError) as error:
            detail = (
                f"{model_file.name} holds a network not known here ({error}): name smart-turn-v3.2 in the placement"
            )
            raise _failure(FailureReason.MODEL_MISSING, detail) from error
        self._session = open_session(network, threads)
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
            raise _failure(FailureReason.EMPTY_RESULT, detail)
        frames = window_frames(len(samples))
        features = self.features(samples, len(frames.places))
        cancel.raise_if_cancelled()
        given = {
            "input_features": features[None],
            "positions": self._positions[frames.places],
            "emphasis": frames.emphasis,
        }
        (probabilities,) = self._session.run(None, given)
        return float(np.clip(probabilities[0, 0], 0.0, 1.0))

    def features(self, samples: FloatSamples, frames: int = FRAMES) -> FloatSamples:
        """The network's view (80, 2 frames) of the last 8 s of `samples`, and of silence before them that fills it."""
        samples = samples[-WINDOW_SAMPLES:]
        mean = samples.sum(dtype=np.float64) / WINDOW_SAMPLES
        variance = np.square(samples, dtype=np.float64).sum() / WINDOW_SAMPLES - mean**2
        window = np.zeros(frames * SAMPLES_PER_FRAME)
        window[len(window) - len(samples) :] = samples
        window = (window - mean) / np.sqrt(variance + VARIANCE_FLOOR)
        spectrum: FloatSamples = self._spectrum(window.astype(np.float32), padding=0)
        return spectrum


def _failure(reason: FailureReason, detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.END_OF_TURN, reason=reason, detail=detail))
