"""What native libraries are told about waiting threads, through the environment they read when they are loaded.

A thread that spins while it waits takes a core from the engine that works meanwhile. Measured on two cores: NumPy's
OpenBLAS shares Whisper's mel spectrum among its threads, gains nothing by it, and then spins so long that the encoder,
which comes next, has one core instead of two: 121 instead of 73 ms for a window of 10 s. About GOMP_SPINCOUNT see
OpenMP in docs/LLD.md.
"""

import os
from typing import Final

SETTINGS: Final = {"GOMP_SPINCOUNT": "3000", "OPENBLAS_NUM_THREADS": "1"}
"""3000 turns of a waiting loop are about 10 µs."""


def keep_native_threads_calm() -> None:
    """Sets what is not set yet; to be called before NumPy or an engine's library is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
