"""One call's record: what is written, what a file that ends early leaves, and that nobody ever waits for it."""

import asyncio
import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from support.call_records import (
    STARTED_AT,
    drained,
    header,
    keep_call,
    limits,
    names_in,
    open_store,
    sound_of,
    speak,
)
from support.eventually import eventually
from support.session_journal import long_call

from voice_orchestrator.records import call_record, writer
from voice_orchestrator.records.call_record import WAITING_BYTES_MAX
from voice_orchestrator.records.entry import CALLER_ID_CHARS_MAX, Part, RecordState, read_entry
from voice_orchestrator.records.limits import MIB
from voice_orchestrator.records.record_journal import LINES_BYTES_MAX
from voice_orchestrator.records.store import RecordStore
from voice_orchestrator.runtime.cut_reason import CutReason
from voice_orchestrator.runtime.journal_reader import JournalReader
from voice_orchestrator.runtime.replay import replay

SECOND = 16_000


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def lines(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_bytes().splitlines()]


class Stalled:
    """A disk that does not answer: the writer's thread is held until the block ends."""

    def __init__(self, store: RecordStore) -> None:
        self._go = threading.Event()
        self._held = threading.Event()
        store._writer.post(self._hold)

    def _hold(self) -> None:
        self._held.set()
        assert self._go.wait(30)

    async def __aenter__(self) -> None:
        await eventually(self._held.is_set)

    async def __aexit__(self, *_: object) -> None:
        self._go.set()


async def test_a_call_that_could_not_be_begun_adds_nothing_to_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "JOBS_WAITING_MAX", 3)
    async with open_store(tmp_path) as store:
        async with Stalled(store):
            kept = [store.open_call(header(), None) for _ in range(6)]
            assert [record.cut for record in kept[:3]] == [{}] * 3
            waiting = store._writer.waiting_jobs
            for record in kept[3:]:
                assert record.cut == dict.fromkeys((Part.RECORDING, Part.JOURNAL), CutReason.WRITER_BEHIND)
                closed = await record.close(None, None)
                assert (closed.finished, closed.folder) == (False, None)
            assert store._writer.waiting_jobs == waiting
        for record in kept[:3]:
            assert (await record.close(None, None)).finished


async def test_a_call_is_a_folder_with_everything_in_it(tmp_path: Path) -> None:
    script = long_call()
    async with open_store(tmp_path) as store:
        record = store.open_call(header(session_policy=script.state.policy), "+49 30 1234")
        for event, transition in script.log:
            record.journal.record(event, transition)
        record.journal.flush()
        speak(record, 3 * SECOND + 17)
        closed = await record.close({"report": 1}, [{"text": "grüß dich"}])
    folder = tmp_path / "2025/01/02/030405Z-clinic-abc123"
    assert (closed.folder, closed.finished, closed.erased) == (folder, True, False)
    files = {path.name: path for path in folder.iterdir()}
    assert set(files) == {"record.json", "recording.wav", "journal.jsonl", "report.json", "transcript.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.parents[:3])} == {0o700}
    sound = sound_of(files["recording.wav"])
    assert sound[:, 0].tolist() == [at % 32_000 + 1 for at in range(3 * SECOND + 17)]
    assert np.array_equal(sound[:, 1], -sound[:, 0])
    assert replay(files["journal.jsonl"]).identical
    assert replay(files["journal.jsonl"]).whole
    assert json.loads(files["transcript.json"].read_bytes()) == [{"text": "grüß dich"}]
    entry = read_entry(folder)
    assert entry == closed.entry.model_copy(update={"size_bytes": entry.size_bytes})
    assert (entry.state, entry.cut, entry.caller_id) == (RecordState.CLOSED, {}, "+49 30 1234")
    assert (entry.started_at, entry.ended_at) == (STARTED_AT, STARTED_AT)
    assert entry.size_bytes == pytest.approx(sum(path.stat().st_size for path in files.values()), abs=200)


async def test_the_entry_tells_that_a_call_goes_on(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), None)
        folder = tmp_path / "2025/01/02/030405Z-clinic-abc123"
        await eventually((folder / "journal.jsonl").exists)
        (call,) = store.shelf.calls()
        assert call.going_on
        assert (call.entry.state, call.entry.ended_at) == (RecordState.OPEN, None)
        assert store.stats().open_calls == 1
        await record.close(None, None)
        assert store.stats().open_calls == 0
        assert names_in(folder) == ["journal.jsonl", "record.json"]


async def test_what_was_said_is_on_the_disk_within_a_flush(tmp_path: Path) -> None:
    """The session flushes its journal once a second; the sound goes with it."""
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), None)
        speak(record, 1_000)
        record.journal.flush()
        path = tmp_path / "2025/01/02/030405Z-clinic-abc123/recording.wav"
        await eventually(lambda: path.exists() and path.stat().st_size >= 44 and len(sound_of(path)) == 1_000)
        await record.close(None, None)


async def test_the_recording_ends_at_its_share_and_the_call_and_its_journal_go_on(
    tmp_path: Path, logged: list[Any]
) -> None:
    async with open_store(tmp_path, limits(call_bytes_max=MIB)) as store:
        record = store.open_call(header(), None)
        for second in range(20):
            speak(record, SECOND, at=second * SECOND)
            await drained(store)
        record.journal.record(*long_call().log[0])
        closed = await record.close({}, [])
        assert store.stats().cut == {(Part.RECORDING, CutReason.SIZE_CAP): 1}
    assert closed.folder is not None
    assert closed.entry.state is RecordState.CUT
    assert closed.entry.cut == {Part.RECORDING: CutReason.SIZE_CAP}
    recording = closed.folder / "recording.wav"
    assert MIB * 7 // 8 - 4 < recording.stat().st_size <= MIB * 7 // 8
    assert len(sound_of(recording)) == (recording.stat().st_size - 44) // 4
    assert lines(closed.folder)[-1] == {"end": 1}
    assert [(entry["event"], entry["reason"]) for entry in logged] == [("record_cut", "size_cap")]


async def test_a_journal_at_its_share_ends_with_a_line_that_says_so_and_still_replays(tmp_path: Path) -> None:
    script = long_call()
    async with open_store(tmp_path, limits(call_bytes_max=MIB)) as store:
        record = store.open_call(header(), None)
        for _ in range(20):
            for event, transition in script.log:
                record.journal.record(event, transition)
        await eventually(lambda: Part.JOURNAL in record.cut)
        speak(record, SECOND)
        closed = await record.close({}, [])
    assert closed.folder is not None
    assert closed.entry.cut == {Part.JOURNAL: CutReason.SIZE_CAP}
    assert lines(closed.folder)[-1] == {"cut": "size_cap", "end": None}
    assert (closed.folder / "journal.jsonl").stat().st_size <= MIB // 8
    reader = JournalReader(closed.folder / "journal.jsonl")
    assert sum(1 for _ in reader.steps()) == len(lines(closed.folder)) - 2
    assert not reader.whole
    assert len(sound_of(closed.folder / "recording.wav")) == SECOND


async def test_a_writer_that_is_behind_costs_the_recording_its_end_and_nothing_else(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), None)
        async with Stalled(store):
            speak(record, 20 * SECOND)
            assert record.cut == {Part.RECORDING: CutReason.WRITER_BEHIND}
            assert store.stats().waiting_bytes <= WAITING_BYTES_MAX
            record.journal.record(*long_call().log[0])
            record.journal.flush()
        closed = await record.close({}, [])
    assert closed.folder is not None
    assert closed.entry.cut == {Part.RECORDING: CutReason.WRITER_BEHIND}
    kept = sound_of(closed.folder / "recording.wav")
    assert 0 < len(kept) * 4 <= WAITING_BYTES_MAX
    assert kept[:, 0].tolist() == [at % 32_000 + 1 for at in range(len(kept))]
    assert lines(closed.folder)[-1] == {"end": 1}


async def test_steps_wait_for_a_writer_that_is_behind_up_to_a_limit(tmp_path: Path) -> None:
    script = long_call()
    async with open_store(tmp_path) as store:
        patient, other = store.open_call(header("patient"), None), store.open_call(header("other"), None)
        async with Stalled(store):
            speak(patient, 30 * SECOND)
            for event, transition in script.log:
                patient.journal.record(event, transition)
            while Part.JOURNAL not in other.cut:
                for event, transition in script.log:
                    other.journal.record(event, transition)
                assert other.journal.waiting_bytes <= LINES_BYTES_MAX
        kept, lost = await patient.close(None, None), await other.close(None, None)
    assert kept.folder is not None
    assert lost.folder is not None
    assert kept.entry.cut == {Part.RECORDING: CutReason.WRITER_BEHIND}
    assert lines(kept.folder)[-1] == {"end": len(script.log)}
    assert lost.entry.cut == {Part.JOURNAL: CutReason.WRITER_BEHIND}
    assert lines(lost.folder)[-1] == {"cut": "writer_behind", "end": None}
    assert sum(1 for _ in JournalReader(lost.folder / "journal.jsonl").steps()) == len(lines(lost.folder)) - 2


async def test_the_end_of_a_call_does_not_wait_for_a_disk_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_record, "CLOSE_DEADLINE_S", 0.01)
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), None)
        speak(record, SECOND)
        async with Stalled(store):
            first = await record.close({}, [])
            assert not first.finished
        monkeypatch.undo()
        again = await record.close({}, [])
    assert again.finished
    assert again.folder is not None
    assert len(sound_of(again.folder / "recording.wav")) == SECOND


async def test_a_cancelled_end_is_an_end_all_the_same(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), None)
        async with Stalled(store), asyncio.TaskGroup() as group:
            closing = group.create_task(record.close({}, []))
            await asyncio.sleep(0)
            closing.cancel()
        await eventually(lambda: not store.stats().open_calls)
    assert read_entry(tmp_path / "2025/01/02/030405Z-clinic-abc123").state is RecordState.CLOSED


async def test_a_place_that_cannot_be_written_costs_the_record_and_not_the_call(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("not a folder", encoding="utf-8")
    async with open_store(root) as store:
        record = store.open_call(header(), "caller")
        speak(record, SECOND)
        record.journal.record(*long_call().log[0])
        closed = await record.close({}, [])
    assert closed.folder is None
    assert closed.entry.cut == {Part.RECORDING: CutReason.IO_ERROR, Part.JOURNAL: CutReason.IO_ERROR}
    assert closed.entry.state is RecordState.CUT


async def test_less_free_than_is_to_stay_free_ends_recordings_only(tmp_path: Path) -> None:
    async with open_store(tmp_path, limits(free_bytes_min=1 << 60)) as store:
        record = store.open_call(header(), None)
        speak(record, SECOND)
        closed = await record.close({"report": 1}, [])
    assert closed.folder is not None
    assert closed.entry.cut == {Part.RECORDING: CutReason.DISK_FULL}
    assert names_in(closed.folder) == [
        "journal.jsonl",
        "record.json",
        "report.json",
        "transcript.json",
    ]


async def test_a_document_that_is_none_ends_nothing_else(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), None)
        closed = await record.close({"report": object()}, [])
    assert closed.folder is not None
    assert closed.entry.cut == {Part.REPORT: CutReason.IO_ERROR}
    assert names_in(closed.folder) == ["journal.jsonl", "record.json", "transcript.json"]


async def test_a_call_that_is_marked_is_erased_when_it_ends(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), "caller")
        folder = tmp_path / "2025/01/02/030405Z-clinic-abc123"
        await eventually((folder / "journal.jsonl").exists)
        assert store.erase("caller").marked == 1
        assert folder.exists()
        speak(record, SECOND)
        closed = await record.close({}, [])
    assert (closed.folder, closed.erased) == (None, True)
    assert names_in(tmp_path) == []


async def test_two_calls_with_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        first, second = store.open_call(header(), "one"), store.open_call(header(), "two")
        speak(first, 100)
        speak(second, 200)
        assert (await first.close({}, [])).entry.cut == {}
        lost = await second.close({}, [])
    assert lost.folder is None
    assert len(sound_of(tmp_path / "2025/01/02/030405Z-clinic-abc123/recording.wav")) == 100


async def test_nothing_can_be_written_into_a_call_that_is_over(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        record = store.open_call(header(), None)
        speak(record, 100)
        await record.close({}, [])
        speak(record, 500)
        record.flush()
    assert len(sound_of(tmp_path / "2025/01/02/030405Z-clinic-abc123/recording.wav")) == 100


async def test_nothing_is_kept_of_a_call_after_the_store_was_closed(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        pass
    record = store.open_call(header(), None)
    speak(record, SECOND)
    closed = await record.close({}, [])
    assert (closed.folder, closed.finished) == (None, False)
    assert closed.entry.cut == {Part.RECORDING: CutReason.WRITER_BEHIND, Part.JOURNAL: CutReason.WRITER_BEHIND}


async def test_the_caller_id_has_a_longest_length(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.open_call(header(), "ü" * CALLER_ID_CHARS_MAX).close({}, [])
        with pytest.raises(ValueError, match="caller_id"):
            store.open_call(header("other"), "ü" * (CALLER_ID_CHARS_MAX + 1))


async def test_a_store_leaves_no_thread_and_no_file_open(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd")), threading.active_count()
    async with open_store(tmp_path) as store:
        for index in range(30):
            await keep_call(store, session_id=f"call{index}")
        assert threading.active_count() == before[1] + 1
    assert (set(os.listdir("/proc/self/fd")), threading.active_count()) == before
    assert list((tmp_path / ".owners").iterdir()) == []
