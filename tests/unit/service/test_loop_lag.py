"""The sampler of the event loop's delay."""

import asyncio

import pytest
from support.virtual_time import elapse, run_virtual

from voice_orchestrator.service.loop_lag import PERIOD_S, LoopLagSampler


def test_only_the_delay_beyond_the_time_that_was_asked_for_counts() -> None:
    seen: list[float] = []
    late_s = iter((0.0, 0.25, 0.0, -0.001))

    async def oversleep(seconds: float) -> None:
        await elapse(seconds + next(late_s))

    async def story() -> None:
        loop = asyncio.get_running_loop()
        sampler = LoopLagSampler(seen.append, loop.time, oversleep)
        running = asyncio.create_task(sampler.run())
        await elapse(4 * PERIOD_S + 0.3)
        running.cancel()
        await asyncio.wait((running,))

    run_virtual(story())
    assert seen == pytest.approx([0.0, 0.25, 0.0, 0.0])
