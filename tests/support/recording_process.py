"""Records a call until it is killed: run as a program, which says how many seconds are on the disk."""

import asyncio
import sys
from pathlib import Path

from support.call_records import SECOND, drained, header, limits, speak
from support.session_journal import long_call

from voice_orchestrator.records.store import RecordStore


async def record_for_ever(root: Path) -> None:
    """One call after the other second, without an end."""
    script = long_call()
    store = RecordStore(root, limits())
    record = store.open_call(header(session_policy=script.state.policy), "alice")
    for event, transition in script.log:
        record.journal.record(event, transition)
    second = 0
    while True:
        speak(record, SECOND, at=second * SECOND)
        record.journal.flush()
        await drained(store)
        second += 1
        print(second, flush=True)


if __name__ == "__main__":
    asyncio.run(record_for_ever(Path(sys.argv[1])))
