"""A piece of blocking work that says when it began and ends when it is told to."""

import asyncio
import threading

from support.eventually import WAIT_S


class Gate:
    """Blocks the thread that passes through it until it is opened."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def pass_through(self) -> None:
        self._reached.set()
        assert self._open.wait(WAIT_S), "nobody opened the gate"

    async def reached(self) -> None:
        """Returns when a thread stands before the gate."""
        assert await asyncio.to_thread(self._reached.wait, WAIT_S), "nobody came to the gate"
