"""A limit over many waits: each has all of it, one that overruns is cancelled, and nothing else is."""

import asyncio

import pytest
from support.virtual_time import VirtualLoop, run_virtual

from voice_orchestrator.runtime.wait_limit import WaitLimit


def test_what_comes_in_time_is_given() -> None:
    async def story() -> list[str]:
        limit = WaitLimit(1.0)
        return [await limit.wait_for(asyncio.sleep(0.9, result=f"wait {number}")) for number in range(5)]

    assert run_virtual(story()) == [f"wait {number}" for number in range(5)]


@pytest.mark.parametrize("quick_waits", [0, 1, 7])
def test_a_wait_that_takes_too_long_is_cancelled_at_its_own_limit(quick_waits: int) -> None:
    async def story() -> float:
        limit, loop = WaitLimit(1.0), asyncio.get_running_loop()
        for _ in range(quick_waits):
            await limit.wait_for(asyncio.sleep(0.3))
        began_s = loop.time()
        with pytest.raises(TimeoutError):
            await limit.wait_for(asyncio.sleep(60.0))
        took_s = loop.time() - began_s
        assert await limit.wait_for(asyncio.sleep(0.5, result="again")) == "again"
        return took_s

    assert run_virtual(story()) == pytest.approx(1.0)


def test_time_between_waits_does_not_count() -> None:
    async def story() -> str:
        limit = WaitLimit(1.0)
        await limit.wait_for(asyncio.sleep(0.1))
        await asyncio.sleep(30.0)
        return await limit.wait_for(asyncio.sleep(0.9, result="in time"))

    assert run_virtual(story()) == "in time"


@pytest.mark.parametrize("comes", [True, False])
def test_a_process_that_stood_still_reads_what_came_meanwhile_before_it_gives_up(comes: bool) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        limit, word = WaitLimit(1.0), loop.create_future()
        loop.call_later(0.5, loop.stall, 5.0)
        if comes:
            loop.call_later(5.55, word.set_result, "I was here")
            assert await limit.wait_for(word) == "I was here"
        else:
            with pytest.raises(TimeoutError):
                await limit.wait_for(word)

    run_virtual(story())


def test_an_error_is_the_waiters_own() -> None:
    async def breaks() -> None:
        raise ConnectionError("it broke")

    async def story() -> None:
        limit = WaitLimit(1.0)
        with pytest.raises(ConnectionError, match="it broke"):
            await limit.wait_for(breaks())
        await limit.wait_for(asyncio.sleep(0.1))

    run_virtual(story())


def test_a_cancellation_from_outside_is_no_timeout() -> None:
    async def story() -> None:
        limit = WaitLimit(1.0)
        waiting = asyncio.ensure_future(limit.wait_for(asyncio.sleep(60.0)))
        await asyncio.sleep(0.5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await limit.wait_for(asyncio.sleep(0.1))

    run_virtual(story())


def test_a_cancellation_from_outside_in_the_moment_of_the_limit_wins() -> None:
    async def story() -> None:
        limit = WaitLimit(1.0)
        waiting = asyncio.ensure_future(limit.wait_for(asyncio.sleep(60.0)))
        asyncio.get_running_loop().call_later(1.0, waiting.cancel)
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run_virtual(story())


def test_after_a_timeout_the_task_is_not_cancelled() -> None:
    async def story() -> int:
        with pytest.raises(TimeoutError):
            await WaitLimit(0.1).wait_for(asyncio.sleep(60.0))
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert run_virtual(story()) == 0
