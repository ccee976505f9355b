"""Ends an asynchronous stream the moment its work is cancelled, not at its next item."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar, cast

from voice_inference.engines.base import Cancelled, CancelToken

T = TypeVar("T")


async def cancellable(stream: AsyncIterator[T], cancel: CancelToken) -> AsyncIterator[T]:
    """The items of `stream`; raises Cancelled at once when `cancel` is, and closes the stream in every case."""
    loop = asyncio.get_running_loop()
    cancelled: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not cancelled.done():
            cancelled.set_result(None)

    def wake_from_any_thread() -> None:
        loop.call_soon_threadsafe(wake)

    cancel.on_cancel(wake_from_any_thread)
    generator = cast("AsyncGenerator[T, None]", stream)
    following: asyncio.Task[T] | None = None
    try:
        while True:
            following = asyncio.ensure_future(_next(generator))
            await asyncio.wait((following, cancelled), return_when=asyncio.FIRST_COMPLETED)
            cancel.raise_if_cancelled()
            try:
                item = following.result()
            except StopAsyncIteration:
                return
            yield item
    except Cancelled:
        raise
    finally:
        wake()
        if following is not None and not following.done():
            following.cancel()
            await asyncio.wait((following,))
        if following is not None and not following.cancelled():
            following.exception()  # a step that failed in the moment of the cancel has nobody else to look at it
        await generator.aclose()


async def _next(generator: AsyncGenerator[T, None]) -> T:
    return await anext(generator)
