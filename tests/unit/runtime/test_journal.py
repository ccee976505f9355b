"""The journal's file: what is in it, who may read it, and what a full disk does to it."""

import gc
import json
import random
import stat
import warnings
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contract_values import instances
from support.session_fuzz import EVENT_TYPES, random_policy
from support.session_journal import header, long_call, write_journal
from support.session_script import policy

from voice_contract.failures import Failure
from voice_contract.messages import EndCause, SessionConfigure, WorkTiming
from voice_orchestrator.runtime.journal import JOURNAL_VERSION, JournalFile
from voice_orchestrator.runtime.journal_codec import (
    canonical,
    commands_to_plain,
    event_from_plain,
    event_to_plain,
    policy_from_plain,
    policy_to_plain,
)
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.reducer import REDUCER_VERSION

FULL_DISK = Path("/dev/full")
RUN_IDS = st.integers(0, 2**32)
RUN_COMMANDS: tuple[type[Any], ...] = (
    c.ReleaseRun,
    c.PauseRun,
    c.ResumeRun,
    c.FlushRun,
    c.DropRun,
    c.CloseRun,
)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def values(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Values of an event type."""
    given_values: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields(kind):
        if field.name.endswith("probability"):
            given_values[field.name] = st.floats(allow_nan=False, allow_infinity=False).map(abs)
        elif field.name == "timing":
            given_values[field.name] = instances(WorkTiming)
    return st.builds(kind, **given_values)


@st.composite
def commands(draw: st.DrawFn) -> c.Command:
    """One of all commands, with one of all messages it can carry."""
    kind: type[Any] = draw(st.sampled_from(get_args(c.Command)))
    command: c.Command
    if kind is c.ConnectInference:
        command = c.ConnectInference(configure=draw(instances(SessionConfigure)), delay_ms=draw(st.integers(0, 500)))
    elif kind is c.EndCall:
        failure = draw(st.none() | instances(Failure))
        command = c.EndCall(cause=draw(st.sampled_from(EndCause)), failure=failure)
    elif kind is c.SpeakPrepared:
        command = c.SpeakPrepared(run_id=draw(RUN_IDS), text=draw(st.text(max_size=20)))
    elif kind is c.CallTool:
        command = draw(st.builds(c.CallTool))
    elif kind in (c.ToEdge, c.ToInference):
        messages = get_args(c.EdgeMessage if kind is c.ToEdge else c.InferenceMessage)
        command = kind(message=draw(instances(draw(st.sampled_from(messages)))), run_id=draw(RUN_IDS))
    else:
        assert kind in RUN_COMMANDS
        command = kind(run_id=draw(RUN_IDS))
    return command


def test_a_journal_begins_with_what_a_replay_needs_and_ends_with_its_length(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    script = write_journal(path)
    first, *entries, last = lines(path)
    assert (first["journal"], first["reducer"]) == (JOURNAL_VERSION, REDUCER_VERSION)
    assert (first["session_id"], first["profile"]) == ("abc123", "clinic")
    assert first["started_at"] == "2025-01-02T03:04:05+00:00"
    assert policy_from_plain(first["policy"]) == script.state.policy
    assert last == {"end": len(script.log)}
    assert [entry["n"] for entry in entries] == list(range(1, len(script.log) + 1))


def test_every_step_is_one_line_with_its_event_commands_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    script = write_journal(path)
    entries = lines(path)[1:-1]
    assert [event_from_plain(entry["event"]) for entry in entries] == [event for event, _ in script.log]
    for entry, (_, transition) in zip(entries, script.log, strict=True):
        assert [command["is"] for command in entry["commands"]] == [
            type(command).__name__ for command in transition.commands
        ]
        assert entry["ignored"] == transition.ignored


def test_only_its_owner_may_read_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_flushed_is_on_the_disk_before_the_journal_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = JournalFile(path, header(policy()))
    journal.record(*long_call().log[0])
    journal.flush()
    assert [entry.get("n") for entry in lines(path)] == [None, 1]
    journal.close()


def test_a_journal_that_cannot_be_made_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JournalFile(tmp_path / "missing" / "journal.jsonl", header(policy()))


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.mark.parametrize("flushes", [True, False], ids=["while flushing", "while writing"])
def test_a_full_disk_ends_the_journal_only_and_is_said_once(flushes: bool, logged: list[Any]) -> None:
    journal = JournalFile(FULL_DISK, header(policy()))
    for event, transition in long_call().log * 10:
        journal.record(event, transition)
        if flushes:
            journal.flush()
    journal.close()
    assert [(entry["event"], entry["log_level"]) for entry in logged] == [("journal_lost", "error")]


def test_a_full_disk_leaves_no_file_open() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        journal = JournalFile(FULL_DISK, header(policy()))
        journal.flush()
        journal.close()
        del journal
        gc.collect()
    assert [str(warning.message) for warning in told] == []


def test_what_people_say_is_not_escaped() -> None:
    assert canonical({"b": "grüß dich", "a": 1}) == '{"a":1,"b":"grüß dich"}'


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: str(kind.__name__))
@given(data=st.data())
@settings(max_examples=15)
def test_every_event_comes_back_from_a_line_as_it_was(kind: type[Any], data: st.DataObject) -> None:
    event: e.SessionEvent = data.draw(values(kind))
    line = canonical(event_to_plain(event))
    assert "\n" not in line
    assert event_from_plain(json.loads(line)) == event


def test_a_command_says_what_it_is_whatever_it_carries() -> None:
    told = [kind(run_id=1) for kind in RUN_COMMANDS]
    plain = commands_to_plain(tuple(told))
    assert [entry["is"] for entry in plain] == [type(command).__name__ for command in told]


@given(commands(), commands())
@settings(max_examples=300)
def test_commands_give_equal_lines_only_when_they_are_equal(one: c.Command, other: c.Command) -> None:
    first, second, again = (canonical(commands_to_plain((command,))) for command in (one, other, replace(one)))
    assert first == again
    assert json.loads(first)[0]["is"] == type(one).__name__
    assert (first == second) == (one == other)


@pytest.mark.parametrize("seed", range(5))
def test_a_policy_comes_back_from_a_line_as_it_was(seed: int) -> None:
    before = random_policy(random.Random(seed))
    assert policy_from_plain(json.loads(canonical(policy_to_plain(before)))) == before


@pytest.mark.parametrize(
    "plain",
    [
        None,
        3,
        [],
        {},
        {"is": "Tick"},
        {"is": "Tick", "at_ms": 1, "more": 2},
        {"is": "NoSuchEvent", "at_ms": 1},
        {"at_ms": 1},
        {"is": "Tick", "at_ms": None},
    ],
    ids=str,
)
def test_what_is_no_event_is_refused(plain: Any) -> None:
    with pytest.raises(ValueError, match="not a valid entry"):
        event_from_plain(plain)


def test_a_policy_with_an_unknown_number_is_refused() -> None:
    plain = policy_to_plain(SessionPolicy(system_text="Be brief."))
    plain["turn_taking"]["patience_ms"] = 3
    with pytest.raises(ValueError, match="not a valid entry"):
        policy_from_plain(plain)
