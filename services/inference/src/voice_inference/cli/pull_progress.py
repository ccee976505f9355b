"""How a pull shows itself: bars on a terminal, lines elsewhere."""

from types import TracebackType
from typing import Final, Self

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

STEP_PERCENT: Final = 25
"""Off a terminal a transfer says something this often."""


class TerminalProgress:
    """Bars, one per transfer."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=console
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Shows the bars."""
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Leaves the last state on the screen."""
        self._progress.stop()

    def note(self, line: str) -> None:
        """See PullReporter."""
        self._progress.console.print(line, highlight=False, markup=False)

    def progress(self, label: str, done_bytes: int, total_bytes: int) -> None:
        """See PullReporter."""
        if label not in self._tasks:
            self._tasks[label] = self._progress.add_task(label, total=total_bytes or None)
        self._progress.update(self._tasks[label], completed=done_bytes, total=total_bytes or None)


class LineProgress:
    """A line for every quarter of a transfer."""

    def __init__(self) -> None:
        self._said: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Nothing to set up."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Nothing to take down."""

    def note(self, line: str) -> None:
        """See PullReporter."""
        click.echo(line, err=True)

    def progress(self, label: str, done_bytes: int, total_bytes: int) -> None:
        """See PullReporter."""
        if total_bytes <= 0:
            return
        percent = 100 * done_bytes // total_bytes // STEP_PERCENT * STEP_PERCENT
        if self._said.get(label, 0) < percent:
            self._said[label] = percent
            click.echo(f"{label}: {percent} % of {total_bytes / 1e6:.1f} MB", err=True)
