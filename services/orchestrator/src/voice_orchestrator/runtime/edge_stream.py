"""An Event stream between an edge and its session as an EdgePort, for whichever end of a transport it stands on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from voice_contract.channel_options import HEARTBEAT_INTERVAL_MS, PEER_SILENT_AFTER_MS
from voice_contract.codec import Peer, decode, encode
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import CallEnded, Event, Heartbeat, Payload
from voice_contract.sequencing import EventSequencer, SequenceGuard
from voice_orchestrator.runtime.ports import EdgeGoneError
from voice_orchestrator.runtime.wait_limit import WaitLimit

WRITE_DEADLINE_S: Final = 1.5
"""A peer that takes nothing for so long is gone: with its silence noticed after 1 s, it is cut within 2 s."""

Read = Callable[[], Awaitable[Any]]
Write = Callable[[Any], Awaitable[None]]


class EdgeStream:
    """Implements EdgePort. `beat` is to run beside whoever uses it.

    `read` gives the next message, None at the end of the stream; `write` sends one; either raises ConnectionError when
    the transport is gone. `peer` is who sends what is read. `end` is called once, by `close`.
    """

    def __init__(
        self,
        read: Read,
        write: Write,
        end: Callable[[], None],
        peer: Peer,
        session_id: str,
        monotonic_us: Callable[[], int],
    ) -> None:
        self._read = read
        self._write = write
        self._end = end
        self._peer = peer
        self._sequencer = EventSequencer(session_id, monotonic_us)
        self._guard = SequenceGuard()
        self._writing = asyncio.Lock()
        self._read_limit = WaitLimit(PEER_SILENT_AFTER_MS / 1_000)
        self._write_limit = WaitLimit(WRITE_DEADLINE_S)
        self._stuck = False
        self._ended = False
        self._closed = False
        self._lost = False
        self.gone = ""
        """Why nothing comes any more, once that is so."""
        self._known = asyncio.Event()
        if session_id:
            self._known.set()

    @property
    def session_id(self) -> str:
        """The session's id; empty while the edge does not know it."""
        return self._sequencer.session_id

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        """See EdgePort."""
        if self._closed:
            raise EdgeGoneError("the stream was closed on this side")
        if self._lost:
            raise EdgeGoneError("the other end went away")
        try:
            async with self._writing:
                if self._stuck:
                    raise TimeoutError
                if self._ended:
                    raise EdgeGoneError("the call is over")
                self._ended = isinstance(payload, CallEnded)
                # Numbered inside the lock: the order of numbers is the order on the wire.
                message = encode(self._sequencer.make(payload, run_id))
                await self._write_limit.wait_for(self._write(message))
        except TimeoutError:
            self._stuck = True
            raise EdgeGoneError(f"the other end took nothing for {WRITE_DEADLINE_S:g} s") from None
        except ConnectionError as error:
            raise EdgeGoneError(str(error)) from error

    async def receive(self) -> Event:
        """See EdgePort. What breaks the contract ends the stream; an edge that does so is told."""
        try:
            return await self._receive()
        except EdgeGoneError as error:
            self.gone = str(error)
            raise

    async def _receive(self) -> Event:
        try:
            message = await self._read_limit.wait_for(self._read())
            if message is None or self._lost:
                raise EdgeGoneError("the other end closed the stream")
            event = decode(message, self._peer)
            self._guard.accept(event)
            self._check_session(event)
        except TimeoutError:
            raise EdgeGoneError(f"the other end sent nothing for {PEER_SILENT_AFTER_MS} ms") from None
        except ConnectionError as error:
            raise EdgeGoneError(str(error)) from error
        except VoiceAgentError as error:
            if self._peer is Peer.EDGE:
                with suppress(EdgeGoneError):
                    await self.send(error.failure)
            raise EdgeGoneError(f"the other end breaks the contract: {error.failure.detail}") from error
        return event

    def _check_session(self, event: Event) -> None:
        if not self._sequencer.session_id:
            # The session chooses the id, an edge learns it from the first event.
            self._sequencer.session_id = event.session_id
            self._known.set()
        elif event.session_id and event.session_id != self._sequencer.session_id:
            detail = "session_id: not the one of this stream"
            raise VoiceAgentError(Failure(stage=Stage.EDGE, reason=FailureReason.INVALID_MESSAGE, detail=detail))

    async def beat(self) -> None:
        """Says every quarter of a second that this end is alive, until it is cancelled or the stream is gone.

        Begins when the session's id is known.
        """
        await self._known.wait()
        try:
            while True:
                await asyncio.sleep(HEARTBEAT_INTERVAL_MS / 1_000)
                await self.send(Heartbeat())
        except EdgeGoneError:
            return

    def lose(self) -> None:
        """The transport says that the other end went away: nothing is sent or taken any more."""
        self._lost = True

    def close(self) -> None:
        """See EdgePort."""
        if not self._closed:
            self._closed = True
            self._end()
