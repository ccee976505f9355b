"""The session's one timer, the edge's heartbeat and the journal's flush."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from support.mailbox_events import take_all
from support.memory_edge import MemoryEdge
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.channel_options import HEARTBEAT_INTERVAL_MS, PEER_SILENT_AFTER_MS
from voice_contract.messages import Heartbeat
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.monitor import Monitor
from voice_orchestrator.runtime.output_buffer import OutputBuffer
from voice_orchestrator.runtime.send_pump import SendPump
from voice_orchestrator.session.events import SessionEvent, Tick
from voice_orchestrator.session.reducer import Transition


@dataclass(slots=True)
class CountingJournal:
    """Implements JournalSink by counting flushes, with their times."""

    clock: SessionClock
    flushed_at_s: list[float] = field(default_factory=list)

    def record(self, event: SessionEvent, transition: Transition) -> None:
        raise AssertionError("the monitor records nothing")

    def flush(self) -> None:
        self.flushed_at_s.append(self.clock.now_s())


@dataclass(slots=True, kw_only=True)
class Rig:
    """A monitor that runs, and everything it talks to."""

    clock: SessionClock
    mailbox: Mailbox
    edge: MemoryEdge
    journal: CountingJournal
    monitor: Monitor


def with_rig(story: Callable[[Rig], Coroutine[None, None, None]]) -> None:
    """Tells a story on virtual time."""

    async def told() -> None:
        clock, mailbox = virtual_clock(), Mailbox()
        edge, journal = MemoryEdge(clock), CountingJournal(clock)
        pump = SendPump(edge, OutputBuffer(), mailbox, clock)
        monitor = Monitor(mailbox, clock, pump, journal)
        works = (pump.run(), monitor.run_timer(), monitor.run_heartbeat())
        tasks = [asyncio.create_task(work) for work in works]
        await story(Rig(clock=clock, mailbox=mailbox, edge=edge, journal=journal, monitor=monitor))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    run_virtual(told())


def test_a_tick_comes_at_the_armed_time_and_once() -> None:
    async def story(rig: Rig) -> None:
        rig.monitor.arm(500)
        await elapse(0.490)
        assert await take_all(rig.mailbox) == []
        await elapse(0.020)
        (tick,) = await take_all(rig.mailbox)
        assert isinstance(tick, Tick)
        assert tick.at_ms in (500, 501)
        await elapse(5.0)
        assert await take_all(rig.mailbox) == []

    with_rig(story)


def test_nothing_armed_means_no_tick() -> None:
    async def story(rig: Rig) -> None:
        await elapse(30.0)
        assert await take_all(rig.mailbox) == []

    with_rig(story)


@pytest.mark.parametrize(("first", "second"), [(500, 900), (900, 500)])
def test_what_was_armed_before_is_replaced(first: int, second: int) -> None:
    async def story(rig: Rig) -> None:
        rig.monitor.arm(first)
        await elapse(0.1)
        rig.monitor.arm(second)
        await elapse(3.0)
        ticks = await take_all(rig.mailbox)
        assert [second <= tick.at_ms <= second + 1 for tick in ticks] == [True]

    with_rig(story)


def test_a_timer_that_was_taken_back_brings_nothing() -> None:
    async def story(rig: Rig) -> None:
        rig.monitor.arm(500)
        await elapse(0.1)
        rig.monitor.arm(None)
        await elapse(3.0)
        assert await take_all(rig.mailbox) == []

    with_rig(story)


def test_a_time_that_has_passed_brings_a_tick_now() -> None:
    async def story(rig: Rig) -> None:
        await elapse(2.0)
        rig.monitor.arm(1_000)
        await elapse(0.001)
        (tick,) = await take_all(rig.mailbox)
        assert tick.at_ms in (2_000, 2_001)

    with_rig(story)


def test_the_same_time_armed_again_brings_another_tick() -> None:
    async def story(rig: Rig) -> None:
        rig.monitor.arm(100)
        await elapse(0.2)
        rig.monitor.arm(100)
        await elapse(0.2)
        assert len(await take_all(rig.mailbox)) == 2

    with_rig(story)


@pytest.mark.parametrize("due_ms", range(0, 2_000, 37))
def test_no_tick_says_it_came_before_the_time_it_was_armed_for(due_ms: int) -> None:
    async def story(rig: Rig) -> None:
        rig.monitor.arm(due_ms)
        await elapse(3.0)
        (tick,) = await take_all(rig.mailbox)
        assert tick.at_ms >= due_ms

    with_rig(story)


def test_the_edge_hears_that_the_session_lives_often_enough() -> None:
    async def story(rig: Rig) -> None:
        await elapse(10.0)
        beats = [sent.at_s for sent in rig.edge.sent if isinstance(sent.payload, Heartbeat)]
        assert beats[0] == 0.0
        assert len(beats) in (10_000 // HEARTBEAT_INTERVAL_MS, 10_000 // HEARTBEAT_INTERVAL_MS + 1)
        assert HEARTBEAT_INTERVAL_MS * 2 < PEER_SILENT_AFTER_MS

    with_rig(story)


def test_the_journal_is_flushed_every_second() -> None:
    async def story(rig: Rig) -> None:
        await elapse(5.2)
        gaps = [after - before for before, after in pairwise(rig.journal.flushed_at_s)]
        assert gaps == pytest.approx([1.0] * 4)

    with_rig(story)
