"""Silero VAD on ONNX Runtime.

The model file comes with the silero-vad package, whose code is not imported: it would load torch. Each call takes
512 new samples preceded by the 64 before them, and a recurrent state of 2 x 128 numbers, for every session of the
batch.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import EngineDescription
from voice_inference.engines.base import FloatSamples

WINDOW_SAMPLES: Final = 512
CONTEXT_SAMPLES: Final = 64
STATE_SHAPE: Final = (2, 128)


def bundled_model() -> Path:
    """The model file of the installed silero-vad package; raises VoiceAgentError when it is not installed."""
    spec = find_spec("silero_vad")
    if spec is None or spec.origin is None:
        detail = "the silero-vad package is not installed: run `pip install silero-vad`"
        raise VoiceAgentError(Failure(stage=Stage.VAD, reason=FailureReason.MODEL_MISSING, detail=detail))
    return Path(spec.origin).parent / "data" / "silero_vad.onnx"


class SileroVad:
    """Scores windows of 32 ms. One thread: more make these small products slower."""

    window_samples = WINDOW_SAMPLES

    def __init__(self, model_file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(model_file), sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._rate = np.array(16_000, dtype=np.int64)

    def describe(self) -> EngineDescription:
        """What it is."""
        return EngineDescription(
            stage=Stage.VAD, engine="silero", model="silero-vad", device="cpu", precision="float32", streaming=True
        )

    def warm_up(self) -> None:
        """Scores one window of silence."""
        self.score(np.zeros((1, WINDOW_SAMPLES), dtype=np.float32), [self.new_state()])

    def new_state(self) -> NDArray[np.float32]:
        """Context and recurrent state in one flat array."""
        return np.zeros(CONTEXT_SAMPLES + STATE_SHAPE[0] * STATE_SHAPE[1], dtype=np.float32)

    def score(
        self, windows: FloatSamples, states: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """See VadEngine.score."""
        stacked = np.stack(states)
        count = len(states)
        sound = np.concatenate([stacked[:, :CONTEXT_SAMPLES], windows], axis=1)
        recurrent = stacked[:, CONTEXT_SAMPLES:].reshape(count, *STATE_SHAPE).transpose(1, 0, 2)
        probabilities, after = self._session.run(
            None, {"input": sound, "state": np.ascontiguousarray(recurrent), "sr": self._rate}
        )
        flat = after.transpose(1, 0, 2).reshape(count, -1)
        context = windows[:, -CONTEXT_SAMPLES:]
        following = np.concatenate([context, flat], axis=1).astype(np.float32)
        return probabilities.reshape(count), list(following)
