"""A limit for waits that follow each other a hundred times a second."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

T = TypeVar("T")

STALL_S: Final = 0.1
"""A timer that comes so late says that the loop stood still, and nothing about who is waited for."""


class WaitLimit:
    """What asyncio.timeout is for one wait, for all waits of a stream, at a tenth of the cost.

    A wait moves the limit by an assignment; the one timer looks at it when it fires, which is seldom. One wait at a
    time.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._due_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._overran = False

    async def wait_for(self, awaitable: Awaitable[T]) -> T:
        """What `awaitable` gives; raises TimeoutError, and cancels it, when that takes too long."""
        assert self._waiter is None, "one wait at a time"
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "only a task can wait"
        cancelled_before = task.cancelling()
        self._waiter, self._due_s = task, loop.time() + self._limit_s
        if self._timer is None:
            self._timer = loop.call_at(self._due_s, self._look, loop)
        try:
            return await awaitable
        except asyncio.CancelledError:
            if self._overran and task.uncancel() <= cancelled_before:
                raise TimeoutError from None
            raise
        finally:
            self._waiter = None
            self._overran = False
            # A task that is cancelled here keeps the error, which keeps this frame.
            del task

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        timer, self._timer = self._timer, None
        if self._waiter is None:
            return
        now_s = loop.time()
        if timer is not None and now_s - timer.when() > STALL_S:
            # It was this process that stood still: what came meanwhile is still to be read.
            self._due_s = max(self._due_s, now_s + STALL_S)
        if now_s < self._due_s:
            self._timer = loop.call_at(self._due_s, self._look, loop)
            return
        self._overran = True
        self._waiter.cancel()
