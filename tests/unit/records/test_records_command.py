"""`records` as an operator uses it: what it says, what it does, what it refuses."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner
from support.call_records import everything_in, header, keep_call, open_store, speak
from support.eventually import eventually

from voice_operations.command_line import EXIT_ERROR, run
from voice_orchestrator.cli.records import records
from voice_orchestrator.records.entry import RecordState, read_entry, write_entry
from voice_orchestrator.records.export import check_export
from voice_orchestrator.records.shelf import Shelf
from voice_orchestrator.runtime.clock import wall_time

EXIT_USAGE = 2


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """Alice called 40 and 2 days ago, somebody without a name called 3 hours ago."""
    now = [wall_time()]
    async with open_store(tmp_path / "data", now=lambda: now[0] + timedelta(seconds=83)) as store:
        for index, (caller, ago) in enumerate((("alice", 960), ("alice", 48), (None, 3))):
            now[0] = wall_time() - timedelta(hours=ago)
            await keep_call(store, caller, session_id=f"call{index}", started_at=now[0])
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def said(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 0) -> str:
    """What a command says on stdout."""
    assert run(lambda: records([str(word) for word in words], standalone_mode=False)) == code
    return capsys.readouterr().out


def listed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[str]:
    found: list[dict[str, str]] = json.loads(said(capsys, "list", "--json", *words))
    return [call["session_id"] for call in found]


def test_calls_are_listed_the_oldest_first(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "list", "--data", data).splitlines()
    assert lines[0].split() == ["began", "(UTC)", "profile", "caller", "length", "size", "state", "folder"]
    assert [line.split()[-1].rpartition("-")[2] for line in lines[1:]] == ["call0", "call1", "call2"]
    for line, call in zip(lines[1:], Shelf(data).calls(), strict=True):
        assert str(call.folder.relative_to(data)) in line
        assert " 1:23 " in line
        assert " closed " in line
        assert ("alice" in line) == (call.entry.caller_id == "alice")


def test_a_list_can_be_narrowed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys, "--data", data) == ["call0", "call1", "call2"]
    assert listed(capsys, "--data", data, "--caller", "alice") == ["call0", "call1"]
    assert listed(capsys, "--data", data, "--caller", "alic") == []
    assert listed(capsys, "--data", data, "--profile", "clinic", "--newer-than", "4h") == ["call2"]
    assert listed(capsys, "--data", data, "--profile", "other") == []
    assert listed(capsys, "--data", data, "--older-than", "7d") == ["call0"]
    assert listed(capsys, "--data", data, "--older-than", "1d", "--newer-than", "30d") == ["call1"]
    assert said(capsys, "list", "--data", data, "--older-than", "99d") == "no such calls\n"
    assert said(capsys, "list", "--data", data / "none") == f"no calls in {data / 'none'}\n"
    said(capsys, "list", "--data", data, "--older-than", "soon", code=EXIT_USAGE)


def test_a_list_tells_what_is_wrong_with_a_call(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [call.folder for call in Shelf(data).calls()]
    write_entry(folders[0], read_entry(folders[0]).model_copy(update={"state": RecordState.OPEN}))
    write_entry(folders[1], read_entry(folders[1]).model_copy(update={"caller_id": "\x1b[2Jalice"}))
    (folders[2] / "record.json").unlink()
    lines = said(capsys, "list", "--data", data).splitlines()
    assert "left open by a killed server" in lines[1]
    assert "\x1b" not in lines[2]
    assert "unreadable: there is no record.json" in lines[3]


def test_the_data_folder_can_be_named_by_the_environment(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICE_AGENT_DATA", str(data))
    assert listed(capsys) == ["call0", "call1", "call2"]


def test_an_export_is_made_and_can_be_read(data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "alice.zip"
    told = said(capsys, "export", "--data", data, "--caller", "alice", "--out", out)
    assert told.startswith(f"{out}: 2 calls, ")
    assert len(check_export(out).calls) == 2
    said(capsys, "export", "--data", data, "--caller", "alice", "--out", out, code=EXIT_ERROR)
    said(capsys, "export", "--data", data, "--caller", "bob", "--out", tmp_path / "bob.zip", code=EXIT_ERROR)
    said(capsys, "export", "--data", data, "--caller", "alice", "--out", tmp_path / "no/a.zip", code=EXIT_ERROR)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alice.zip", "data"]


def test_an_erasure_asks_first(data: Path) -> None:
    asked = CliRunner().invoke(records, ["erase", "--data", str(data), "--caller", "alice"], input="n\n")
    assert "erase 2 calls of this caller" in asked.output
    assert len(list(Shelf(data).calls())) == 3
    agreed = CliRunner().invoke(records, ["erase", "--data", str(data), "--caller", "alice"], input="y\n")
    assert agreed.output.endswith("2 calls erased\n")
    assert b"alice" not in everything_in(data)
    assert len(list(Shelf(data).calls())) == 1


def test_an_erasure_can_be_made_without_a_question(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "erase", "--data", data, "--caller", "alice", "--yes") == "2 calls erased\n"
    assert said(capsys, "erase", "--data", data, "--caller", "alice", "--yes") == "0 calls erased\n"
    (folder,) = (call.folder for call in Shelf(data).calls())
    (folder / "record.json").write_bytes(b"")
    assert (
        run(lambda: records(["erase", "--data", str(data), "--caller", "alice", "--yes"], standalone_mode=False)) == 1
    )
    assert str(folder) in capsys.readouterr().err


async def test_calls_that_go_on_are_said_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    async with open_store(data) as store:
        record = store.open_call(header("goeson"), "alice")
        speak(record, 16_000)
        await eventually((data / "2025/01/02/030405Z-clinic-goeson/journal.jsonl").exists)
        assert " going on " in said(capsys, "list", "--data", data)
        await keep_call(store, "alice")
        out = tmp_path / "alice.zip"
        told = said(capsys, "export", "--data", data, "--caller", "alice", "--out", out)
        assert "1 call of this caller still going on: not exported" in told
        told = said(capsys, "erase", "--data", data, "--caller", "alice", "--yes")
        assert told.splitlines() == [
            "1 call erased",
            "1 call still going on: marked, the server erases each when it ends",
        ]
        await record.close({}, [])
    assert b"alice" not in everything_in(data)


def test_a_sweep_applies_its_limits_and_says_what_it_did(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said(capsys, "sweep", "--data", data, "--json"))
    assert (told["too_old"], told["too_much"], told["kept"], told["failed"]) == (1, 0, 2, 0)
    told = said(capsys, "sweep", "--data", data, "--max-age-days", "1", "--max-total-gib", "0")
    assert told.startswith("1 call removed: 1 too old, 0 too much, 0 to be erased;")
    told = said(capsys, "sweep", "--data", data, "--max-age-days", "0", "--max-total-gib", "0")
    assert "1 kept, 0.1 MiB" in told
    told = said(capsys, "sweep", "--data", data, "--max-age-days", "0", "--max-total-gib", "0.00001")
    assert "1 too much" in told
    assert list(Shelf(data).calls()) == []
    said(capsys, "sweep", "--data", data / "none")
