"""Worker threads behind a bounded queue ordered by deadline: how blocking engines serve many sessions.

One lane per engine. Work is a callable (`run`) or a generator function (`stream`); it is executed on a worker thread
and looks at its CancelToken itself. What waits in the queue is ordered by deadline, ties by arrival; cancelled work
leaves the queue at once. A stream may give way between two results to work that is due earlier.
"""

import asyncio
import heapq
import itertools
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_inference.clock import monotonic_us
from voice_inference.engines.base import Cancelled, CancelToken

T = TypeVar("T")

STREAM_BUFFER_ITEMS: Final = 64
"""Results of one stream that may wait for its consumer before the worker waits too: more than a second of speech."""

_END: Final = object()


@dataclass(frozen=True, slots=True)
class GiveWay:
    """What a stream yields, and nobody is given, to let work go first that is due earlier; then it goes on."""


@dataclass(slots=True)
class JobTiming:
    """When a job was queued, began, gave its first result and ended; microseconds on the node's monotonic clock."""

    queued_at_us: int = 0
    began_at_us: int = 0
    first_at_us: int = 0
    ended_at_us: int = 0


@dataclass(slots=True, eq=False)
class _Job:
    execute: Callable[[], bool]
    """Whether it is over; otherwise it gave way and is to be called again."""
    abandon: Callable[[BaseException], None]
    cancel: CancelToken
    timing: JobTiming


class Lane:
    """`threads` workers over a queue of at most `queue_max` jobs. Made and used on one event loop."""

    def __init__(
        self, name: str, *, threads: int, queue_max: int, stage: Stage, on_queued: Callable[[], None] = lambda: None
    ) -> None:
        """`on_queued` is called when work was added to the queue."""
        self.name = name
        self._on_queued = on_queued
        self._stage = stage
        self._queue_max = queue_max
        self._heap: list[tuple[float, int, _Job]] = []
        self._order = itertools.count()
        self._wakeup = threading.Condition()
        self._closed = False
        self._busy = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"lane-{name}-{index}", daemon=True) for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def depth(self) -> int:
        """Jobs waiting."""
        return len(self._heap)

    @property
    def busy(self) -> int:
        """Jobs being executed."""
        return self._busy

    async def run(
        self,
        work: Callable[[], T],
        *,
        deadline_s: float,
        cancel: CancelToken,
        timing: JobTiming | None = None,
    ) -> T:
        """The result of `work`, executed on a worker. Raises what it raises, Cancelled when `cancel` came first, or
        VoiceAgentError OVERLOADED when the queue is full. `timing` is filled in.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        timing = timing or JobTiming()

        def finish(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)  # type: ignore[arg-type]
            else:
                future.set_exception(error)

        def execute() -> bool:
            try:
                cancel.raise_if_cancelled()
                result = work()
            except BaseException as error:
                _post(loop, finish, None, error)
            else:
                timing.first_at_us = monotonic_us()
                _post(loop, finish, result, None)
            return True

        self._submit(_Job(execute, lambda error: _post(loop, finish, None, error), cancel, timing), deadline_s)
        try:
            return await future
        except asyncio.CancelledError:
            cancel.cancel()
            raise

    async def stream(
        self,
        work: Callable[[], Iterator[T | GiveWay]],
        *,
        deadline_s: float,
        cancel: CancelToken,
        timing: JobTiming | None = None,
    ) -> AsyncIterator[T]:
        """What `work` yields, in order; errors as in `run`. A consumer that leaves early cancels the work."""
        loop = asyncio.get_running_loop()
        timing = timing or JobTiming()
        results: asyncio.Queue[Any] = asyncio.Queue(maxsize=STREAM_BUFFER_ITEMS + 2)
        room = threading.Semaphore(STREAM_BUFFER_ITEMS)
        cancel.on_cancel(room.release)
        made = _results(work)

        def put(item: object) -> None:
            results.put_nowait(item)

        def hand_over(item: object) -> None:
            timing.first_at_us = timing.first_at_us or monotonic_us()
            room.acquire()
            cancel.raise_if_cancelled()
            _post(loop, put, item)

        def execute() -> bool:
            end: object = _END
            try:
                cancel.raise_if_cancelled()
                for item in made:
                    if not isinstance(item, GiveWay):
                        hand_over(item)
                    elif self.presses(deadline_s):
                        return False
            except BaseException as error:
                made.close()
                end = _Raised(error)
            _post(loop, put, end)
            return True

        def abandon(error: BaseException) -> None:
            made.close()
            _post(loop, put, _Raised(error))

        self._submit(_Job(execute, abandon, cancel, timing), deadline_s)
        async with aclosing(_read(results, room, cancel)) as items:
            async for item in items:
                yield item

    def presses(self, deadline_s: float) -> bool:
        """Whether work waits that is due before `deadline_s`."""
        with self._wakeup:
            return bool(self._heap) and self._heap[0][0] < deadline_s

    def _submit(self, job: _Job, deadline_s: float) -> None:
        job.timing.queued_at_us = monotonic_us()
        with self._wakeup:
            if self._closed:
                raise self._failure(FailureReason.DRAINING, f"lane {self.name} is closed")
            if len(self._heap) >= self._queue_max:
                raise self._failure(
                    FailureReason.OVERLOADED, f"lane {self.name} already has {self._queue_max} jobs waiting"
                )
            heapq.heappush(self._heap, (deadline_s, next(self._order), job))
            self._wakeup.notify()
        self._on_queued()
        job.cancel.on_cancel(lambda: self._drop(job))

    def _failure(self, reason: FailureReason, detail: str) -> VoiceAgentError:
        return VoiceAgentError(Failure(stage=self._stage, reason=reason, detail=detail))

    def _drop(self, job: _Job) -> None:
        """Takes a cancelled job out of the queue; does nothing when it is being executed."""
        with self._wakeup:
            for index, entry in enumerate(self._heap):
                if entry[2] is job:
                    del self._heap[index]
                    heapq.heapify(self._heap)
                    break
            else:
                return
        job.abandon(Cancelled())

    def _work(self) -> None:
        while True:
            with self._wakeup:
                while not self._heap and not self._closed:
                    self._wakeup.wait()
                if not self._heap:
                    return
                entry = heapq.heappop(self._heap)
                self._busy += 1
            job = entry[2]
            job.timing.began_at_us = job.timing.began_at_us or monotonic_us()
            over = job.execute()
            job.timing.ended_at_us = monotonic_us()
            with self._wakeup:
                self._busy -= 1
                closed = self._closed
                if not over and not closed:
                    heapq.heappush(self._heap, entry)
            if not over and closed:
                job.abandon(Cancelled())

    def close(self, timeout_s: float = 1.0) -> bool:
        """Refuses new work, abandons what waits, and joins the workers; whether all ended within `timeout_s`."""
        with self._wakeup:
            self._closed = True
            waiting, self._heap = self._heap, []
            self._wakeup.notify_all()
        for _, _, job in waiting:
            job.cancel.cancel()
            job.abandon(Cancelled())
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)


async def _read(
    results: asyncio.Queue[Any], room: threading.Semaphore, cancel: CancelToken
) -> AsyncGenerator[Any, None]:
    """What a worker puts into `results`, up to its end; `room` tells the worker what was taken."""
    finished = False
    try:
        while True:
            item = await results.get()
            if item is _END:
                finished = True
                return
            if isinstance(item, _Raised):
                finished = True
                raise item.error
            room.release()
            yield item
    finally:
        if not finished:
            cancel.cancel()


def _results(work: Callable[[], Iterator[T | GiveWay]]) -> Generator[T | GiveWay, None, None]:
    """What `work` yields; `work` is called when the first is wanted."""
    yield from work()


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


def _post(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *args: object) -> None:
    """Calls `callback` on the loop's thread; what comes after the loop was closed has no reader and is dropped."""
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise
