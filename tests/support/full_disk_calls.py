"""Records calls on a disk that fills up, and says as JSON what came of it: run as a program."""

import asyncio
import functools
import json
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from support.call_records import SECOND, drained, header, keep_call, limits, open_store, sound_of, speak
from support.session_journal import long_call

from voice_orchestrator.records.entry import Part, read_entry
from voice_orchestrator.records.housekeeping import sweep
from voice_orchestrator.records.shelf import Shelf
from voice_orchestrator.runtime.replay import replay


async def fill(root: Path, free_bytes_min: int = 0) -> dict[str, Any]:
    """One call fills the disk; it ends, others come and go, the old ones are swept, and a later one is whole."""
    script = long_call()
    async with open_store(root, limits(free_bytes_min=free_bytes_min)) as store:
        await keep_call(store, "alice", session_id="before")
        record = store.open_call(header("fills", session_policy=script.state.policy), "alice")
        for event, transition in script.log:
            record.journal.record(event, transition)
        second = 0
        while Part.RECORDING not in record.cut:
            speak(record, SECOND, at=second * SECOND)
            record.flush()
            await drained(store)
            second += 1
        free_bytes = os.statvfs(root).f_bavail * os.statvfs(root).f_frsize
        closed = await record.close({"report": "x" * 50_000}, [])
        refused = await store.open_call(header("refused"), "alice").close({}, [])
        assert closed.folder is not None
        told = {
            "seconds": second,
            "free_bytes": free_bytes,
            "cut": {part.value: reason.value for part, reason in closed.entry.cut.items()},
            "entry": json.loads(read_entry(closed.folder).model_dump_json()),
            "samples": len(sound_of(closed.folder / "recording.wav")),
            "file_bytes": (closed.folder / "recording.wav").stat().st_size,
            "counted": int((sound_of(closed.folder / "recording.wav")[:, 0] > 0).sum()),
            "journal": [
                replay(closed.folder / "journal.jsonl").identical,
                replay(closed.folder / "journal.jsonl").whole,
            ],
            "names": sorted(path.name for path in closed.folder.iterdir()),
            "refused": [str(refused.folder), {part.value: reason.value for part, reason in refused.entry.cut.items()}],
        }
        swept = sweep(Shelf(root), limits(total_bytes_max=0), store._now())
        told["swept"] = [swept.too_much, swept.failed, swept.kept]
        after = await keep_call(store, "alice", session_id="after")
        told["after"] = json.loads(read_entry(after).model_dump_json())["state"]
    return told


async def journal_only(root: Path) -> dict[str, Any]:
    """A call without sound fills the disk with its journal."""
    script = long_call()
    async with open_store(root) as store:
        record = store.open_call(header(session_policy=script.state.policy), "alice")
        for event, transition in script.log:
            record.journal.record(event, transition)
        while Part.JOURNAL not in record.cut:
            for _ in range(10):
                record.journal.record(*script.log[-1])
            record.journal.flush()
            await drained(store)
        closed = await record.close(None, None)
        assert closed.folder is not None
        path = closed.folder / "journal.jsonl"
        *_, last = path.read_bytes().splitlines()
        return {
            "cut": {part.value: reason.value for part, reason in closed.entry.cut.items()},
            "last": json.loads(last),
            "whole_lines": path.read_bytes().endswith(b"\n"),
            "replays": replay(path).identical,
            "state": read_entry(closed.folder).state.value,
        }


if __name__ == "__main__":
    stories: dict[str, Callable[[Path], Coroutine[Any, Any, dict[str, Any]]]]
    stories = {"fill": fill, "spare": functools.partial(fill, free_bytes_min=150_000), "journal": journal_only}
    print(json.dumps(asyncio.run(stories[sys.argv[2]](Path(sys.argv[1])))))
