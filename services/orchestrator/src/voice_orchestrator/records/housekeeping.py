"""Applies the limits to a data folder: closes what a killed process left, erases what is marked, removes what is old.

Open calls are never touched.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog

from voice_orchestrator.records.entry import FILE_OF, EntryError, Part, RecordEntry, RecordState, write_entry
from voice_orchestrator.records.folders import erase_folder, is_marked, mark_for_erasure, size_of
from voice_orchestrator.records.limits import RecordLimits
from voice_orchestrator.records.owner import housekeeping, tidy_owners
from voice_orchestrator.records.shelf import NAMELESS_GRACE, Shelf, StoredCall, last_written_at
from voice_orchestrator.records.wav_file import repair_wav

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Swept:
    """What a sweep did, in calls. `kept_bytes`: what is left, open calls included."""

    closed: int = 0
    erased: int = 0
    too_old: int = 0
    too_much: int = 0
    failed: int = 0
    kept: int = 0
    kept_bytes: int = 0


@dataclass(slots=True, kw_only=True)
class Erased:
    """What an erasure did.

    marked: calls that go on and are erased by their process when they end. failed: could not be removed.
    unknown: damaged records that do not tell whose call they are.
    """

    erased: int = 0
    marked: int = 0
    failed: list[Path] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)


def sweep(shelf: Shelf, limits: RecordLimits, now: datetime) -> Swept:
    """Applies `limits`; blocks; raises OSError when the folder itself cannot be used."""
    swept = Swept()
    if not shelf.root.exists():
        return swept
    with housekeeping(shelf.root):
        kept = [call for call in _in_order(shelf, now, swept) if not _removed_by_age(shelf, limits, now, call, swept)]
        swept.kept_bytes = sum(call.entry.size_bytes for call in kept)
        for call in kept:
            too_much = limits.total_bytes_max is not None and swept.kept_bytes > limits.total_bytes_max
            if too_much and not call.going_on and _remove(shelf, call, swept):
                swept.too_much += 1
                swept.kept_bytes -= call.entry.size_bytes
            else:
                swept.kept += 1
        tidy_owners(shelf.root)
    return swept


def _in_order(shelf: Shelf, now: datetime, swept: Swept) -> Iterable[StoredCall]:
    """The calls, the oldest first, once what was left open is closed and what is marked is erased."""
    for call in shelf.calls():
        try:
            if call.going_on:
                yield _measured(call)
            elif is_marked(call.folder):
                swept.erased += _remove(shelf, call, swept)
            elif isinstance(call.problem, OSError):
                raise call.problem
            elif call.left_open or call.problem is not None:
                if call.problem is not None and now - last_written_at(call.folder) < NAMELESS_GRACE:
                    continue
                yield close_abandoned(call)
                swept.closed += 1
            else:
                yield call
        except OSError as error:
            log.error("record_not_swept", folder=str(call.folder), error=error.strerror)
            swept.failed += 1


def _measured(call: StoredCall) -> StoredCall:
    entry = call.entry.model_copy(update={"size_bytes": size_of(call.folder)})
    return StoredCall(folder=call.folder, entry=entry, going_on=True)


def _removed_by_age(shelf: Shelf, limits: RecordLimits, now: datetime, call: StoredCall, swept: Swept) -> bool:
    if call.going_on or limits.age_max is None or now - call.entry.age_begins_at <= limits.age_max:
        return False
    removed = _remove(shelf, call, swept)
    swept.too_old += removed
    return removed


def _remove(shelf: Shelf, call: StoredCall, swept: Swept) -> bool:
    try:
        erase_folder(shelf.root, call.folder)
    except OSError as error:
        log.error("record_not_removed", folder=str(call.folder), error=error.strerror)
        swept.failed += 1
        return False
    return True


def close_abandoned(call: StoredCall) -> StoredCall:
    """Closes a call whose process was killed, with what is there; raises OSError."""
    ended_at = last_written_at(call.folder)
    for staged in call.folder.glob(".*.part"):
        staged.unlink(missing_ok=True)
    recording = call.folder / FILE_OF[Part.RECORDING]
    with suppress(FileNotFoundError):
        repair_wav(recording)
    entry: RecordEntry = call.entry.model_copy(
        update={"state": RecordState.ABANDONED, "ended_at": ended_at, "size_bytes": size_of(call.folder)}
    )
    write_entry(call.folder, entry)
    log.warning("record_abandoned", session=entry.session_id, folder=str(call.folder))
    return StoredCall(folder=call.folder, entry=entry, going_on=False)


def erase(shelf: Shelf, caller_id: str) -> Erased:
    """Erases every call of a caller; blocks; raises OSError when the folder itself cannot be used.

    A call that goes on is marked, and erased by its process when it ends.
    """
    erased = Erased()
    if not shelf.root.exists():
        return erased
    with housekeeping(shelf.root):
        for call in shelf.calls():
            if call.entry.damaged:
                erased.unknown.append(call.folder)
            if call.entry.caller_id != caller_id:
                continue
            try:
                _erase_call(shelf, call, erased)
            except OSError as error:
                log.error("record_not_erased", folder=str(call.folder), error=error.strerror)
                erased.failed.append(call.folder)
    return erased


def _erase_call(shelf: Shelf, call: StoredCall, erased: Erased) -> None:
    if call.going_on:
        mark_for_erasure(call.folder)
        # Read again after the mark: a process that has closed the call by now may not have seen it.
        with suppress(FileNotFoundError, EntryError):
            if shelf.read(call.folder).going_on:
                erased.marked += 1
                return
    erase_folder(shelf.root, call.folder)
    erased.erased += 1
