"""Hands what one thread makes for many consumers to their event loop: one call into the loop for every step."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from voice_inference.lanes import STREAM_BUFFER_ITEMS

T = TypeVar("T")

LAST_ITEMS: Final = 4
"""A stalled stream still takes the last text, the end of the reply, the end of the stream and an error."""

END: Final = object()
"""The last item of a stream."""


@dataclass(frozen=True, slots=True)
class Raised:
    """The consumer is to be told by raising `error`."""

    error: BaseException


class ItemStream(Generic[T]):
    """What is made for one consumer. Made on its event loop; `wake` is called there when a stalled one reads on."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self._wake = wake
        self._items: asyncio.Queue[Any] = asyncio.Queue(STREAM_BUFFER_ITEMS + LAST_ITEMS)
        self._made = 0
        self._taken = 0

    @property
    def stalled(self) -> bool:
        """Whether its consumer is so far behind that no more should be made."""
        return self._made - self._taken >= STREAM_BUFFER_ITEMS

    def count_made(self) -> None:
        """Counts an item on the thread that makes it; its delivery may follow later."""
        self._made += 1

    def put(self, item: object) -> None:
        """Called on the event loop."""
        self._items.put_nowait(item)

    async def read(self) -> AsyncIterator[T]:
        """The items up to the end; raises what was put as Raised."""
        while True:
            item = await self._items.get()
            if item is END:
                return
            if isinstance(item, Raised):
                raise item.error
            was_stalled = self.stalled
            self._taken += 1
            if was_stalled:
                self._wake()
            yield item


def deliver(made: Iterable[tuple[ItemStream[Any], object]]) -> None:
    """Puts items into their streams with one call for each event loop; a loop that was closed has no consumers."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[ItemStream[Any], object]]] = {}
    for stream, item in made:
        by_loop.setdefault(stream.loop, []).append((stream, item))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_put_all, pairs)
        except RuntimeError:
            if not loop.is_closed():
                raise


def _put_all(pairs: list[tuple[ItemStream[Any], object]]) -> None:
    for stream, item in pairs:
        stream.put(item)
