"""Weights of a GGUF file brought to another precision while they are loaded.

llama.cpp has fast products for some quantisations only: of one and the same model, tokens of a prompt took 3.9 ms in
Q4_1 and 2.1 in Q5_0 on two cores with AVX-512, written ones 11.2 and 7.3. What is made lies in a folder of its own for
as long as it is being loaded: what was verified stays the only copy that is kept.
"""

import ctypes
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import llama_cpp

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_inference.engines.llm.llama_context import start_library

PRECISIONS: Final = {
    "q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
    "q5_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q5_0,
    "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
}
"""What the weights can be brought to; without a precision they stay as the file has them."""


def check_precision(precision: str) -> None:
    """Raises VoiceAgentError naming what there is when the weights cannot be brought to `precision`."""
    if precision and precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise _failure(f"llama-cpp has no precision {precision!r}; known: {known}, or none for that of the file")


@contextmanager
def requantized(model_file: Path, precision: str, *, threads: int) -> Iterator[Path]:
    """A file with the weights of `model_file` in `precision`, gone after the block; the file itself without one.

    Raises VoiceAgentError when it cannot be made, of which a full temporary folder is the likely cause.
    """
    if not precision:
        yield model_file
        return
    start_library()
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype, settings.nthread, settings.allow_requantize = PRECISIONS[precision], threads, True
    with tempfile.TemporaryDirectory(prefix="voice-inference-") as folder:
        made = Path(folder) / f"{precision}.gguf"
        code = llama_cpp.llama_model_quantize(str(model_file).encode(), str(made).encode(), ctypes.byref(settings))
        if code != 0:
            raise _failure(
                f"{model_file.name} could not be brought to {precision} in {tempfile.gettempdir()}: make room for as "
                "much as the file there, or leave the llm's precision out of the placement"
            )
        yield made


def _failure(detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.LLM, reason=FailureReason.ENGINE_ERROR, detail=detail))
