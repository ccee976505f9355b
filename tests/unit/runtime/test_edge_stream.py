"""A stream to an edge: its limits, its heartbeats, and what breaks the contract."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.channel_options import HEARTBEAT_INTERVAL_MS, PEER_SILENT_AFTER_MS
from voice_contract.codec import Peer, decode, encode
from voice_contract.messages import CallAccepted, CallOpen, Heartbeat, Payload, PlayoutPause
from voice_contract.sequencing import EventSequencer
from voice_orchestrator.runtime.edge_stream import WRITE_DEADLINE_S, EdgeStream
from voice_orchestrator.runtime.ports import EdgeGoneError

OPEN = CallOpen(profile="test", caller_format=None, agent_format=None)
BEAT_S = HEARTBEAT_INTERVAL_MS / 1_000


@dataclass(slots=True)
class Transport:
    """What carries the stream: keeps what is written, gives what is said; `takes` is clear: it takes nothing."""

    peer: Peer = Peer.EDGE
    said: "asyncio.Queue[Any]" = field(default_factory=lambda: asyncio.Queue(100))
    written: list[Any] = field(default_factory=list)
    takes: asyncio.Event = field(default_factory=asyncio.Event)
    ended: int = 0

    def __post_init__(self) -> None:
        self.takes.set()

    def stream(self, session_id: str) -> EdgeStream:
        return EdgeStream(self.said.get, self._write, self._end, self.peer, session_id, lambda: 1)

    async def _write(self, message: Any) -> None:
        await self.takes.wait()
        self.written.append(message)

    def _end(self) -> None:
        self.ended += 1

    def kinds(self, sender: Peer) -> list[type[Payload]]:
        return [type(decode(message, sender).payload) for message in self.written]


def test_a_peer_that_says_nothing_is_gone_after_a_second_and_not_before() -> None:
    async def story() -> None:
        clock, transport = virtual_clock(), Transport()
        stream, edge = transport.stream("abc"), EventSequencer("", lambda: 0)
        transport.said.put_nowait(encode(edge.make(OPEN)))
        assert (await stream.receive()).payload == OPEN
        began_s = clock.now_s()
        with pytest.raises(EdgeGoneError, match=f"nothing for {PEER_SILENT_AFTER_MS} ms"):
            await stream.receive()
        assert clock.now_s() - began_s == pytest.approx(PEER_SILENT_AFTER_MS / 1_000)
        assert "nothing for" in stream.gone

    run_virtual(story())


def test_a_peer_that_takes_nothing_is_gone_for_everybody_who_writes() -> None:
    async def story() -> None:
        clock, transport = virtual_clock(), Transport()
        stream = transport.stream("abc")
        transport.takes.clear()
        writers = [asyncio.ensure_future(stream.send(PlayoutPause(), 1)) for _ in range(3)]
        await asyncio.wait(writers)
        assert clock.now_s() == pytest.approx(WRITE_DEADLINE_S)
        for writer in writers:
            assert isinstance(writer.exception(), EdgeGoneError)
        assert not transport.written

    run_virtual(story())


def test_what_several_write_at_the_same_time_is_numbered_in_the_order_of_the_wire() -> None:
    async def story() -> None:
        transport = Transport()
        stream = transport.stream("abc")
        transport.takes.clear()
        writers = [asyncio.ensure_future(stream.send(PlayoutPause(), run_id)) for run_id in (3, 1, 2)]
        await elapse(0.1)
        transport.takes.set()
        await asyncio.wait(writers)
        sent = [decode(message, Peer.ORCHESTRATOR_TO_EDGE) for message in transport.written]
        assert [(event.sequence, event.run_id) for event in sent] == [(1, 3), (2, 1), (3, 2)]

    run_virtual(story())


def test_it_beats_four_times_a_second() -> None:
    async def story() -> int:
        transport = Transport()
        beating = asyncio.ensure_future(transport.stream("abc").beat())
        await elapse(10 * BEAT_S + BEAT_S / 2)
        beating.cancel()
        return transport.kinds(Peer.ORCHESTRATOR_TO_EDGE).count(Heartbeat)

    assert run_virtual(story()) == 10


def test_an_edge_learns_its_session_and_beats_from_then_on() -> None:
    async def story() -> None:
        transport = Transport(Peer.ORCHESTRATOR_TO_EDGE)
        stream, session = transport.stream(""), EventSequencer("abc", lambda: 0)
        beating = asyncio.ensure_future(stream.beat())
        await elapse(4 * BEAT_S)
        assert not transport.written
        transport.said.put_nowait(encode(session.make(CallAccepted(caller_format=None, agent_format=None))))
        await stream.receive()
        assert stream.session_id == "abc"
        await elapse(1.5 * BEAT_S)
        assert transport.kinds(Peer.EDGE) == [Heartbeat]
        beating.cancel()

    run_virtual(story())


def test_what_breaks_the_contract_ends_the_stream_and_an_edge_is_told_why() -> None:
    async def story() -> None:
        transport = Transport()
        stream, edge = transport.stream("abc"), EventSequencer("abc", lambda: 0)
        transport.said.put_nowait(encode(edge.make(CallAccepted(caller_format=None, agent_format=None))))
        with pytest.raises(EdgeGoneError, match="breaks the contract"):
            await stream.receive()
        assert len(transport.written) == 1
        assert transport.written[0].control.HasField("failure")

    run_virtual(story())


def test_a_stream_that_was_closed_or_lost_takes_nothing_and_ends_once() -> None:
    async def story() -> None:
        transport = Transport()
        stream = transport.stream("abc")
        stream.lose()
        with pytest.raises(EdgeGoneError, match="went away"):
            await stream.send(Heartbeat())
        stream.close()
        stream.close()
        with pytest.raises(EdgeGoneError, match="closed on this side"):
            await stream.send(Heartbeat())
        assert transport.ended == 1

    run_virtual(story())
