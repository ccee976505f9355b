"""The one thread of a process that writes the records of all its calls, so that no disk can hold up a call.

Work is handed over without waiting and done in order. What waits is bounded in bytes and in number; only the end of a
call is always taken, of which there is one for every call that was begun.
"""

import asyncio
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

import structlog

WAITING_BYTES_MAX: Final = 32 << 20
"""Sound and lines of all calls that wait for the disk: ten seconds of fifty calls."""

JOBS_WAITING_MAX: Final = 2_000
"""Pieces of work that wait. A call has one for every second, and three more."""

log = structlog.get_logger(__name__)


class RecordWriter:
    """`offer` and `post` may be called from any thread. The thread begins with the first work."""

    def __init__(self, waiting_bytes_max: int = WAITING_BYTES_MAX) -> None:
        self._waiting_bytes_max = waiting_bytes_max
        # Of those who hand over only. The thread takes no lock that a call could have to wait for.
        self._handing = threading.Lock()
        self._jobs: SimpleQueue[tuple[Callable[[], object], int] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._ended: Future[None] = Future()
        self._offered_bytes = 0
        self._done_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """Sound and lines that wait for the disk."""
        return self._offered_bytes - self._done_bytes

    @property
    def waiting_jobs(self) -> int:
        """Pieces of work nobody has begun."""
        return self._jobs.qsize()

    def offer(self, job: Callable[[], object], size_bytes: int) -> bool:
        """Has `job` done, which holds `size_bytes`; False when too much waits already."""
        with self._handing:
            full = self.waiting_bytes + size_bytes > self._waiting_bytes_max or self.waiting_jobs >= JOBS_WAITING_MAX
            if self._stopping or full:
                return False
            self._put(job, size_bytes)
            return True

    def post(self, job: Callable[[], object]) -> bool:
        """Has `job` done whatever waits; False when the writer was closed."""
        with self._handing:
            if self._stopping:
                return False
            self._put(job, 0)
            return True

    def _put(self, job: Callable[[], object], size_bytes: int) -> None:
        if self._thread is None:
            # A daemon: a disk that never answers must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="record_writer", daemon=True)
            self._thread.start()
        self._offered_bytes += size_bytes
        self._jobs.put((job, size_bytes))

    async def close(self, timeout_s: float) -> bool:
        """Does what waits and ends the thread; False when that is not done in `timeout_s`. Takes no more work."""
        with self._handing:
            if not self._stopping:
                self._stopping = True
                self._jobs.put(None)
            if self._thread is None:
                return True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(asyncio.wrap_future(self._ended))
            self._thread.join()
        return self._ended.done()

    def _run(self) -> None:
        while (entry := self._jobs.get()) is not None:
            job, size_bytes = entry
            try:
                job()
            except Exception as error:  # a defect in one call's record must not cost the others theirs
                frames = traceback.extract_tb(error.__traceback__)  # no values: they are what people said
                log.error("record_job_failed", error=type(error).__name__, at=[f"{f.name}:{f.lineno}" for f in frames])
            # Whatever the job held goes with it, not with the next one.
            del job, entry
            self._done_bytes += size_bytes
        self._ended.set_result(None)
