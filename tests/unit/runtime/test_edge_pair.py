"""Both ends of an edge's stream inside one process."""

import asyncio

import pytest
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.messages import CallOpen, HangUp, Heartbeat, PlayoutPause, PlayoutPosition
from voice_orchestrator.runtime.edge_pair import QUEUE_EVENTS_MAX, SEND_DEADLINE_S, EdgeEnd, edge_pair
from voice_orchestrator.runtime.ports import EdgeGoneError

OPEN = CallOpen(profile="test", caller_format=None, agent_format=None)


def pair() -> tuple[EdgeEnd, EdgeEnd]:
    return edge_pair("abc", lambda: 7)


async def fill(end: EdgeEnd) -> None:
    for _ in range(QUEUE_EVENTS_MAX):
        await end.send(Heartbeat())


async def test_what_one_end_sends_the_other_receives_with_its_run_and_number() -> None:
    session, edge = pair()
    await session.send(PlayoutPause(), 4)
    await session.send(Heartbeat())
    first, second = await edge.receive(), await edge.receive()
    assert (first.payload, first.run_id, first.sequence) == (PlayoutPause(), 4, 1)
    assert (second.payload, second.run_id, second.sequence) == (Heartbeat(), 0, 2)
    assert first.sender_monotonic_us == 7


async def test_an_edge_learns_the_id_of_its_session_from_the_first_event() -> None:
    session, edge = pair()
    await edge.send(OPEN)
    assert (await session.receive()).session_id == ""
    await session.send(Heartbeat())
    assert (await edge.receive()).session_id == "abc"
    await edge.send(PlayoutPosition(played_samples=1), 1)
    assert (await session.receive()).session_id == "abc"


async def test_what_was_sent_before_a_close_still_arrives() -> None:
    session, edge = pair()
    await edge.send(OPEN)
    await edge.send(HangUp())
    edge.close()
    assert (await session.receive()).payload == OPEN
    assert (await session.receive()).payload == HangUp()
    for _ in range(2):
        with pytest.raises(EdgeGoneError, match="closed"):
            await session.receive()


async def test_nothing_can_be_sent_through_an_end_that_was_closed() -> None:
    session, _ = pair()
    session.close()
    session.close()
    with pytest.raises(EdgeGoneError, match="closed"):
        await session.send(Heartbeat())


async def test_closing_one_direction_leaves_the_other_open() -> None:
    session, edge = pair()
    edge.close()
    await session.send(Heartbeat())
    assert (await edge.receive()).payload == Heartbeat()


def test_a_receiver_that_waits_hears_of_the_close() -> None:
    async def story() -> None:
        session, edge = pair()
        receiving = asyncio.create_task(edge.receive())
        await elapse(5.0)
        session.close()
        with pytest.raises(EdgeGoneError):
            await receiving

    run_virtual(story())


def test_an_end_that_takes_nothing_is_gone_after_a_deadline() -> None:
    async def story() -> None:
        clock = virtual_clock()
        session, _ = pair()
        await fill(session)
        assert clock.now_s() == 0.0
        with pytest.raises(EdgeGoneError, match="took nothing"):
            await session.send(Heartbeat())
        assert clock.now_s() == pytest.approx(SEND_DEADLINE_S)

    run_virtual(story())


def test_a_sender_goes_on_when_the_other_end_takes_something_in_time() -> None:
    async def story() -> None:
        session, edge = pair()
        await fill(session)
        sending = asyncio.create_task(session.send(PlayoutPause()))
        await elapse(SEND_DEADLINE_S / 2)
        await edge.receive()
        await sending
        for _ in range(QUEUE_EVENTS_MAX - 1):
            await edge.receive()
        assert (await edge.receive()).payload == PlayoutPause()

    run_virtual(story())


async def test_the_end_of_a_stream_arrives_even_when_nobody_has_read() -> None:
    session, edge = pair()
    await fill(session)
    session.close()
    for _ in range(QUEUE_EVENTS_MAX - 1):
        await edge.receive()
    with pytest.raises(EdgeGoneError):
        await edge.receive()
