"""Folds a journal again and says whether every command comes out byte for byte as it did."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from voice_contract.messages import Phase
from voice_operations.operator_error import OperatorError
from voice_orchestrator.runtime.journal import JOURNAL_VERSION, entry_of
from voice_orchestrator.runtime.journal_codec import canonical, event_from_plain, policy_from_plain
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.reducer import REDUCER_VERSION, Transition, reduce
from voice_orchestrator.session.state import initial_state

LINE_BYTES_MAX: Final = 4 << 20


class JournalError(OperatorError):
    """A file is not a journal that can be replayed; the line says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStep:
    """One event as it is folded again. `line` is its line in the file."""

    number: int
    line: int
    event: SessionEvent
    phase_before: Phase
    transition: Transition
    recorded: str
    folded: str

    @property
    def identical(self) -> bool:
        """Whether commands and ignored reason are what they were."""
        return self.recorded == self.folded


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What a replay found. `call_ms` is the time of the last event; `whole`: the journal was closed properly."""

    session_id: str
    profile: str
    events: int
    call_ms: int
    whole: bool
    first_difference: ReplayStep | None

    @property
    def identical(self) -> bool:
        """Whether every command is byte-identical."""
        return self.first_difference is None


def replay(path: Path, on_step: Callable[[ReplayStep], bool] | None = None) -> ReplayResult:
    """Folds the journal in `path`; `on_step` sees each step and stops the replay by returning False.

    Raises JournalError for what is no journal of this version. A last line that was cut off by a crash is left out.
    """
    lines = _lines(path)
    _, header = next(lines, (0, None))
    if header is None:
        raise JournalError(f"{path}: is empty, not a journal")
    _check_header(path, header)
    try:
        state = initial_state(policy_from_plain(header.get("policy")))
    except ValueError as error:
        raise JournalError(f"{path}: line 1: the policy is {error}") from error
    count, whole = 0, False
    for number, plain in lines:
        if "end" in plain:
            whole = plain["end"] == count
            break
        if plain.get("n") != count + 1:
            raise JournalError(f"{path}: line {number}: entry {count + 1} is missing")
        event = _event(path, number, plain)
        before = state.phase
        transition = reduce(state, event)
        state = transition.state
        count += 1
        step = ReplayStep(
            number=count,
            line=number,
            event=event,
            phase_before=before,
            transition=transition,
            recorded=canonical({"commands": plain.get("commands"), "ignored": plain.get("ignored")}),
            folded=_outcome(count, event, transition),
        )
        go_on = on_step(step) if on_step is not None else True
        if not step.identical or not go_on:
            return _result(header, count, state.now_ms, whole, None if step.identical else step)
    if not count:
        raise JournalError(f"{path}: holds no events")
    return _result(header, count, state.now_ms, whole, None)


def _result(header: dict[str, Any], count: int, now_ms: int, whole: bool, different: ReplayStep | None) -> ReplayResult:
    return ReplayResult(
        session_id=str(header.get("session_id")),
        profile=str(header.get("profile")),
        events=count,
        call_ms=now_ms,
        whole=whole,
        first_difference=different,
    )


def _outcome(number: int, event: SessionEvent, transition: Transition) -> str:
    entry = entry_of(number, event, transition)
    return canonical({"commands": entry["commands"], "ignored": entry["ignored"]})


def _event(path: Path, number: int, plain: dict[str, Any]) -> SessionEvent:
    try:
        return event_from_plain(plain.get("event"))
    except ValueError as error:
        raise JournalError(f"{path}: line {number}: the event is {error}") from error


def _check_header(path: Path, header: dict[str, Any]) -> None:
    if header.get("journal") != JOURNAL_VERSION:
        raise JournalError(f"{path}: is not a journal of version {JOURNAL_VERSION}")
    if header.get("reducer") != REDUCER_VERSION:
        raise JournalError(
            f"{path}: was written by reducer version {header.get('reducer')}, this is version {REDUCER_VERSION}; "
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
                except ValueError as error:
                    if not raw.endswith(b"\n") and number > 1:
                        return
                    raise JournalError(f"{path}: line {number} is not JSON, not a journal") from error
                if not isinstance(plain, dict):
                    raise JournalError(f"{path}: line {number} is not a journal entry")
                yield number, plain
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error
