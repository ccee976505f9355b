"""Runs ONNX models for one piece of work, and stops in the middle of a model when that work is cancelled."""

from collections.abc import Mapping
from typing import Any, Final

import onnxruntime
from numpy.typing import NDArray

from voice_inference.engines.base import CancelToken


class OnnxCall:
    """The calls of one piece of work. `give_back`: what a call needs beyond its results is given back after it."""

    def __init__(self, cancel: CancelToken, *, give_back: bool = False) -> None:
        self._cancel = cancel
        self._options: Final = onnxruntime.RunOptions()
        if give_back:
            self._options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        cancel.on_cancel(self._stop)

    def _stop(self) -> None:
        self._options.terminate = True

    def run(self, session: onnxruntime.InferenceSession, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """All that the model makes of `inputs`. Raises Cancelled, and what ONNX Runtime raises."""
        self._cancel.raise_if_cancelled()
        try:
            made: list[NDArray[Any]] = session.run(None, inputs, self._options)
        except Exception:
            # A call that was stopped fails like any other.
            self._cancel.raise_if_cancelled()
            raise
        return made
