"""What a caller's loudspeaker played of which reply, from playout.json."""

from enum import Enum
from typing import Any, Final

SLACK: Final = 8
"""Zeros of the sound itself that may lie between a gap and the stretch it follows, samples."""


class Across(Enum):
    """What lies on both sides of a gap."""

    SAME = "same"
    ENDED = "ended"
    OTHER = "other"


class Ledger:
    """Stretches of sound, each of one reply."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Takes playout.json."""
        self._stretches = [(each["run"], each["start_samples"], each["end_samples"]) for each in document["stretches"]]
        self._whole = {each["run"] for each in document["runs"] if each["played_samples"] == each["total_samples"]}
        self.missing_samples: int = document["missing_samples"]
        self.repeated_samples: int = document["repeated_samples"]

    def across(self, start: int, end: int) -> Across:
        """What the gap from `start` to `end`, samples, lies between."""
        before = [run for run, begins, _ in self._stretches if begins < start]
        after = [run for run, begins, _ in self._stretches if begins >= end - SLACK]
        if not before:
            return Across.OTHER
        if after and after[0] == before[-1]:
            return Across.SAME
        return Across.ENDED if before[-1] in self._whole else Across.OTHER
