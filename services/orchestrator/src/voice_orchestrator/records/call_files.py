"""The files of one call, as the writer's thread sees them: everything here blocks and nothing raises.

What cannot be written ends the file it belongs to with a reason; what was written until then stays and can be used.
"""

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from voice_orchestrator.records.entry import FILE_OF, Part, RecordEntry, RecordState, reserve, write_entry
from voice_orchestrator.records.folders import erase_folder, is_marked, make_call_folder, size_of
from voice_orchestrator.records.limits import RecordLimits
from voice_orchestrator.records.owner import Owner
from voice_orchestrator.records.wav_file import Chunk, StereoWavFile
from voice_orchestrator.reports.json_document import write_json
from voice_orchestrator.runtime.cut_reason import CutReason, cut_reason
from voice_orchestrator.runtime.journal import JournalLines

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedRecord:
    """What became of a call's record. `folder` None: there is none, for want of room or because it was erased.

    finished: the disk has it; otherwise the writer still waits for the disk.
    """

    folder: Path | None
    entry: RecordEntry
    erased: bool = False
    finished: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPlace:
    """Where the records of a process go. `live`: folders of its open calls; `told`: counts what is cut."""

    root: Path
    limits: RecordLimits
    owner: Owner
    live: set[Path]
    told: Callable[[Part, CutReason], None]


class CallFiles:
    """Used by the writer's thread; `cut` may be read and `cut_short` called by any."""

    def __init__(self, place: RecordPlace, entry: RecordEntry) -> None:
        self._place = place
        self._entry = entry
        self._folder: Path | None = None
        self._journal: JournalLines | None = None
        self._wav: StereoWavFile | None = None
        self._recording_over = False
        self._cutting = threading.Lock()
        self.cut: dict[Part, CutReason] = {}
        """Which files take no more, and why."""

    @property
    def folder(self) -> Path | None:
        """The call's folder; None before it was made and when it could not be."""
        return self._folder

    def cut_short(self, part: Part, reason: CutReason, detail: str = "") -> None:
        """Notes that a file takes no more; the first reason counts."""
        with self._cutting:
            if part in self.cut:
                return
            self.cut[part] = reason
        log.error(
            "record_cut", session=self._entry.session_id, part=part.value, reason=reason.value, detail=detail or None
        )
        self._place.told(part, reason)

    # --- while the call goes on

    def open(self) -> None:
        """Makes the folder, its entry and the journal."""
        place, entry = self._place, self._entry
        try:
            place.owner.take()
            self._entry = entry = entry.model_copy(update={"owner": place.owner.id})
            self._folder = make_call_folder(place.root, entry.started_at, entry.profile, entry.session_id)
            place.live.add(self._folder)
            # Whose call it is stands on the disk before anything they say does: it must be found for an erasure.
            write_entry(self._folder, entry, lasting=True)
            reserve(self._folder)
            self._journal = JournalLines(self._folder / FILE_OF[Part.JOURNAL], place.limits.journal_bytes_max)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Nothing of the call is kept."""
        for part in (Part.RECORDING, Part.JOURNAL):
            self.cut_short(part, cut_reason(error), str(error.strerror))
        self._recording_over = True
        folder, self._folder = self._folder, None
        if folder is not None:
            self._place.live.discard(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def write_sound(self, chunks: Sequence[Chunk]) -> None:
        """Puts sound into the recording."""
        if self._folder is None or self._recording_over or not chunks:
            return
        try:
            if self._disk_is_low():
                self._end_recording(CutReason.DISK_FULL, "less is free on the disk than is to stay free")
                return
            if self._wav is None:
                path = self._folder / FILE_OF[Part.RECORDING]
                self._wav = StereoWavFile(path, self._place.limits.recording_bytes_max)
            if not self._wav.write(chunks):
                self._end_recording(CutReason.SIZE_CAP)
        except OSError as error:
            self._end_recording(cut_reason(error), str(error.strerror))

    def _disk_is_low(self) -> bool:
        disk = os.statvfs(self._place.root)
        return disk.f_bavail * disk.f_frsize < self._place.limits.free_bytes_min

    def _end_recording(self, reason: CutReason, detail: str = "") -> None:
        self._recording_over = True
        self.cut_short(Part.RECORDING, reason, detail)
        with suppress(OSError):
            self._close_wav()

    def _close_wav(self) -> None:
        wav, self._wav = self._wav, None
        if wav is not None:
            wav.close()

    def write_journal(self, lines: bytes) -> None:
        """Adds whole lines to the journal."""
        if self._journal is None or not lines:
            return
        self._journal.append(lines)
        if self._journal.cut is not None:
            self.cut_short(Part.JOURNAL, self._journal.cut)

    # --- when it is over

    def finish(self, *, report: object | None, transcript: object | None, ended_at: datetime) -> ClosedRecord:
        """Closes everything, writes the documents and the entry; erases it all where that was asked for meanwhile."""
        self._close_files()
        folder = self._folder
        if folder is None:
            state = RecordState.CUT
            return ClosedRecord(folder=None, entry=self._closed_entry(state, ended_at, size_bytes=0))
        if not _marked(folder):
            self._write_document(folder, Part.TRANSCRIPT, transcript)
            self._write_document(folder, Part.REPORT, report)
        state = RecordState.CUT if self.cut else RecordState.CLOSED
        entry = self._closed_entry(state, ended_at, size_of(folder))
        try:
            write_entry(folder, entry)
        except OSError as error:
            log.error("record_not_closed", session=entry.session_id, error=error.strerror)
        self._place.live.discard(folder)
        # Asked once more now that the entry says it is over: who marks it after this sees that and erases it himself.
        if _marked(folder):
            return self._erased(folder, entry)
        return ClosedRecord(folder=folder, entry=entry)

    def _closed_entry(self, state: RecordState, ended_at: datetime, size_bytes: int) -> RecordEntry:
        return self._entry.model_copy(
            update={"state": state, "cut": dict(self.cut), "ended_at": ended_at, "size_bytes": size_bytes}
        )

    def _erased(self, folder: Path, entry: RecordEntry) -> ClosedRecord:
        try:
            erase_folder(self._place.root, folder)
        except OSError as error:
            log.error("record_not_erased", session=entry.session_id, error=error.strerror)
            return ClosedRecord(folder=folder, entry=entry)
        return ClosedRecord(folder=None, entry=entry, erased=True)

    def _close_files(self) -> None:
        try:
            self._close_wav()
        except OSError as error:
            self.cut_short(Part.RECORDING, cut_reason(error), str(error.strerror))
        journal, self._journal = self._journal, None
        if journal is not None:
            if Part.JOURNAL in self.cut:
                journal.end_early(self.cut[Part.JOURNAL], "lines were lost")
            journal.close()
            if journal.cut is not None:
                self.cut_short(Part.JOURNAL, journal.cut)

    def _write_document(self, folder: Path, part: Part, document: object | None) -> None:
        if document is None:
            return
        path = folder / FILE_OF[part]
        try:
            write_json(path, document)
        except (OSError, TypeError, ValueError) as error:
            reason = cut_reason(error) if isinstance(error, OSError) else CutReason.IO_ERROR
            self.cut_short(part, reason, type(error).__name__)
            with suppress(OSError):
                path.with_name(f".{path.name}.part").unlink(missing_ok=True)


def _marked(folder: Path) -> bool:
    try:
        return is_marked(folder)
    except OSError:
        return False
