"""When a sample of the caller's was spoken, on the session's clock."""

from typing import Final

from voice_contract.audio import SAMPLES_PER_MS

DRIFT_MS_PER_FRAME: Final = 0.005
"""How fast the estimate follows an edge whose clock is slow: 0.25 ms a second, more than crystals err."""


class MediaClock:
    """Takes the earliest arrival seen as the one without network delay.

    A frame arrives no earlier than its last sample was spoken, so the smallest difference between arrival and media
    time is the best estimate of the media clock's origin; jitter only ever adds to it.
    """

    def __init__(self) -> None:
        self._origin_ms: float | None = None

    def arrived(self, end_offset_samples: int, at_ms: float) -> None:
        """A frame that ends at `end_offset_samples` came in."""
        origin_ms = at_ms - end_offset_samples / SAMPLES_PER_MS
        if self._origin_ms is None:
            self._origin_ms = origin_ms
        else:
            self._origin_ms = min(self._origin_ms + DRIFT_MS_PER_FRAME, origin_ms)

    def spoken_at_ms(self, offset_samples: int) -> int:
        """Session time at which `offset_samples` was spoken; 0 before anything came in."""
        if self._origin_ms is None:
            return 0
        return max(0, int(self._origin_ms + offset_samples / SAMPLES_PER_MS))
