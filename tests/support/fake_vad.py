"""A voice activity engine that writes down what it is asked, and can be made to wait and to fail."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from support.gate import Gate

from voice_contract.failures import Stage
from voice_contract.messages import EngineDescription
from voice_inference.engines.base import FloatSamples

BROKEN: Final = -1.0
"""A batch with a window of this value fails."""


class FakeVad:
    """Implements VadEngine. The probability of a window is its first sample; the state counts a session's windows."""

    window_samples = 4

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.states: list[list[int]] = []
        self.gate: Gate | None = None

    def describe(self) -> EngineDescription:
        return EngineDescription(stage=Stage.VAD, engine="fake", model="first sample", device="cpu")

    def warm_up(self) -> None:
        pass

    def new_state(self) -> NDArray[np.float32]:
        return np.zeros(1, dtype=np.float32)

    def score(
        self, windows: FloatSamples, states: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        self.batches.append([round(float(window[0]), 3) for window in windows])
        self.states.append([int(state[0]) for state in states])
        if self.gate is not None:
            gate, self.gate = self.gate, None
            gate.pass_through()
        if np.any(windows[:, 0] == BROKEN):
            raise ValueError("broken window")
        return windows[:, 0], [state + 1 for state in states]


def window(probability: float) -> FloatSamples:
    """A window that FakeVad scores as `probability`."""
    return np.full(FakeVad.window_samples, probability, dtype=np.float32)
