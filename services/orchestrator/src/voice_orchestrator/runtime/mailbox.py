"""The queue of everything that happens to a session, in the order in which it happened."""

import asyncio
from typing import Final

from voice_orchestrator.session.events import SessionEvent

MAILBOX_EVENTS_MAX: Final = 1_024
"""Events waiting for the reducer, which needs well under a millisecond each; a sender waits when it is full."""


class Mailbox:
    """Senders wait for room; the reducer loop is the only reader and never waits for a sender."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[SessionEvent] = asyncio.Queue(MAILBOX_EVENTS_MAX)

    @property
    def depth(self) -> int:
        """Events that wait."""
        return self._queue.qsize()

    async def put(self, event: SessionEvent) -> None:
        """Adds an event."""
        await self._queue.put(event)

    async def get(self) -> SessionEvent:
        """The next event."""
        return await self._queue.get()

    def put_now(self, event: SessionEvent) -> bool:
        """Adds an event from outside a task of the session; False when there is no room."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            return False
        return True
