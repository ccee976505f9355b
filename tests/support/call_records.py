"""Records of calls as a server makes them, for tests: real files, a real writer's thread."""

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.session_script import policy

from voice_orchestrator.records.call_record import CallRecord
from voice_orchestrator.records.limits import RecordLimits
from voice_orchestrator.records.store import RecordStore
from voice_orchestrator.runtime.journal import JournalHeader
from voice_orchestrator.session.policy import SessionPolicy

STARTED_AT = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = 16_000


def limits(**given: Any) -> RecordLimits:
    """Limits that do not depend on how full the disk of this machine is."""
    return RecordLimits(**{"free_bytes_min": 0, **given})


def header(
    session_id: str = "abc123", *, started_at: datetime = STARTED_AT, session_policy: SessionPolicy | None = None
) -> JournalHeader:
    """What a call begins with."""
    return JournalHeader(
        session_id=session_id,
        profile="clinic",
        profile_sha256="0" * 64,
        started_at=started_at,
        policy=session_policy or policy(),
    )


@asynccontextmanager
async def open_store(
    root: Path, given: RecordLimits | None = None, now: Callable[[], datetime] = lambda: STARTED_AT
) -> AsyncIterator[RecordStore]:
    """A store that is closed at the end of the block; fails when its writer does not end."""
    store = RecordStore(root, given or limits(), now)
    yield store
    assert await store.close()


async def keep_call(
    store: RecordStore,
    caller_id: str | None = None,
    *,
    session_id: str = "abc123",
    started_at: datetime = STARTED_AT,
    samples: int = SECOND,
) -> Path:
    """The folder of a call that is over, with everything in it."""
    record = store.open_call(header(session_id, started_at=started_at), caller_id)
    speak(record, samples)
    closed = await record.close({"report": 1, "session_id": session_id}, [{"speaker": "caller", "text": "my words"}])
    assert closed.folder is not None
    return closed.folder


async def drained(store: RecordStore) -> None:
    """Returns when everything that was handed over so far was tried."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    assert store._writer.post(lambda: loop.call_soon_threadsafe(done.set))
    await done.wait()


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, hidden things left out."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def speak(record: CallRecord, samples: int, at: int = 0) -> None:
    """Counted sound on both sides in frames of 20 ms."""
    for begin in range(at, at + samples, 320):
        frame = counted(begin, min(begin + 320, at + samples))
        record.write_caller(begin, frame.tobytes())
        record.write_agent(begin, (-frame).astype("<i2").tobytes())


def counted(begin: int, end: int) -> NDArray[np.int16]:
    """Samples that tell their position."""
    return (np.arange(begin, end, dtype=np.int64) % 32_000 + 1).astype("<i2")


def sound_of(path: Path) -> NDArray[np.int16]:
    """Samples of a recording, shape (n, 2), by the standard library's reader, which trusts the header."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, SECOND)
        sound = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
        assert len(sound) == file.getnframes()
        return sound


def everything_in(root: Path) -> bytes:
    """All names and all bytes under a folder."""
    parts = []
    for path in sorted(root.rglob("*")):
        parts.append(str(path.relative_to(root)).encode())
        if path.is_file():
            parts.append(path.read_bytes())
    return b"\n".join(parts)
