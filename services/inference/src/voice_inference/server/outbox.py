"""What a session has to say to its orchestrator, in order and bounded."""

import asyncio
from typing import Final

from voice_contract.messages import Payload

OUTBOX_MESSAGES_MAX: Final = 512
"""Messages of one session that may wait for the transport; sound is in pieces of 200 ms at most."""

STUCK_AFTER_S: Final = 5.0
"""A message that finds no room for this long means that the orchestrator reads no more."""


class OrchestratorStuckError(Exception):
    """The orchestrator does not read its stream; the session ends."""


class Outbox:
    """A bounded queue of payloads with their run ids.

    Work waits when it is full; a fact that cannot wait ends the session.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[Payload, int]] = asyncio.Queue(maxsize=OUTBOX_MESSAGES_MAX)
        self.stuck = asyncio.Event()

    async def put(self, payload: Payload, run_id: int = 0) -> None:
        """Adds a payload, waiting for room at most STUCK_AFTER_S; raises OrchestratorStuckError after that."""
        try:
            async with asyncio.timeout(STUCK_AFTER_S):
                await self._queue.put((payload, run_id))
        except TimeoutError as error:
            self.stuck.set()
            raise OrchestratorStuckError from error

    def put_now(self, payload: Payload, run_id: int = 0) -> None:
        """Adds a payload from a callback; without room the session is marked as stuck."""
        try:
            self._queue.put_nowait((payload, run_id))
        except asyncio.QueueFull:
            self.stuck.set()

    async def get(self) -> tuple[Payload, int]:
        """The next payload and its run id."""
        return await self._queue.get()

    def take_rest(self) -> list[tuple[Payload, int]]:
        """Everything that waits."""
        rest: list[tuple[Payload, int]] = []
        while not self._queue.empty():
            rest.append(self._queue.get_nowait())
        return rest
