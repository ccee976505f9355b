"""Opens networks in ONNX Runtime: the same care for cores, memory and eight-bit numbers for every engine."""

from collections.abc import Mapping
from typing import Any, Final

import onnxruntime
from numpy.typing import NDArray

ERRORS_ONLY: Final = 3
PROCESSOR: Final = "CPUExecutionProvider"

Provider = str | tuple[str, dict[str, str]]
"""What computes, as ONNX Runtime names it, with its options."""


def open_session(
    model: bytes | str,
    threads: int,
    *,
    provider: Provider = PROCESSOR,
    any_length: bool = False,
    weights: Mapping[str, NDArray[Any]] | None = None,
) -> onnxruntime.InferenceSession:
    """A session for a model, given as bytes or as a path, on `threads` threads.

    `any_length`: hardly two calls are equally long. `weights`: what the model names as lying outside itself; they are
    given back as soon as the session has its own form of them. Raises what ONNX Runtime raises.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if provider == PROCESSOR:
        options.log_severity_level = ERRORS_ONLY
    if any_length:
        # A plan of memory is kept for every length, and never fits. To plan which results may share memory compares
        # every two of them, three quarters of the time that opening a voice of 2,700 steps takes; the arena shares it.
        options.enable_mem_pattern = False
        options.enable_mem_reuse = False
    # What spins while it waits takes a core from the engine that works meanwhile.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without VNNI two products of eight bits are added in sixteen, and clipped where they do not fit.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if weights is not None:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in weights.values()]
        options.add_external_initializers(list(weights), values)
    session = onnxruntime.InferenceSession(model, sess_options=options, providers=[provider])
    # The session keeps what it was made with for another attempt with other providers, which nobody makes.
    session.disable_fallback()
    session._model_bytes = b""
    session._sess_options = session._sess_options_initial = onnxruntime.SessionOptions()
    return session
