"""Arithmetic between milliseconds, samples and bytes of the one format used inside the runtime.

Inside the runtime sound is signed 16-bit little-endian PCM, one channel, 16,000 Hz, in frames of 20 ms. Everything
else is converted where it enters or leaves.
"""

from typing import Final

SAMPLE_RATE_HZ: Final = 16_000
SAMPLE_BYTES: Final = 2
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = SAMPLE_RATE_HZ * FRAME_MS // 1000
FRAME_BYTES: Final = FRAME_SAMPLES * SAMPLE_BYTES
SAMPLES_PER_MS: Final = SAMPLE_RATE_HZ // 1000
VAD_WINDOW_SAMPLES: Final = 512
"""32 ms: what voice activity detection judges at once (Silero's window at 16,000 Hz). Sound sent in other pieces is
heard as well, and no sooner."""


def samples_from_ms(duration_ms: int) -> int:
    """Samples in `duration_ms` milliseconds."""
    return duration_ms * SAMPLES_PER_MS


def ms_from_samples(samples: int) -> int:
    """Whole milliseconds in `samples` samples, rounded down."""
    return samples // SAMPLES_PER_MS


def samples_from_bytes(length_bytes: int) -> int:
    """Samples in `length_bytes` bytes of PCM; raises ValueError when a sample is cut in two."""
    if length_bytes % SAMPLE_BYTES:
        raise ValueError(f"{length_bytes} bytes of 16-bit PCM end in the middle of a sample")
    return length_bytes // SAMPLE_BYTES
