"""The records of a process that makes calls: one data folder, one writer's thread, limits."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from voice_orchestrator.records.call_files import CallFiles, RecordPlace
from voice_orchestrator.records.call_record import CallRecord
from voice_orchestrator.records.entry import Part, RecordEntry
from voice_orchestrator.records.housekeeping import Erased, Swept, erase, sweep
from voice_orchestrator.records.limits import RecordLimits
from voice_orchestrator.records.owner import Owner
from voice_orchestrator.records.shelf import Shelf
from voice_orchestrator.records.writer import RecordWriter
from voice_orchestrator.runtime.clock import wall_time
from voice_orchestrator.runtime.cut_reason import CutReason
from voice_orchestrator.runtime.journal import JournalHeader

CLOSE_DEADLINE_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStats:
    """For metrics. `cut`: files that ended before their call since the process began, by which and why."""

    open_calls: int
    waiting_bytes: int
    cut: dict[tuple[Part, CutReason], int]


class RecordStore:
    """Makes the records of calls under `root`. Nothing of the disk is touched before the first call or `check`.

    `open_call` and `stats` return at once; `check`, `sweep` and `erase` block and are called off the event loop.
    """

    def __init__(self, root: Path, limits: RecordLimits, now: Callable[[], datetime] = wall_time) -> None:
        self._limits = limits
        self._now = now
        self._owner = Owner(root)
        self._live: set[Path] = set()
        self._cut: Counter[tuple[Part, CutReason]] = Counter()
        self._counting = threading.Lock()
        self._writer = RecordWriter()
        self._place = RecordPlace(root=root, limits=limits, owner=self._owner, live=self._live, told=self._count_cut)
        self.shelf = Shelf(root, self._owner, self._live)

    def check(self) -> None:
        """Makes the data folder and finds out whether it can be written; raises OSError."""
        self._owner.take()

    def open_call(self, header: JournalHeader, caller_id: str | None) -> CallRecord:
        """The record of a call that begins; what cannot be kept is given up inside it.

        Raises ValueError for a caller id of more than CALLER_ID_CHARS_MAX characters.
        """
        entry = RecordEntry(
            session_id=header.session_id, profile=header.profile, caller_id=caller_id, started_at=header.started_at
        )
        return CallRecord(CallFiles(self._place, entry), entry, header, self._writer, self._now)

    def sweep(self) -> Swept:
        """Applies the limits; also closes what a killed process left, so it is called at the start too."""
        return sweep(self.shelf, self._limits, self._now())

    def erase(self, caller_id: str) -> Erased:
        """Erases every call of a caller; those that go on when they end. Raises OSError."""
        return erase(self.shelf, caller_id)

    def stats(self) -> RecordStats:
        """How it stands."""
        with self._counting:
            cut = dict(self._cut)
        return RecordStats(open_calls=len(self._live), waiting_bytes=self._writer.waiting_bytes, cut=cut)

    async def close(self, timeout_s: float = CLOSE_DEADLINE_S) -> bool:
        """Writes what waits and ends the thread; False when the disk took longer. Close the calls first."""
        done = await self._writer.close(timeout_s)
        if done:
            self._owner.give_back()
        return done

    def _count_cut(self, part: Part, reason: CutReason) -> None:
        with self._counting:
            self._cut[(part, reason)] += 1
