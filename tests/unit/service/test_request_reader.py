"""Reading an RPC on behalf of somebody who may be cancelled: nothing is lost, nothing is read far ahead."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from voice_orchestrator.service.request_reader import RequestReader


@dataclass(slots=True)
class Requests:
    """Implements what gRPC gives a servicer: messages as they come, and an end."""

    said: "asyncio.Queue[str | None]" = field(default_factory=lambda: asyncio.Queue(100))
    taken: int = 0
    cancelled: int = 0

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        try:
            message = await self.said.get()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if message is None:
            raise StopAsyncIteration
        self.taken += 1
        return message

    def say(self, *messages: str | None) -> None:
        for message in messages:
            self.said.put_nowait(message)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_messages_come_in_order_and_then_none_for_ever() -> None:
    requests = Requests()
    reader = RequestReader(requests)
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run())
        requests.say("a", "b", "c", None)
        assert [await reader.read() for _ in range(5)] == ["a", "b", "c", None, None]


async def test_one_message_is_read_ahead_and_no_more() -> None:
    requests = Requests()
    reader = RequestReader(requests)
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run())
        requests.say(*"abcdef")
        await settle()
        assert requests.taken == 1
        assert await reader.read() == "a"
        await settle()
        assert requests.taken == 2
        requests.say(None)
        assert [await reader.read() for _ in range(6)] == [*"bcdef", None]


async def test_who_waits_may_be_cancelled_and_the_read_goes_on() -> None:
    requests = Requests()
    reader = RequestReader(requests)
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run())
        waiting = group.create_task(reader.read())
        await settle()
        waiting.cancel()
        await asyncio.wait((waiting,))
        requests.say("a", None)
        assert [await reader.read(), await reader.read()] == ["a", None]
    assert requests.cancelled == 0


@pytest.mark.parametrize("waits", [False, True])
async def test_it_ends_with_its_rpc_whatever_was_not_taken(waits: bool) -> None:
    requests = Requests()
    reader = RequestReader(requests)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(reader.run())
        if not waits:
            requests.say("never taken")
        await settle()
        reader.close()
        requests.say("cut off")
        await asyncio.wait((running,))
        assert await reader.read() in ("never taken", None)
        assert await reader.read() is None
    assert requests.cancelled == 0
