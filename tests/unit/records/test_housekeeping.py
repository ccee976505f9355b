"""What a sweep removes and what it leaves alone, and what is left of a caller who was erased: nothing."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from support.call_records import (
    STARTED_AT,
    everything_in,
    header,
    keep_call,
    limits,
    open_store,
    sound_of,
    speak,
)
from support.eventually import eventually

from voice_orchestrator.records import folders, housekeeping, shelf
from voice_orchestrator.records.entry import ENTRY_FILE, EntryError, RecordState, read_entry, write_entry
from voice_orchestrator.records.folders import erase_folder, mark_for_erasure
from voice_orchestrator.records.housekeeping import Swept, erase, sweep
from voice_orchestrator.records.owner import housekeeping as lock
from voice_orchestrator.records.owner import is_alive
from voice_orchestrator.records.shelf import Shelf

DAY = timedelta(days=1)
KEEP = limits(age_max=None, total_bytes_max=None)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def calls_in(root: Path) -> list[str]:
    return [call.entry.session_id for call in Shelf(root).calls()]


async def test_a_folder_that_does_not_exist_is_swept_and_erased_already(tmp_path: Path) -> None:
    assert sweep(Shelf(tmp_path / "none"), KEEP, STARTED_AT) == Swept()
    assert erase(Shelf(tmp_path / "none"), "caller").erased == 0


async def test_calls_beyond_their_age_go_with_their_empty_days(tmp_path: Path) -> None:
    now = [STARTED_AT]
    async with open_store(tmp_path, limits(age_max=30 * DAY), lambda: now[0]) as store:
        for index, age in enumerate((400, 31, 30, 1)):
            now[0] = STARTED_AT - age * DAY
            await keep_call(store, session_id=f"call{index}", started_at=now[0])
        now[0] = STARTED_AT
        swept = store.sweep()
    assert (swept.too_old, swept.kept, swept.too_much, swept.failed) == (2, 2, 0, 0)
    assert calls_in(tmp_path) == ["call2", "call3"]
    assert not (tmp_path / "2023").exists()
    assert sorted(path.name for path in (tmp_path / "2024").iterdir()) == ["12"]
    assert swept.kept_bytes == sum(call.entry.size_bytes for call in Shelf(tmp_path).calls())


async def test_the_oldest_go_until_the_rest_fits(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        for index in range(5):
            await keep_call(store, session_id=f"call{index}", started_at=STARTED_AT + index * DAY)
        size_bytes = next(iter(store.shelf.calls())).entry.size_bytes
        swept = sweep(store.shelf, limits(total_bytes_max=size_bytes * 3 + 100), STARTED_AT)
    assert (swept.too_much, swept.kept) == (2, 3)
    assert swept.kept_bytes <= size_bytes * 3 + 100
    assert calls_in(tmp_path) == ["call2", "call3", "call4"]


async def test_a_call_that_goes_on_is_never_touched(tmp_path: Path) -> None:
    """However old it is, and however full the folder: it counts, and the closed ones go for it."""
    async with open_store(tmp_path) as store:
        record = store.open_call(header("goeson", started_at=STARTED_AT - 100 * DAY), None)
        speak(record, 80_000)
        await keep_call(store, session_id="over")
        for from_where in (store.shelf, Shelf(tmp_path)):  # of this process, as of any other
            swept = sweep(from_where, limits(age_max=DAY, total_bytes_max=0), STARTED_AT)
            assert (swept.closed, swept.failed) == (0, 0)
            assert swept.kept_bytes > 100_000
        assert calls_in(tmp_path) == ["goeson"]
        closed = await record.close({}, [])
    assert closed.folder is not None
    assert closed.entry.state is RecordState.CLOSED
    assert len(sound_of(closed.folder / "recording.wav")) == 80_000


async def test_a_call_that_ends_while_it_is_looked_at_is_not_taken_for_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry is read as open; then its process closes it and goes; then the process is asked for."""
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), None)
        folder = tmp_path / "2025/01/02/030405Z-clinic-abc123"
        await eventually((folder / "journal.jsonl").exists)
        read = threading.Event(), threading.Event()
        real = is_alive

        def slow(root: Path, owner_id: str) -> bool:
            read[0].set()
            assert read[1].wait(20)
            return real(root, owner_id)

        monkeypatch.setattr(shelf, "is_alive", slow)
        seen: list[Swept] = []
        thread = threading.Thread(target=lambda: seen.append(sweep(Shelf(tmp_path), KEEP, STARTED_AT)))
        thread.start()
        await eventually(read[0].is_set)
        await record.close({}, [])
    read[1].set()
    thread.join()
    assert seen[0].closed == 0
    assert read_entry(folder).state is RecordState.CLOSED


async def test_a_mark_is_honoured_by_the_next_sweep(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        mark_for_erasure(await keep_call(store, "caller"))
        await keep_call(store, "other", session_id="other")
        assert store.sweep().erased == 1
    assert calls_in(tmp_path) == ["other"]


async def test_an_erasure_leaves_nothing_of_the_caller_and_all_of_the_others(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        for index, caller in enumerate(("alice", "bob", "alice", None)):
            await keep_call(store, caller, session_id=f"call{index}")
        assert b"alice" in everything_in(tmp_path)
        done = store.erase("alice")
        assert (done.erased, done.marked, done.failed, done.unknown) == (2, 0, [], [])
        assert calls_in(tmp_path) == ["call1", "call3"]
        held = everything_in(tmp_path)
        assert b"alice" not in held
        assert b"call0" not in held
        assert b"call2" not in held
        assert store.erase("alice").erased == 0
        assert store.erase("bob").erased == 1
        assert everything_in(tmp_path).count(b"my words") == 1


async def test_a_call_that_goes_on_is_erased_when_it_ends_and_not_before(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), "alice")
        speak(record, 16_000)
        record.flush()
        folder = tmp_path / "2025/01/02/030405Z-clinic-abc123"
        await eventually((folder / "recording.wav").exists)
        done = erase(Shelf(tmp_path), "alice")  # as another process does
        assert (done.erased, done.marked) == (0, 1)
        assert store.sweep().erased == 0
        assert (folder / "recording.wav").exists()
        assert (await record.close({}, [{"text": "secret words"}])).erased
        assert b"alice" not in everything_in(tmp_path)
        assert b"secret" not in everything_in(tmp_path)


async def test_a_call_that_ends_between_the_look_and_the_mark_is_erased_by_who_marked_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), "alice")
        folder = tmp_path / "2025/01/02/030405Z-clinic-abc123"
        await eventually((folder / "journal.jsonl").exists)
        looked, go = threading.Event(), threading.Event()

        def slow(folder: Path) -> None:
            looked.set()
            assert go.wait(20)
            mark_for_erasure(folder)

        monkeypatch.setattr(housekeeping, "mark_for_erasure", slow)
        done: list[housekeeping.Erased] = []
        thread = threading.Thread(target=lambda: done.append(erase(Shelf(tmp_path), "alice")))
        thread.start()
        await eventually(looked.is_set)
        assert not (await record.close({}, [])).erased
        go.set()
        thread.join()
    assert (done[0].erased, done[0].marked) == (1, 0)
    assert b"alice" not in everything_in(tmp_path)


@pytest.mark.parametrize("removed_before", range(6))
async def test_an_erasure_that_is_killed_is_finished_by_the_next_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed_before: int
) -> None:
    async with open_store(tmp_path) as store:
        folder = await keep_call(store, "alice")
    remove, left = folders._remove, [removed_before]

    def killed(path: Path) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        remove(path)

    monkeypatch.setattr(folders, "_remove", killed)
    with pytest.raises(KeyboardInterrupt):
        erase(Shelf(tmp_path), "alice")
    monkeypatch.undo()
    assert len(list(folder.iterdir())) == 6 - removed_before
    assert sweep(Shelf(tmp_path), KEEP, STARTED_AT).erased == 1
    assert not (tmp_path / "2025").exists()


async def test_what_a_killed_process_left_is_closed_with_what_is_there(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        folder = await keep_call(store, "alice", samples=48_000)
    left_open = read_entry(folder).model_copy(update={"state": RecordState.OPEN, "ended_at": None})
    write_entry(folder, left_open)
    with (folder / "recording.wav").open("r+b") as stream:
        stream.truncate(44 + 4 * 20_000 + 3)
    (folder / ".report.json.part").write_text("half", encoding="utf-8")
    (call,) = Shelf(tmp_path).calls()
    assert call.left_open
    assert sweep(Shelf(tmp_path), KEEP, STARTED_AT).closed == 1
    entry = read_entry(folder)
    assert (entry.state, entry.caller_id) == (RecordState.ABANDONED, "alice")
    assert entry.ended_at is not None
    assert len(sound_of(folder / "recording.wav")) == 20_000
    assert not (folder / ".report.json.part").exists()
    assert sweep(Shelf(tmp_path), KEEP, STARTED_AT).closed == 0


@pytest.mark.parametrize("damage", ["empty", "half", "missing", "other"])
async def test_a_record_that_lost_its_entry_is_kept_and_named_when_somebody_is_erased(
    tmp_path: Path, damage: str
) -> None:
    async with open_store(tmp_path) as store:
        folder = await keep_call(store, "alice")
    entry = folder / ENTRY_FILE
    text = {"empty": b"", "half": entry.read_bytes()[:40], "missing": b"", "other": b"[1]"}[damage]
    entry.write_bytes(text)
    if damage == "missing":
        entry.unlink()
    (call,) = Shelf(tmp_path).calls()
    assert isinstance(call.problem, EntryError)
    assert erase(Shelf(tmp_path), "alice").unknown == [folder]
    # It may be one that is being made just now; only after an hour it cannot.
    written_at = shelf.last_written_at(folder)
    assert sweep(Shelf(tmp_path), KEEP, written_at).closed == 0
    assert sweep(Shelf(tmp_path), KEEP, written_at + timedelta(hours=2)).closed == 1
    made = read_entry(folder)
    assert (made.session_id, made.profile, made.started_at) == ("abc123", "clinic", STARTED_AT)
    assert (made.state, made.caller_id, made.damaged) == (RecordState.ABANDONED, None, True)
    assert erase(Shelf(tmp_path), "alice").unknown == [folder]
    swept = sweep(Shelf(tmp_path), limits(age_max=DAY), written_at + 2 * DAY)
    assert swept.too_old == 1


async def test_other_things_in_the_data_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "2025/01/02/notes").mkdir(parents=True)
    (tmp_path / "2025/01/readme.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "20250102T030405Z-clinic-abc").mkdir()
    (tmp_path / "2025/99/02/030405Z-clinic-abc").mkdir(parents=True)
    (tmp_path / "2025/01/02/996605Z-clinic-abc").mkdir()
    async with open_store(tmp_path) as store:
        await keep_call(store, "alice")
        swept = sweep(store.shelf, limits(age_max=timedelta(0)), STARTED_AT + DAY)
    assert (swept.too_old, swept.kept) == (1, 0)
    assert (tmp_path / "2025/01/02/notes").exists()
    assert (tmp_path / "2025/01/readme.txt").exists()
    assert (tmp_path / "20250102T030405Z-clinic-abc").exists()
    assert (tmp_path / "2025/99/02/030405Z-clinic-abc").exists()
    assert (tmp_path / "2025/01/02/996605Z-clinic-abc").exists()


async def test_one_record_that_cannot_be_removed_does_not_save_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(tmp_path) as store:
        stuck = await keep_call(store, "alice", session_id="stuck")
        await keep_call(store, "alice", session_id="loose")

    def refuses(root: Path, folder: Path) -> None:
        if folder == stuck:
            raise PermissionError(13, "Permission denied", str(folder))
        erase_folder(root, folder)

    monkeypatch.setattr(housekeeping, "erase_folder", refuses)
    swept = sweep(Shelf(tmp_path), limits(age_max=timedelta(0)), STARTED_AT + DAY)
    assert (swept.too_old, swept.failed, swept.kept) == (1, 1, 1)
    assert erase(Shelf(tmp_path), "alice").failed == [stuck]


async def test_sweeps_and_erasures_wait_for_each_other(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await keep_call(store, "alice")
        done: list[Swept] = []
        thread = threading.Thread(target=lambda: done.append(store.sweep()))
        with lock(tmp_path):
            thread.start()
            thread.join(0.05)
            assert not done
        thread.join(20)
        assert [swept.kept for swept in done] == [1]
