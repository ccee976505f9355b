"""Many callers on one event loop: they come one after the other, talk until told to stop, and hang up."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from many_callers.caller import Caller, Fate, Manner

ARRIVALS_S: Final = 0.05
"""Between two callers: their frames then lie anywhere in the 20 ms of each other's."""

LEAVE_S: Final = 10.0


class Crowd:
    """`callers` are all that ever called; each one runs in a task of its own."""

    def __init__(self, address: str, group: asyncio.TaskGroup) -> None:
        self._address = address
        self._group = group
        self._tasks: list[asyncio.Task[None]] = []
        self.callers: list[Caller] = []

    def call(self, manner: Manner) -> Caller:
        """One more caller."""
        caller = Caller(manner)
        self.callers.append(caller)
        self._tasks.append(self._group.create_task(caller.run(self._address)))
        return caller

    async def grow(self, count: int, manner: Manner) -> None:
        """So many more, one after the other."""
        for _ in range(count):
            self.call(manner)
            await asyncio.sleep(ARRIVALS_S)

    @property
    def running(self) -> list[Caller]:
        """Callers whose calls go on."""
        return [caller for caller in self.callers if caller.log.fate is Fate.RUNNING]

    async def settle(self) -> None:
        """Until every running caller was greeted and has begun to speak."""
        while any(caller.turn is None for caller in self.running):
            await asyncio.sleep(0.05)

    async def leave(self) -> None:
        """Everybody hangs up; returns when all calls are over."""
        for caller in self.callers:
            caller.hang_up()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LEAVE_S)
        for task in self._tasks:
            task.cancel()

    def fates(self) -> dict[str, int]:
        """How many calls went how."""
        return dict(Counter(caller.log.fate.value for caller in self.callers))


@asynccontextmanager
async def crowd(address: str) -> AsyncIterator[Crowd]:
    """A crowd for the length of the block; everybody has hung up after it."""
    async with asyncio.TaskGroup() as group:
        gathered = Crowd(address, group)
        try:
            yield gathered
        finally:
            await gathered.leave()
