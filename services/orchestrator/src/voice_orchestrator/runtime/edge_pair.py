"""Both ends of an edge's Event stream inside one process: what a gRPC stream is for an edge elsewhere."""

import asyncio
from collections.abc import Callable
from typing import Final

from voice_contract.messages import Event, Payload
from voice_contract.sequencing import EventSequencer
from voice_orchestrator.runtime.ports import EdgeGoneError

QUEUE_EVENTS_MAX: Final = 256
"""Events on their way in one direction: five seconds of frames."""

SEND_DEADLINE_S: Final = 2.0

_Queue = asyncio.Queue[Event | None]


class EdgeEnd:
    """One end; implements EdgePort for the session and for the edge alike."""

    def __init__(self, sequencer: EventSequencer, outgoing: _Queue, incoming: _Queue) -> None:
        self._sequencer = sequencer
        self._outgoing = outgoing
        self._incoming = incoming
        self._closed = False
        self._other_closed = False

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        """See EdgePort."""
        if self._closed:
            raise EdgeGoneError("the stream was closed on this side")
        try:
            async with asyncio.timeout(SEND_DEADLINE_S):
                await self._outgoing.put(self._sequencer.make(payload, run_id))
        except TimeoutError as error:
            raise EdgeGoneError(f"the other end took nothing for {SEND_DEADLINE_S:.0f} s") from error

    async def receive(self) -> Event:
        """See EdgePort."""
        event = None if self._other_closed else await self._incoming.get()
        if event is None:
            self._other_closed = True
            raise EdgeGoneError("the other end closed the stream")
        if not self._sequencer.session_id:
            # The session chooses the id, an edge learns it from the first event.
            self._sequencer.session_id = event.session_id
        return event

    def close(self) -> None:
        """See EdgePort."""
        if self._closed:
            return
        self._closed = True
        if self._outgoing.full():
            # Nobody has read for seconds; the end matters more than the event it displaces.
            self._outgoing.get_nowait()
        self._outgoing.put_nowait(None)


def edge_pair(session_id: str, monotonic_us: Callable[[], int]) -> tuple[EdgeEnd, EdgeEnd]:
    """The session's end and the edge's end of one stream."""
    to_session: _Queue = asyncio.Queue(QUEUE_EVENTS_MAX)
    to_edge: _Queue = asyncio.Queue(QUEUE_EVENTS_MAX)
    session = EdgeEnd(EventSequencer(session_id, monotonic_us), to_edge, to_session)
    edge = EdgeEnd(EventSequencer("", monotonic_us), to_session, to_edge)
    return session, edge
