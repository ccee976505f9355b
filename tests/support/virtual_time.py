"""An event loop whose time jumps to the next timer: minutes of call in milliseconds, and no wait that is too short."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from voice_orchestrator.runtime.clock import SessionClock

T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: when nothing is ready, the time asked for has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("deadlock: nothing is scheduled and nothing is ready")
        self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def stall(self, seconds: float) -> None:
        """So much time passes in which the loop does nothing, as in a process that was stopped."""
        self._jumping.now_s += seconds


def run_virtual(work: Coroutine[Any, Any, T], *, at_most_s: float = 600.0) -> T:
    """Runs `work` to its end on virtual time; fails when it takes longer than `at_most_s` of it."""

    async def bounded() -> T:
        async with asyncio.timeout(at_most_s):
            return await work

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(bounded())


def virtual_clock() -> SessionClock:
    """A session's clock on the running loop's time."""
    return SessionClock(asyncio.get_running_loop().time)


async def elapse(seconds: float) -> None:
    """Lets so much of the running loop's time pass; everything that falls due in it happens."""
    await asyncio.sleep(seconds)
