"""Silero VAD on ONNX Runtime.

The model file comes with the silero-vad package, whose code is not imported: it would load torch. Of the package's
files the one made for many windows in a row has the fewest steps around the same weights; silero_graph.py makes it take
windows of different sessions instead. Each call takes 512 new samples preceded by the 64 before them, and a recurrent
state of 2 x 128 numbers, for every session of the batch.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import EngineDescription
from voice_inference.engines.base import FloatSamples
from voice_inference.engines.onnx_session import open_session
from voice_inference.engines.vad.silero_graph import with_batch_along_width

WINDOW_SAMPLES: Final = 512
CONTEXT_SAMPLES: Final = 64
HIDDEN: Final = 128
STATE_NUMBERS: Final = CONTEXT_SAMPLES + 2 * HIDDEN
MODEL_FILE: Final = "silero_vad_16k_sequence.onnx"
"""ONNX Runtime's level: it would warn of constants in the file that no step uses."""


def bundled_model() -> Path:
    """The model file of the installed silero-vad package; raises VoiceAgentError when there is none."""
    spec = find_spec("silero_vad")
    file = None if spec is None or spec.origin is None else Path(spec.origin).parent / "data" / MODEL_FILE
    if file is None or not file.is_file():
        raise _missing("the silero-vad package is not installed, or too old: run `pip install -U silero-vad`")
    return file


class SileroVad:
    """Scores windows of 32 ms. One thread: more make these small products slower."""

    window_samples = WINDOW_SAMPLES

    def __init__(self, model_file: Path) -> None:
        """Loads it; raises VoiceAgentError when the network in the file is not the one it was written for."""
        try:
            network = with_batch_along_width(model_file)
        except ValueError as error:
            detail = f"{model_file.name} holds a network not known here ({error}): install requirements/runtime.txt"
            raise _missing(detail) from error
        self._session = open_session(network, threads=1)

    def describe(self) -> EngineDescription:
        """What it is."""
        return EngineDescription(
            stage=Stage.VAD, engine="silero", model="silero-vad", device="cpu", precision="float32", streaming=True
        )

    def warm_up(self) -> None:
        """Scores one window of silence."""
        self.score(np.zeros((1, WINDOW_SAMPLES), dtype=np.float32), [self.new_state()])

    def new_state(self) -> NDArray[np.float32]:
        """The last samples heard and the recurrent state in one flat array."""
        return np.zeros(STATE_NUMBERS, dtype=np.float32)

    def score(
        self, windows: FloatSamples, states: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """See VadEngine.score."""
        before = np.concatenate(states).reshape(len(states), STATE_NUMBERS)
        sound = np.concatenate((before[:, :CONTEXT_SAMPLES], windows), axis=1)
        hidden, cell = before[None, :, CONTEXT_SAMPLES:-HIDDEN], before[None, :, -HIDDEN:]
        probabilities, hidden, cell = self._session.run(None, {"input": sound, "h": hidden, "c": cell})
        after = np.concatenate((windows[:, -CONTEXT_SAMPLES:], hidden[0], cell[0]), axis=1, dtype=np.float32)
        return probabilities, list(after)


def _missing(detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.VAD, reason=FailureReason.MODEL_MISSING, detail=detail))
