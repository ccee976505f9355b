"""What a pull tells the person who waits for it."""

from typing import Protocol


class PullReporter(Protocol):
    """Told how a pull goes on, from the pulling thread."""

    def note(self, line: str) -> None:
        """One thing that happened."""

    def progress(self, label: str, done_bytes: int, total_bytes: int) -> None:
        """How much of the transfer called `label` is there; `total_bytes` is 0 while unknown."""
