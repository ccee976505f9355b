"""What one thread makes for many consumers on their event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from voice_inference.engines.base import Cancelled, LlmText
from voice_inference.engines.llm.item_stream import END, ItemStream, Raised, deliver
from voice_inference.lanes import STREAM_BUFFER_ITEMS


def nothing() -> None:
    """Nobody has to be woken."""


async def test_items_come_in_order_and_an_error_at_its_place() -> None:
    stream, other = ItemStream[LlmText](nothing), ItemStream[LlmText](nothing)
    await asyncio.to_thread(
        deliver,
        [
            (stream, LlmText(text="one")),
            (other, END),
            (stream, LlmText(text="two")),
            (stream, Raised(Cancelled())),
        ],
    )
    reader = stream.read()
    assert [await anext(reader), await anext(reader)] == [LlmText(text="one"), LlmText(text="two")]
    with pytest.raises(Cancelled):
        await anext(reader)
    assert [item async for item in other.read()] == []


async def test_one_step_for_many_consumers_is_one_call_into_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [ItemStream[LlmText](nothing) for _ in range(5)]
    loop = asyncio.get_running_loop()
    calls = []
    call_soon = loop.call_soon_threadsafe

    def counted(callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        calls.append(callback)
        return call_soon(callback, *args)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    deliver([*((stream, LlmText(text="word")) for stream in streams), *((stream, END) for stream in streams)])
    assert [[item async for item in stream.read()] for stream in streams] == [[LlmText(text="word")]] * 5
    assert len(calls) == 1


async def test_a_consumer_that_is_far_behind_stalls_its_stream_until_it_reads() -> None:
    woken = []
    stream = ItemStream[LlmText](lambda: woken.append(1))
    for _ in range(STREAM_BUFFER_ITEMS):
        assert not stream.stalled
        stream.count_made()
        deliver([(stream, LlmText(text="word"))])
    assert stream.stalled
    reader = stream.read()
    for _ in range(3):
        await anext(reader)
    assert not stream.stalled
    assert len(woken) == 1
    await reader.aclose()


async def test_what_comes_after_the_loop_was_closed_is_dropped() -> None:
    async def made() -> ItemStream[LlmText]:
        return ItemStream[LlmText](nothing)

    gone = await asyncio.to_thread(lambda: asyncio.run(made()))
    here = ItemStream[LlmText](nothing)
    deliver([(gone, END), (here, END)])
    assert [item async for item in here.read()] == []
