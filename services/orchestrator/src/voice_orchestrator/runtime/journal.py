"""The journal of a session: everything that entered the reducer, and what came out, one JSON line each.

It holds what was said, so its file is readable by its owner only. Losing it costs a record, never the call: a disk
error is logged once and ends the journal.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

from voice_orchestrator.runtime.journal_codec import canonical, commands_to_plain, event_to_plain, policy_to_plain
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.reducer import REDUCER_VERSION, Transition

JOURNAL_VERSION: Final = 1

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


class JournalFile:
    """Implements JournalSink on a file."""

    def __init__(self, path: Path, header: JournalHeader) -> None:
        """Creates `path`; raises OSError when it cannot be."""
        self._path = path
        self._stream: TextIO | None = os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        )
        self._count = 0
        self._write(header.to_plain())

    def record(self, event: SessionEvent, transition: Transition) -> None:
        """See JournalSink."""
        self._count += 1
        self._write(entry_of(self._count, event, transition))

    def flush(self) -> None:
        """See JournalSink."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Writes the last line, which says that the journal is whole, and closes the file."""
        self._write({"end": self._count})
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.close()
            except OSError as error:
                log.error("journal_lost", path=str(self._path), error=error.strerror)

    def _write(self, plain: dict[str, Any]) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(canonical(plain) + "\n")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.error("journal_lost", path=str(self._path), error=error.strerror)
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(OSError):  # what cannot be flushed cannot be kept
                stream.close()


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
