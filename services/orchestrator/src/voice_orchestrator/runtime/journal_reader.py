"""Reads a journal back: its header, then its steps one by one, with a one-line error for what is none."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from voice_operations.operator_error import OperatorError
from voice_orchestrator.runtime.journal import JOURNAL_VERSION
from voice_orchestrator.runtime.journal_codec import canonical, event_from_plain, policy_from_plain
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.reducer import REDUCER_VERSION, REPLAYED_VERSIONS

LINE_BYTES_MAX: Final = 4 << 20


class JournalError(OperatorError):
    """A file is not a journal that can be replayed; the line says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStep:
    """One event of a journal. `line` is its line in the file; `commands` are plain data, as they were written."""

    number: int
    line: int
    event: SessionEvent
    commands: tuple[Any, ...]
    outcome: str


class JournalReader:
    """A journal that is being read. `whole`, once its steps are read: it was closed properly."""

    def __init__(self, path: Path) -> None:
        """Reads the header; raises JournalError for what is no journal of this version."""
        self._path = path
        self._lines = _lines(path)
        _, header = next(self._lines, (0, None))
        if header is None:
            raise JournalError(f"{path}: is empty, not a journal")
        _check_header(path, header)
        try:
            self.policy: SessionPolicy = policy_from_plain(header.get("policy"))
        except ValueError as error:
            raise JournalError(f"{path}: line 1: the policy is {error}") from error
        self.session_id = str(header.get("session_id"))
        self.profile = str(header.get("profile"))
        self.whole = False

    def steps(self) -> Iterator[RecordedStep]:
        """The steps in order; raises JournalError. A last line that was cut off by a crash is left out."""
        count = 0
        for number, plain in self._lines:
            if "end" in plain:
                self.whole = plain["end"] == count
                break
            if plain.get("n") != count + 1:
                raise JournalError(f"{self._path}: line {number}: entry {count + 1} is missing")
            count += 1
            commands, outcome = self._outcome(number, plain)
            yield RecordedStep(
                number=count, line=number, event=self._event(number, plain), commands=commands, outcome=outcome
            )
        if not count:
            raise JournalError(f"{self._path}: holds no events")

    def _event(self, number: int, plain: dict[str, Any]) -> SessionEvent:
        try:
            return event_from_plain(plain.get("event"))
        except ValueError as error:
            raise JournalError(f"{self._path}: line {number}: the event is {error}") from error

    def _outcome(self, number: int, plain: dict[str, Any]) -> tuple[tuple[Any, ...], str]:
        commands = plain.get("commands") or []
        if not isinstance(commands, list):
            raise JournalError(f"{self._path}: line {number}: the commands are not a list")
        try:
            return tuple(commands), canonical({"commands": plain.get("commands"), "ignored": plain.get("ignored")})
        except RecursionError as error:
            raise JournalError(f"{self._path}: line {number} is nested too deeply") from error


def _check_header(path: Path, header: dict[str, Any]) -> None:
    if header.get("journal") != JOURNAL_VERSION:
        raise JournalError(f"{path}: is not a journal of version {JOURNAL_VERSION}")
    version = header.get("reducer")
    if not isinstance(version, int) or version not in REPLAYED_VERSIONS:
        # Anything but a number may be long, and is no version.
        named = f"version {version}" if isinstance(version, int) else "an unknown version"
        raise JournalError(
            f"{path}: was written by reducer {named}, this is version {REDUCER_VERSION}; "
            "replay it with the release that wrote it"
        )


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open("rb") as stream:
            number = 0
            while raw := stream.readline(LINE_BYTES_MAX):
                number += 1
                if len(raw) >= LINE_BYTES_MAX:
                    raise JournalError(f"{path}: line {number} is longer than {LINE_BYTES_MAX >> 20} MiB")
                try:
                    plain = json.loads(raw)
                except RecursionError as error:
                    raise JournalError(f"{path}: line {number} is nested too deeply") from error
                except ValueError as error:
                    if not raw.endswith(b"\n") and number > 1:
                        return
                    raise JournalError(f"{path}: line {number} is not JSON, not a journal") from error
                if not isinstance(plain, dict):
                    raise JournalError(f"{path}: line {number} is not a journal entry")
                yield number, plain
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error
