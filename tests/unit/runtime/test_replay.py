"""A finished call decided again: the same commands byte for byte, and what is refused."""

import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.session_fuzz import random_policy, random_session
from support.session_journal import write_journal
from support.session_script import Script

from voice_contract.messages import Phase
from voice_orchestrator.runtime.journal_codec import canonical
from voice_orchestrator.runtime.journal_reader import JournalError
from voice_orchestrator.runtime.replay import ReplayStep, replay
from voice_orchestrator.session.reducer import REDUCER_VERSION

Lines = list[dict[str, Any]]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The whole journal of a long call."""
    path = tmp_path / "journal.jsonl"
    write_journal(path)
    return path


def rewrite(path: Path, change: Callable[[Lines], None]) -> None:
    """Changes a journal as somebody with an editor would."""
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    change(entries)
    path.write_text("".join(f"{canonical(entry)}\n" for entry in entries), encoding="utf-8")


def with_commands(entries: Lines) -> dict[str, Any]:
    """An entry in the middle that commanded something."""
    return next(entry for entry in entries[len(entries) // 2 :] if entry.get("commands"))


def test_a_journal_folds_again_to_the_same_commands(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    script = write_journal(path)
    result = replay(path)
    assert result.identical
    assert result.whole
    assert (result.session_id, result.profile) == ("abc123", "clinic")
    assert result.events == len(script.log)
    assert result.call_ms == 7_000


@pytest.mark.parametrize("seed", range(20))
def test_journals_of_random_sessions_fold_again_to_the_same_commands(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "journal.jsonl"
    script = Script(random_policy(random.Random(seed)))
    script.log = random_session(seed, 100)[1]
    write_journal(path, script)
    assert replay(path).identical


def test_every_step_can_be_looked_at(journal: Path) -> None:
    seen: list[ReplayStep] = []

    def look(step: ReplayStep) -> bool:
        seen.append(step)
        return True

    result = replay(journal, look)
    assert [step.number for step in seen] == list(range(1, result.events + 1))
    assert [step.line for step in seen] == list(range(2, result.events + 2))
    assert seen[0].phase_before is Phase.CREATED
    assert all(after.phase_before is before.transition.state.phase for before, after in pairwise(seen))


def test_a_replay_stops_when_one_has_seen_enough(journal: Path) -> None:
    result = replay(journal, lambda step: step.number < 5)
    assert result.events == 5
    assert result.identical


def test_a_changed_command_is_found_where_it_stands(journal: Path) -> None:
    changed: list[int] = []

    def change(entries: Lines) -> None:
        entry = with_commands(entries)
        entry["commands"] = entry["commands"][:-1]
        changed.append(entry["n"])

    rewrite(journal, change)
    difference = replay(journal).first_difference
    assert difference is not None
    assert difference.number == changed[0]
    assert difference.line == changed[0] + 1
    assert difference.recorded != difference.folded


def test_a_changed_letter_in_a_command_is_found(journal: Path) -> None:
    def change(entries: Lines) -> None:
        entry = next(entry for entry in entries if any(c["is"] == "ConnectInference" for c in entry["commands"] or ()))
        entry["commands"][-1]["configure"]["language"] = "en-GB"

    rewrite(journal, lambda entries: change(entries[1:-1]))
    assert not replay(journal).identical


def test_a_changed_reason_for_ignoring_an_event_is_found(journal: Path) -> None:
    def change(entries: Lines) -> None:
        next(entry for entry in entries if entry.get("ignored"))["ignored"] = "another_reason"

    rewrite(journal, change)
    assert not replay(journal).identical


def test_a_changed_event_is_found_in_what_follows_from_it(journal: Path) -> None:
    def change(entries: Lines) -> None:
        entries[1]["event"]["speaks"] = not entries[1]["event"]["speaks"]

    rewrite(journal, change)
    assert not replay(journal).identical


@pytest.mark.parametrize("missing_bytes", [1, 2, 9])
def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path, missing_bytes: int) -> None:
    path = tmp_path / "journal.jsonl"
    script = write_journal(path, closes=False)
    raw = path.read_bytes()
    path.write_bytes(raw[:-missing_bytes])
    result = replay(path)
    assert result.identical
    assert not result.whole
    assert result.events == len(script.log) - (missing_bytes > 1)


def test_a_journal_cut_anywhere_after_its_first_step_still_replays(journal: Path) -> None:
    raw = journal.read_bytes()
    start = raw.index(b"\n", raw.index(b"\n") + 1) + 1
    for length in range(start, len(raw) - 1, 997):
        journal.write_bytes(raw[:length])
        result = replay(journal)
        assert result.identical
        assert not result.whole
        assert 1 <= result.events <= raw[:length].count(b"\n")


def test_a_journal_that_lacks_a_line_is_refused(journal: Path) -> None:
    def change(entries: Lines) -> None:
        quiet = next(index for index, entry in enumerate(entries) if entry.get("ignored"))
        del entries[quiet]

    rewrite(journal, change)
    with pytest.raises(JournalError, match="is missing"):
        replay(journal)


def newer_reducer(entries: Lines) -> None:
    entries[0]["reducer"] = 99


def newer_format(entries: Lines) -> None:
    entries[0]["journal"] = 2


def no_header(entries: Lines) -> None:
    del entries[0]


def no_policy(entries: Lines) -> None:
    del entries[0]["policy"]


def no_events(entries: Lines) -> None:
    del entries[1:]


def unknown_event(entries: Lines) -> None:
    entries[4]["event"] = {"is": "Sneezed", "at_ms": 3}


def list_entry(entries: Lines) -> None:
    entries[4] = []  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (newer_reducer, f"written by reducer version 99, this is version {REDUCER_VERSION}"),
        (newer_format, "not a journal of version 1"),
        (no_header, "not a journal of version 1"),
        (no_policy, "line 1: the policy is not a valid entry"),
        (no_events, "holds no events"),
        (unknown_event, "line 5: the event is not a valid entry"),
        (list_entry, "line 5 is not a journal entry"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_the_file_and_the_reason(
    journal: Path, change: Callable[[Lines], None], says: str
) -> None:
    rewrite(journal, change)
    with pytest.raises(JournalError, match=says) as refused:
        replay(journal)
    assert str(refused.value).startswith(f"{journal}: ")
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"RIFF\x00\x01\xff WAVE", "line 1 is not JSON"),
        (b"hello\n", "line 1 is not JSON"),
        (b'{"journal": 1', "line 1 is not JSON"),
    ],
)
def test_what_is_no_journal_at_all_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=says):
        replay(path)


def test_a_broken_line_in_the_middle_is_no_crash_and_is_refused(journal: Path) -> None:
    raw = journal.read_bytes().splitlines(keepends=True)
    raw[3] = b'{"n": 3, "ev\n'
    journal.write_bytes(b"".join(raw))
    with pytest.raises(JournalError, match="line 4 is not JSON"):
        replay(journal)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.jsonl", tmp_path):
        with pytest.raises(JournalError, match=str(path)):
            replay(path)
