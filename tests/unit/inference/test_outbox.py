"""What a session says to its orchestrator: in order, bounded, and never for ever."""

import asyncio

import pytest
from support.virtual_time import run_virtual

from voice_contract.messages import Heartbeat, Payload, RunStopped, SessionReady, SpeechStarted
from voice_inference.server.outbox import OUTBOX_MESSAGES_MAX, STUCK_AFTER_S, OrchestratorStuckError, Outbox


def numbered(number: int) -> Payload:
    return SpeechStarted(start_offset_samples=number, detected_offset_samples=number + 1)


def full() -> Outbox:
    outbox = Outbox()
    for number in range(OUTBOX_MESSAGES_MAX):
        outbox.put_now(numbered(number))
    assert not outbox.stuck.is_set()
    return outbox


async def test_messages_leave_in_the_order_they_came_whichever_way_they_came() -> None:
    outbox = Outbox()
    await outbox.put(SessionReady())
    outbox.put_now(Heartbeat(), 3)
    await outbox.put(RunStopped(), 4)
    assert [await outbox.get() for _ in range(3)] == [(SessionReady(), 0), (Heartbeat(), 3), (RunStopped(), 4)]


async def test_the_rest_is_everything_that_waits() -> None:
    outbox = Outbox()
    await outbox.put(SessionReady())
    await outbox.put(RunStopped(), 2)
    assert outbox.take_rest() == [(SessionReady(), 0), (RunStopped(), 2)]
    assert outbox.take_rest() == []


async def test_a_reader_waits_for_a_message() -> None:
    outbox = Outbox()
    reading = asyncio.ensure_future(outbox.get())
    await asyncio.sleep(0)
    assert not reading.done()
    outbox.put_now(Heartbeat())
    assert await reading == (Heartbeat(), 0)


def test_work_waits_for_room() -> None:
    async def scenario() -> list[tuple[Payload, int]]:
        outbox = full()
        putting = asyncio.ensure_future(outbox.put(Heartbeat(), 9))
        await asyncio.sleep(STUCK_AFTER_S * 0.9)
        assert not putting.done()
        await outbox.get()
        await putting
        assert not outbox.stuck.is_set()
        return outbox.take_rest()

    rest = run_virtual(scenario())
    assert len(rest) == OUTBOX_MESSAGES_MAX
    assert rest[-1] == (Heartbeat(), 9)


def test_work_that_finds_no_room_for_too_long_ends_and_marks_the_session_as_stuck() -> None:
    async def scenario() -> float:
        outbox = full()
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(OrchestratorStuckError):
            await outbox.put(Heartbeat())
        assert outbox.stuck.is_set()
        assert len(outbox.take_rest()) == OUTBOX_MESSAGES_MAX
        return asyncio.get_running_loop().time() - began_s

    assert run_virtual(scenario()) == pytest.approx(STUCK_AFTER_S)


async def test_a_fact_without_room_marks_the_session_as_stuck_at_once() -> None:
    outbox = full()
    outbox.put_now(Heartbeat())
    assert outbox.stuck.is_set()
    assert [payload for payload, _ in outbox.take_rest()] == [numbered(each) for each in range(OUTBOX_MESSAGES_MAX)]


def test_work_that_is_cancelled_while_it_waits_for_room_leaves_nothing_behind() -> None:
    async def scenario() -> list[tuple[Payload, int]]:
        outbox = full()
        putting = asyncio.ensure_future(outbox.put(Heartbeat()))
        await asyncio.sleep(STUCK_AFTER_S / 2)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        assert not outbox.stuck.is_set()
        return outbox.take_rest()

    assert (Heartbeat(), 0) not in run_virtual(scenario())
