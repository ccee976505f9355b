"""A caller's records in one file: everything of theirs, nothing of others, and what was changed is noticed."""

import json
import stat
import zipfile
from pathlib import Path

import pytest
from support.call_records import STARTED_AT, header, keep_call, names_in, open_store
from support.eventually import eventually

from voice_operations.operator_error import OperatorError
from voice_orchestrator.records.export import check_export, export
from voice_orchestrator.records.shelf import Shelf


@pytest.fixture
async def shelf(tmp_path: Path) -> Shelf:
    async with open_store(tmp_path / "data") as store:
        for index, caller in enumerate(("alice", "bob", "alice")):
            await keep_call(store, caller, session_id=f"call{index}")
    return Shelf(tmp_path / "data")


async def test_an_export_holds_every_file_of_the_caller_byte_for_byte(tmp_path: Path, shelf: Shelf) -> None:
    out = tmp_path / "alice.zip"
    manifest = export(shelf, "alice", out, STARTED_AT)
    assert check_export(out) == manifest
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [call.entry.session_id for call in manifest.calls] == ["call0", "call2"]
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "read")
        told = json.loads(archive.read("manifest.json"))
    assert (told["export"], told["caller_id"], told["going_on"]) == (1, "alice", 0)
    for call in manifest.calls:
        names = {file.name for file in call.files}
        assert names == {"record.json", "recording.wav", "journal.jsonl", "report.json", "transcript.json"}
        for file in call.files:
            read = (tmp_path / "read" / call.folder / file.name).read_bytes()
            assert read == (shelf.root / call.folder.removeprefix("calls/") / file.name).read_bytes()
            assert len(read) == file.size_bytes
    assert not any(b"bob" in path.read_bytes() for path in (tmp_path / "read").rglob("*") if path.is_file())


async def test_calls_that_go_on_are_counted_and_left_out(tmp_path: Path) -> None:
    async with open_store(tmp_path / "data") as store:
        record = store.open_call(header("goeson"), "alice")
        await eventually(lambda: store.stats().open_calls == 1)
        await eventually((tmp_path / "data/2025/01/02/030405Z-clinic-goeson/journal.jsonl").exists)
        with pytest.raises(OperatorError, match="1 of them go on"):
            export(store.shelf, "alice", tmp_path / "none.zip", STARTED_AT)
        await keep_call(store, "alice")
        manifest = export(store.shelf, "alice", tmp_path / "one.zip", STARTED_AT)
        assert (len(manifest.calls), manifest.going_on) == (1, 1)
        await record.close(None, None)
    assert names_in(tmp_path) == ["data", "one.zip"]


@pytest.mark.parametrize("kind", ["changed", "missing", "added", "cut", "no archive"])
async def test_an_archive_that_was_changed_is_noticed(tmp_path: Path, shelf: Shelf, kind: str) -> None:
    out, other = tmp_path / "alice.zip", tmp_path / "other.zip"
    export(shelf, "alice", out, STARTED_AT)
    with zipfile.ZipFile(out) as archive, zipfile.ZipFile(other, "w") as made:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith("call2/report.json") and kind == "changed":
                data = data.replace(b"1", b"2")
            if not (name.endswith("call2/report.json") and kind == "missing"):
                made.writestr(name, data)
        if kind == "added":
            made.writestr("calls/more.txt", b"more")
    if kind == "cut":
        other.write_bytes(out.read_bytes()[:-300])
    if kind == "no archive":
        other.write_bytes(b"PK")
    with pytest.raises(OperatorError, match=r"other\.zip: "):
        check_export(other)


async def test_an_export_that_fails_leaves_no_file(tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(OperatorError, match="no calls of this caller"):
        export(shelf, "carol", tmp_path / "carol.zip", STARTED_AT)
    with pytest.raises(OperatorError, match="no such folder"):
        export(Shelf(tmp_path / "none"), "alice", tmp_path / "carol.zip", STARTED_AT)
    with pytest.raises(FileNotFoundError):
        export(shelf, "alice", tmp_path / "none" / "alice.zip", STARTED_AT)
    (tmp_path / "mine.zip").write_bytes(b"mine")
    with pytest.raises(OperatorError, match="exists already"):
        export(shelf, "alice", tmp_path / "mine.zip", STARTED_AT)
    assert (tmp_path / "mine.zip").read_bytes() == b"mine"
    assert names_in(tmp_path) == ["data", "mine.zip"]
