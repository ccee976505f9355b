"""How much of the disk the records of calls may take, and for how long."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

MIB: Final = 1 << 20
GIB: Final = 1 << 30

CALL_BYTES_MAX: Final = 4 * GIB - MIB
"""The sizes inside a WAV file have 32 bits."""

JOURNAL_SHARE: Final = 8
"""One part in so many of a call's bytes is the journal's, the rest the recording's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLimits:
    """Limits of one data folder; None: no limit.

    age_max, total_bytes_max: closed calls beyond them are removed by a sweep, the oldest first.
    call_bytes_max: recording and journal of one call; each ends when its share is used up. Reports are not counted.
    free_bytes_min: with less than this free on the disk nothing more is recorded; nothing is removed for it.
    """

    age_max: timedelta | None = timedelta(days=30)
    total_bytes_max: int | None = 20 * GIB
    call_bytes_max: int = 512 * MIB
    free_bytes_min: int = GIB

    def __post_init__(self) -> None:
        """Raises ValueError for a limit that cannot be kept."""
        if self.age_max is not None and self.age_max < timedelta(0):
            raise ValueError("the age of records cannot be limited to less than nothing")
        if self.total_bytes_max is not None and self.total_bytes_max < 0:
            raise ValueError("the size of all records cannot be limited to less than nothing")
        if not MIB <= self.call_bytes_max <= CALL_BYTES_MAX:
            raise ValueError(f"the size of a call's record must be between {MIB} and {CALL_BYTES_MAX} bytes")
        if self.free_bytes_min < 0:
            raise ValueError("the disk cannot have less than nothing free")

    @property
    def journal_bytes_max(self) -> int:
        """Of one call."""
        return self.call_bytes_max // JOURNAL_SHARE

    @property
    def recording_bytes_max(self) -> int:
        """Of one call, header included."""
        return self.call_bytes_max - self.journal_bytes_max
