"""A disk that is really full, and one that takes no file beyond a size: recordings end, calls and the store go on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import full_disk_calls
from support.small_disk import can_be_made, run_on_small_disk

SCRIPT = Path(full_disk_calls.__file__)
small_disk = pytest.mark.skipif(not can_be_made(), reason="this machine lets nobody mount a file system")


def result(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@small_disk
def test_a_full_disk_ends_the_recording_and_leaves_it_playable_until_a_sweep_makes_room(tmp_path: Path) -> None:
    told = result(run_on_small_disk(SCRIPT, tmp_path, 600, "fill"))
    assert told["seconds"] > 3
    assert told["free_bytes"] < 64_000  # it was the disk
    # The documents did not fit any more; how the call ended did, in the room taken when it began.
    assert told["cut"] == {"recording": "disk_full", "transcript": "disk_full", "report": "disk_full"}
    assert told["entry"]["state"] == "cut"
    assert told["entry"]["cut"] == told["cut"]
    assert told["samples"] == told["counted"] == (told["file_bytes"] - 44) // 4
    assert told["samples"] > (told["seconds"] - 1) * 16_000
    assert told["journal"] == [True, True]
    assert told["names"] == ["journal.jsonl", "record.json", "recording.wav"]
    # The next call finds no room at all; a sweep, which needs none, makes some.
    assert told["refused"] == ["None", {"recording": "disk_full", "journal": "disk_full"}]
    assert told["swept"] == [2, 0, 0]
    assert told["after"] == "closed"


@small_disk
def test_what_is_to_stay_free_is_there_for_the_documents(tmp_path: Path) -> None:
    told = result(run_on_small_disk(SCRIPT, tmp_path, 600, "spare"))
    assert told["free_bytes"] > 50_000
    assert told["cut"] == {"recording": "disk_full"}
    assert told["names"] == ["journal.jsonl", "record.json", "recording.wav", "report.json", "transcript.json"]
    assert told["samples"] == told["counted"] == (told["file_bytes"] - 44) // 4


@small_disk
def test_a_journal_that_fills_the_disk_ends_with_a_whole_line(tmp_path: Path) -> None:
    told = result(run_on_small_disk(SCRIPT, tmp_path, 100, "journal"))
    assert told["cut"] == {"journal": "disk_full"}
    assert told["last"] == {"cut": "disk_full", "end": None}
    assert told["whole_lines"]
    assert told["replays"]
    assert told["state"] == "cut"


def test_a_file_that_may_not_grow_ends_the_recording_only(tmp_path: Path) -> None:
    """Where nobody may mount a file system, the kernel's own limit on files stands in for a broken disk."""
    shell = 'ulimit -f 200 && exec "$@"'
    done = subprocess.run(
        ["bash", "-c", shell, "bash", sys.executable, str(SCRIPT), str(tmp_path), "fill"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )
    told = result(done)
    assert told["cut"] == {"recording": "io_error"}
    assert told["entry"]["state"] == "cut"
    assert told["samples"] == told["counted"] == (200 * 1024 - 44) // 4
    assert told["journal"] == [True, True]
    assert "report.json" in told["names"]
