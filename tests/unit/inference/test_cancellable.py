"""A stream that ends the moment its work is cancelled."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from support.eventually import eventually

from voice_inference.engines.base import Cancelled, CancelToken
from voice_inference.engines.llm.cancellable import cancellable


class Source:
    """A stream of numbers that hangs after `count` of them and knows how it ended."""

    def __init__(self, count: int, *, hangs: bool = True, error: Exception | None = None) -> None:
        self.count, self.hangs, self.error = count, hangs, error
        self.waiting = False
        self.closed = False

    async def stream(self) -> AsyncIterator[int]:
        try:
            for number in range(self.count):
                yield number
            if self.error is not None:
                raise self.error
            if self.hangs:
                self.waiting = True
                await asyncio.get_running_loop().create_future()
        finally:
            self.closed = True


def opened(source: Source, cancel: CancelToken) -> AsyncGenerator[int, None]:
    stream = cancellable(source.stream(), cancel)
    assert isinstance(stream, AsyncGenerator)
    return stream


async def waiting_for_an_item(source: Source, stream: AsyncGenerator[int, None]) -> asyncio.Future[int]:
    for number in range(source.count):
        assert await anext(stream) == number
    following = asyncio.ensure_future(anext(stream))
    await eventually(lambda: source.waiting)
    return following


async def test_every_item_passes_and_the_stream_is_closed() -> None:
    source = Source(3, hangs=False)
    assert [item async for item in opened(source, CancelToken())] == [0, 1, 2]
    assert source.closed


async def test_a_cancel_ends_a_stream_that_waits_for_its_next_item() -> None:
    source, cancel = Source(2), CancelToken()
    following = await waiting_for_an_item(source, opened(source, cancel))
    cancel.cancel()
    with pytest.raises(Cancelled):
        await following
    assert source.closed


async def test_a_cancel_may_come_from_another_thread() -> None:
    source, cancel = Source(1), CancelToken()
    following = await waiting_for_an_item(source, opened(source, cancel))
    await asyncio.to_thread(cancel.cancel)
    with pytest.raises(Cancelled):
        await following
    assert source.closed


async def test_a_stream_cancelled_between_two_items_gives_no_more() -> None:
    source, cancel = Source(5), CancelToken()
    stream = opened(source, cancel)
    assert await anext(stream) == 0
    cancel.cancel()
    with pytest.raises(Cancelled):
        await anext(stream)
    assert source.closed


async def test_a_stream_cancelled_before_it_began_gives_nothing() -> None:
    source, cancel = Source(5), CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        await anext(opened(source, cancel))


async def test_the_error_of_a_stream_passes() -> None:
    source = Source(1, error=ValueError("broken"))
    stream = opened(source, CancelToken())
    assert await anext(stream) == 0
    with pytest.raises(ValueError, match="broken"):
        await anext(stream)
    assert source.closed


async def test_a_consumer_that_leaves_early_closes_the_stream() -> None:
    source = Source(5)
    stream = opened(source, CancelToken())
    assert await anext(stream) == 0
    await stream.aclose()
    assert source.closed


async def test_a_task_that_is_cancelled_while_it_waits_closes_the_stream() -> None:
    source = Source(1)
    following = await waiting_for_an_item(source, opened(source, CancelToken()))
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert source.closed


async def test_a_cancel_after_the_end_does_nothing() -> None:
    source, cancel = Source(1, hangs=False), CancelToken()
    assert [item async for item in opened(source, cancel)] == [0]
    cancel.cancel()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_that_comes_with_the_cancel_is_not_left_behind() -> None:
    """An exception nobody retrieves is told to the loop when its task is dropped."""
    left_behind: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left_behind.append(context))
    cancel = CancelToken()

    async def breaks_when_cancelled() -> AsyncIterator[int]:
        yield 0
        cancel.cancel()
        raise ConnectionResetError

    stream = cancellable(breaks_when_cancelled(), cancel)
    assert await anext(stream) == 0
    with pytest.raises(Cancelled):
        await anext(stream)
    del stream
    assert left_behind == []
