"""record.json: what a call's folder says of itself, the index of the data folder in small pieces."""

import os
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from voice_orchestrator.runtime.cut_reason import CutReason

ENTRY_FILE: Final = "record.json"
RESERVE_FILE: Final = ".record.json.next"
RESERVE_BYTES: Final = 4096
"""Taken when a call begins, so that its end can be noted on a full disk."""

CALLER_ID_CHARS_MAX: Final = 256


class RecordState(Enum):
    """OPEN: the call goes on. CUT: it ended, and not everything was kept. ABANDONED: its process was killed."""

    OPEN = "open"
    CLOSED = "closed"
    CUT = "cut"
    ABANDONED = "abandoned"


class Part(Enum):
    """A file of a call."""

    RECORDING = "recording"
    JOURNAL = "journal"
    TRANSCRIPT = "transcript"
    REPORT = "report"


FILE_OF: Final = {
    Part.RECORDING: "recording.wav",
    Part.JOURNAL: "journal.jsonl",
    Part.TRANSCRIPT: "transcript.json",
    Part.REPORT: "report.json",
}


class RecordEntry(BaseModel):
    """One call.

    cut: which of its files ended early or were not written, and why. owner: the process that writes.
    damaged: the entry was lost and made again from the folder's name; whose call it was is not known.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    record: Literal[1] = 1
    session_id: str
    profile: str
    caller_id: str | None = Field(default=None, max_length=CALLER_ID_CHARS_MAX)
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    state: RecordState = RecordState.OPEN
    cut: dict[Part, CutReason] = {}
    size_bytes: int = 0
    owner: str = ""
    damaged: bool = False

    @property
    def age_begins_at(self) -> datetime:
        """From when on the record grows old: the end of the call, where it is known."""
        return self.ended_at or self.started_at


class EntryError(Exception):
    """A record.json cannot be read; the text says why."""


def read_entry(folder: Path) -> RecordEntry:
    """The entry of a call's folder; raises EntryError, OSError, FileNotFoundError when the folder is gone."""
    try:
        return RecordEntry.model_validate_json((folder / ENTRY_FILE).read_bytes())
    except FileNotFoundError as error:
        if not folder.exists():
            raise
        raise EntryError("there is no record.json") from error
    except ValidationError as error:
        raise EntryError(str(error.errors()[0]["msg"])) from error


def write_entry(folder: Path, entry: RecordEntry, *, lasting: bool = False) -> None:
    """Replaces the entry, whole or not at all, in the room that `reserve` took where there is such; raises OSError.

    lasting: it survives a loss of power from here on.
    """
    data = entry.model_dump_json(indent=2).encode() + b"\n"
    fd = os.open(folder / RESERVE_FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, data)
        os.ftruncate(fd, len(data))
        if lasting:
            os.fsync(fd)
    finally:
        os.close(fd)
    (folder / RESERVE_FILE).replace(folder / ENTRY_FILE)


def reserve(folder: Path) -> None:
    """Takes the room for the next entry; raises OSError."""
    fd = os.open(folder / RESERVE_FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, b" " * RESERVE_BYTES)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    done = 0
    while done < len(data):
        done += os.write(fd, data[done:])
