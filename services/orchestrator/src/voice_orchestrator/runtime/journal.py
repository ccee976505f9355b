"""The journal of a session: everything that entered the reducer, and what came out, one JSON line each.

It holds what was said, so its file is readable by its owner only. Losing it costs a record, never the call: a disk
error or a cap on its size is logged once and ends the journal with a line that says so, {"cut": reason, "end": null}.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any, Final

import structlog

from voice_orchestrator.runtime.cut_reason import CutReason, cut_reason
from voice_orchestrator.runtime.journal_codec import canonical, commands_to_plain, event_to_plain, policy_to_plain
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.reducer import REDUCER_VERSION, Transition

JOURNAL_VERSION: Final = 1

BUFFER_BYTES: Final = 8 << 10
"""Lines wait in memory up to this size, so that not every step is a write."""

MARK_BYTES_MAX: Final = 64
"""Room that is kept below the cap for the line that says why a journal ended."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHeader:
    """First line of a journal."""

    session_id: str
    profile: str
    profile_sha256: str
    started_at: datetime
    policy: SessionPolicy

    def to_plain(self) -> dict[str, Any]:
        """Plain data, with the versions of format and reducer."""
        return {
            "journal": JOURNAL_VERSION,
            "reducer": REDUCER_VERSION,
            "session_id": self.session_id,
            "profile": self.profile,
            "profile_sha256": self.profile_sha256,
            "started_at": self.started_at.isoformat(),
            "policy": policy_to_plain(self.policy),
        }


class JournalLines:
    """Whole lines in a file of bounded size; blocks. `cut`: why it takes no more, None while it does."""

    def __init__(self, path: Path, bytes_max: int | None = None) -> None:
        """Creates `path`; raises OSError when it cannot be."""
        self._path = path
        self._bytes_max = bytes_max
        self._file: FileIO | None = FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._last_line_at = 0
        self.size_bytes = 0
        self.cut: CutReason | None = None

    def append(self, lines: bytes) -> None:
        """Adds whole lines, each with its end; never raises. Of what does not fit whole lines are kept."""
        if self._file is None:
            return
        kept = lines
        if self._bytes_max is not None and self.size_bytes + len(lines) > self._bytes_max - MARK_BYTES_MAX:
            room = max(0, self._bytes_max - MARK_BYTES_MAX - self.size_bytes)
            kept = _whole_lines(lines[:room])
        if not self._write(kept):
            return
        if len(kept) < len(lines):
            self.end_early(CutReason.SIZE_CAP, f"larger than {self._bytes_max} bytes")

    def _write(self, lines: bytes) -> bool:
        """Whether all of `lines` was written; otherwise the file is over and ends with a whole line."""
        assert self._file is not None
        done = 0
        try:
            while done < len(lines):
                done += self._file.write(memoryview(lines)[done:]) or 0
        except OSError as error:
            self._grew(_whole_lines(lines[:done]))
            self.end_early(cut_reason(error), error.strerror or type(error).__name__)
            return False
        self._grew(lines)
        return True

    def _grew(self, lines: bytes) -> None:
        if lines:
            self._last_line_at = self.size_bytes + lines.rfind(b"\n", 0, -1) + 1
            self.size_bytes += len(lines)

    def end_early(self, reason: CutReason, detail: str) -> None:
        """Ends the file before its session with a line that says why; does nothing once it is over."""
        if self._file is None:
            return
        self.cut = reason
        log.error("journal_lost", path=str(self._path), reason=reason.value, error=detail)
        mark = line_of({"cut": reason.value, "end": None})
        # Where the disk has no room for the mark it takes the place of the last step, which is longer.
        for at in (self.size_bytes, self._last_line_at):
            with suppress(OSError):
                self._file.truncate(at)
                self._file.seek(at)
                self.size_bytes = at
                if self._file.write(mark) == len(mark):
                    self.size_bytes += len(mark)
                    break
        with suppress(OSError):
            self._file.truncate(self.size_bytes)
        self.close()

    def close(self) -> None:
        """Closes the file; never raises."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:  # some file systems tell only now what they could not keep
            if self.cut is None:
                self.cut = cut_reason(error)
                log.error("journal_lost", path=str(self._path), reason=self.cut.value, error=error.strerror)


class JournalFile:
    """Implements JournalSink on a file, on the thread of its caller. `cut`: see JournalLines."""

    def __init__(self, path: Path, header: JournalHeader, bytes_max: int | None = None) -> None:
        """Creates `path`; raises OSError when it cannot be. It never grows beyond `bytes_max`."""
        self._lines = JournalLines(path, bytes_max)
        self._pending = bytearray()
        self._count = 0
        self._put(line_of(header.to_plain()))

    @property
    def cut(self) -> CutReason | None:
        """Why the journal ended before its session; None while it did not."""
        return self._lines.cut

    def record(self, event: SessionEvent, transition: Transition) -> None:
        """See JournalSink."""
        self._count += 1
        self._put(line_of(entry_of(self._count, event, transition)))

    def flush(self) -> None:
        """See JournalSink."""
        pending, self._pending = self._pending, bytearray()
        if pending:
            self._lines.append(bytes(pending))

    def close(self) -> None:
        """Writes the last line, which says that the journal is whole, and closes the file."""
        self._put(line_of({"end": self._count}))
        self.flush()
        self._lines.close()

    def _put(self, line: bytes) -> None:
        if self._lines.cut is not None:
            return
        self._pending += line
        if len(self._pending) >= BUFFER_BYTES:
            self.flush()


class NoJournal:
    """Implements JournalSink by keeping nothing."""

    def record(self, event: SessionEvent, transition: Transition) -> None:
        """See JournalSink."""

    def flush(self) -> None:
        """See JournalSink."""


def entry_of(number: int, event: SessionEvent, transition: Transition) -> dict[str, Any]:
    """One line of a journal."""
    return {
        "n": number,
        "event": event_to_plain(event),
        "commands": commands_to_plain(transition.commands),
        "ignored": transition.ignored,
    }


def line_of(plain: dict[str, Any]) -> bytes:
    """Plain data as the line of a file. Half a surrogate pair, which UTF-8 cannot hold, becomes its JSON escape."""
    return canonical(plain).encode(errors="backslashreplace") + b"\n"


def _whole_lines(lines: bytes) -> bytes:
    """What of `lines` comes before the end of the last whole one."""
    return lines[: lines.rfind(b"\n") + 1]
