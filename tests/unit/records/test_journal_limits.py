"""A journal that may not grow: it ends with a whole line that says why, and what is there replays."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from support.session_journal import header, long_call, write_journal

from voice_orchestrator.runtime.cut_reason import CutReason
from voice_orchestrator.runtime.journal import JournalFile, JournalLines
from voice_orchestrator.runtime.journal_reader import JournalReader
from voice_orchestrator.runtime.replay import replay
from voice_orchestrator.session import events as e


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.mark.parametrize("flushes", [True, False], ids=["flushed after every step", "flushed when full"])
def test_a_journal_at_its_cap_says_so_in_its_last_line(tmp_path: Path, flushes: bool, logged: list[Any]) -> None:
    path, script = tmp_path / "journal.jsonl", long_call()
    write_journal(path, script)
    whole_bytes = path.stat().st_size
    journal = JournalFile(path, header(script.state.policy), bytes_max=whole_bytes // 2)
    for event, transition in script.log:
        journal.record(event, transition)
        if flushes:
            journal.flush()
    journal.close()
    assert journal.cut is CutReason.SIZE_CAP
    assert whole_bytes // 4 < path.stat().st_size <= whole_bytes // 2
    *_, last = path.read_bytes().splitlines()
    assert json.loads(last) == {"cut": "size_cap", "end": None}
    result = replay(path)
    assert result.identical
    assert not result.whole  # the call went on
    assert result.events == len(path.read_bytes().splitlines()) - 2
    assert [entry["event"] for entry in logged] == ["journal_lost"]


def test_a_journal_below_its_cap_is_as_it_would_be_without(tmp_path: Path) -> None:
    script = long_call()
    written = []
    for name, bytes_max in (("without", None), ("with", 1 << 20)):
        journal = JournalFile(tmp_path / name, header(script.state.policy), bytes_max)
        for event, transition in script.log:
            journal.record(event, transition)
        journal.close()
        assert journal.cut is None
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_half_a_surrogate_pair_is_kept(tmp_path: Path) -> None:
    """A tool may answer with one; UTF-8 has no place for it, and keeping a step never raises."""
    path, script = tmp_path / "journal.jsonl", long_call()
    journal = JournalFile(path, header(script.state.policy))
    script.do(e.CallerTyped, text="half \ud83d a pair")
    for event, transition in script.log:
        journal.record(event, transition)
    journal.close()
    *_, last = JournalReader(path).steps()
    assert last.event == script.log[-1][0]
    assert replay(path).identical


class HalfFull:
    """A file that takes `room` bytes and then no more, as a full disk does; what is cut off gives room back."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.held = b""

    def write(self, data: Any) -> int:
        free = self.room - len(self.held)
        if free <= 0:
            raise OSError(28, "No space left on device")
        taken = bytes(data)[:free]
        self.held += taken
        return len(taken)

    def truncate(self, size: int) -> None:
        self.held = self.held[:size]

    def seek(self, at: int) -> None:
        assert at == len(self.held)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("room", range(150, 420, 7))
def test_wherever_the_disk_is_full_the_last_line_is_whole(tmp_path: Path, room: int, monkeypatch: Any) -> None:
    lines = JournalLines(tmp_path / "journal.jsonl")
    disk = HalfFull(room)
    assert lines._file is not None
    lines._file.close()
    monkeypatch.setattr(lines, "_file", disk)
    steps = [json.dumps({"n": number, "event": "x" * (30 + number % 5 * 10)}).encode() + b"\n" for number in range(9)]
    for begin in range(0, 9, 3):
        lines.append(b"".join(steps[begin : begin + 3]))
    assert lines.cut is CutReason.DISK_FULL
    *kept, last = disk.held.splitlines(keepends=True)
    assert json.loads(last) == {"cut": "disk_full", "end": None}
    assert last.endswith(b"\n")
    assert kept == steps[: len(kept)]
    assert len(kept) >= sum(len(b"".join(steps[: n + 1])) <= room for n in range(9)) - 1
    assert lines.size_bytes == len(disk.held)


def test_what_comes_after_the_end_is_dropped(tmp_path: Path) -> None:
    lines = JournalLines(tmp_path / "journal.jsonl")
    lines.append(b'{"n":1}\n')
    lines.close()
    lines.append(b'{"n":2}\n')
    lines.end_early(CutReason.IO_ERROR, "late")
    lines.close()
    assert (tmp_path / "journal.jsonl").read_bytes() == b'{"n":1}\n'
    assert lines.cut is None
