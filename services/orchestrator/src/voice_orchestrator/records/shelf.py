"""Looks at the data folder: which calls lie there, and which of them still go on."""

from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from voice_orchestrator.records.entry import EntryError, RecordEntry, RecordState, read_entry
from voice_orchestrator.records.folders import call_folders, size_of, told_by_name
from voice_orchestrator.records.owner import Owner, is_alive

NAMELESS_GRACE: Final = timedelta(hours=1)
"""A folder without an entry may be one that is being made; one that has lain for so long is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    """A call in the data folder. `going_on`: a living process writes it.

    problem: why its entry could not be read; `entry` is then what the name of the folder tells.
    """

    folder: Path
    entry: RecordEntry
    going_on: bool
    problem: EntryError | OSError | None = None

    @property
    def left_open(self) -> bool:
        """Whether its process was killed and nobody has closed it yet."""
        return not self.going_on and self.entry.state is RecordState.OPEN


class Shelf:
    """The calls under `root`. `owner` and `live`, of a process that writes: its lock and the folders it has open."""

    def __init__(self, root: Path, owner: Owner | None = None, live: Set[Path] = frozenset()) -> None:
        self.root = root
        self._owner = owner
        self._live = live

    def calls(self) -> Iterator[StoredCall]:
        """All calls, the oldest first; raises OSError."""
        alive: dict[str, bool] = {}
        for folder in call_folders(self.root):
            try:
                yield self._read(folder, alive)
            except FileNotFoundError:  # it was removed meanwhile
                continue
            except (EntryError, OSError) as error:
                with suppress(ValueError):  # the name is no date: it is not ours
                    yield StoredCall(folder=folder, entry=_reconstructed(folder), going_on=False, problem=error)

    def read(self, folder: Path) -> StoredCall:
        """One call, as it is now; raises EntryError, OSError."""
        return self._read(folder, {})

    def _read(self, folder: Path, alive: dict[str, bool]) -> StoredCall:
        entry = read_entry(folder)
        if entry.state is not RecordState.OPEN:
            return StoredCall(folder=folder, entry=entry, going_on=False)
        if self._goes_on(folder, entry, alive):
            return StoredCall(folder=folder, entry=entry, going_on=True)
        # Its process may have closed it between the two looks; one that is gone has no more to say.
        return StoredCall(folder=folder, entry=read_entry(folder), going_on=False)

    def _goes_on(self, folder: Path, entry: RecordEntry, alive: dict[str, bool]) -> bool:
        if self._owner is not None and entry.owner == self._owner.id:
            return folder in self._live
        if entry.owner not in alive:
            alive[entry.owner] = is_alive(self.root, entry.owner)
        return alive[entry.owner]


def last_written_at(folder: Path) -> datetime:
    """When anything in a call's folder was last written; raises OSError."""
    times_s = [item.stat(follow_symlinks=False).st_mtime for item in folder.iterdir()]
    return datetime.fromtimestamp(max(times_s, default=folder.stat().st_mtime), tz=UTC)


def _reconstructed(folder: Path) -> RecordEntry:
    """What can be said of a call whose record.json is damaged or missing."""
    started_at, profile, session_id = told_by_name(folder)
    return RecordEntry(
        session_id=session_id,
        profile=profile,
        started_at=started_at,
        state=RecordState.ABANDONED,
        size_bytes=size_of(folder),
        damaged=True,
    )
