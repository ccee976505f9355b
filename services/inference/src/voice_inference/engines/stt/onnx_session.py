"""Opens a written network in ONNX Runtime, on the processor."""

from typing import Final

import onnxruntime

from voice_inference.engines.stt.network_writer import WrittenNetwork

ERRORS_ONLY: Final = 3


def open_network(network: WrittenNetwork, threads: int) -> onnxruntime.InferenceSession:
    """A session on `threads` threads. The weights are given back as soon as it has its own form of them."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A plan of memory is kept for every length, and words make every length.
    options.enable_mem_pattern = False
    # What spins while it waits takes a core from the engine that works meanwhile.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in network.weights.values()]
    options.add_external_initializers(list(network.weights), values)
    session = onnxruntime.InferenceSession(network.model, sess_options=options, providers=["CPUExecutionProvider"])
    # The session keeps what it was made with for another attempt with other providers, which nobody makes.
    session.disable_fallback()
    session._model_bytes = b""
    session._sess_options = session._sess_options_initial = onnxruntime.SessionOptions()
    return session
