"""A process that is killed while it records: its call is found, closed with what is there, and can be played."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from support import recording_process
from support.call_records import SECOND, counted, limits, open_store, sound_of

from voice_orchestrator.records.entry import RecordState, read_entry
from voice_orchestrator.records.housekeeping import erase, sweep
from voice_orchestrator.records.shelf import Shelf
from voice_orchestrator.runtime.clock import wall_time
from voice_orchestrator.runtime.replay import replay

FOLDER = "2025/01/02/030405Z-clinic-abc123"


@contextmanager
def recording(root: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that has three seconds of a call on the disk and goes on."""
    process = subprocess.Popen(
        [sys.executable, recording_process.__file__, str(root)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(recording_process.__file__).parents[1])},
    )
    with process:
        try:
            assert process.stdout is not None
            while process.stdout.readline().strip() != "3":
                assert process.poll() is None
            yield process
        finally:
            process.kill()


def killed(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


async def test_what_a_killed_process_recorded_is_closed_by_the_next_one(tmp_path: Path) -> None:
    with recording(tmp_path) as process:
        (call,) = Shelf(tmp_path).calls()
        assert call.going_on
        assert len(sound_of(call.folder / "recording.wav")) >= 3 * SECOND  # it plays at any time
        assert sweep(Shelf(tmp_path), limits(), wall_time()).closed == 0
        killed(process)
    async with open_store(tmp_path, limits(age_max=None), wall_time) as store:
        (call,) = store.shelf.calls()
        assert call.left_open
        assert store.sweep().closed == 1
    folder = tmp_path / FOLDER
    sound = sound_of(folder / "recording.wav")
    assert len(sound) >= 3 * SECOND
    assert np.array_equal(sound[:, 0], counted(0, len(sound)))
    assert (folder / "recording.wav").stat().st_size == 44 + 4 * len(sound)
    assert replay(folder / "journal.jsonl").identical
    assert not replay(folder / "journal.jsonl").whole
    entry = read_entry(folder)
    assert (entry.state, entry.caller_id) == (RecordState.ABANDONED, "alice")
    assert entry.ended_at is not None
    assert entry.size_bytes > 3 * SECOND * 4
    assert [path.name for path in (tmp_path / ".owners").iterdir()] == []


def test_a_call_of_a_killed_process_is_erased_at_once(tmp_path: Path) -> None:
    with recording(tmp_path) as process:
        assert erase(Shelf(tmp_path), "alice").marked == 1
        killed(process)
    done = erase(Shelf(tmp_path), "alice")
    assert (done.erased, done.marked) == (1, 0)
    assert not (tmp_path / "2025").exists()
