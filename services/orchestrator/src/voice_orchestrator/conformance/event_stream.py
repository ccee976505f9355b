"""One stream of the contract at the level of its bytes: sends what is right and what is wrong, keeps all that comes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc

from voice_contract.channel_options import CLIENT_OPTIONS, HEARTBEAT_INTERVAL_MS
from voice_contract.codec import Peer, decode_bytes, encode
from voice_contract.failures import VoiceAgentError
from voice_contract.messages import Event, Heartbeat, Payload
from voice_operations.security import ClientSecurity
from voice_orchestrator.conformance import wire
from voice_orchestrator.conformance.stream_log import Seen, Sent, StreamLog
from voice_orchestrator.runtime.channels import why_refused
from voice_orchestrator.runtime.clock import SessionClock

CONNECT_S: Final = 5.0
NO_METHOD: Final = "/voice_agent.v1.Nobody/Nothing"
WRITE_S: Final = 5.0
CRASHED: Final = "UNKNOWN"
"""The status with which gRPC ends a stream whose server raised what nobody expected."""

SEND_LIMIT: Final = "grpc.max_send_message_length"
OPTIONS: Final = (*(option for option in CLIENT_OPTIONS if option[0] != SEND_LIMIT), (SEND_LIMIT, -1))
"""Those of the contract, but this side sends what is too large, too."""


class UnreachableError(Exception):
    """Nobody takes a stream at the address; the text says what is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to check."""

    address: str
    security: ClientSecurity
    clock: SessionClock


def open_channel(target: Target) -> grpc.aio.Channel:
    """A channel of its own to the target."""
    credentials = target.security.credentials()
    if credentials is None:
        return grpc.aio.insecure_channel(target.address, options=OPTIONS)
    return grpc.aio.secure_channel(target.address, credentials, options=OPTIONS)


class EventStream:
    """`listen` and `beat` are to run beside whoever uses it; `open_events` does so."""

    def __init__(self, call: Any, peer: Peer, session_id: str, clock: SessionClock) -> None:  # noqa: ANN401
        self._call = call
        self._peer = peer
        self._clock = clock
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._last_number = 0
        self.session_id = session_id
        self.silent = False
        """No heartbeats are sent."""
        self.observe: Callable[[Event], None] = lambda event: None
        """Is told of every event, before those who wait for it."""
        self.log = StreamLog(opened_at_s=clock.now_s())

    # --- sending

    async def send(self, payload: Payload, run_id: int = 0, *, skip: int = 0) -> None:
        """Sends an event, with a number that leaves out `skip`; does nothing when the stream is over."""
        async with self._writing:
            self._last_number += 1 + skip
            event = Event(
                session_id=self.session_id,
                sequence=self._last_number,
                sender_monotonic_us=self._clock.monotonic_us(),
                payload=payload,
                run_id=run_id,
            )
            self.log.sent.append(Sent(payload=payload, run_id=run_id, at_s=self._clock.now_s()))
            await self._write(encode(event).SerializeToString())

    async def send_wrong(self, payload: bytes) -> None:
        """Sends an event whose payload is these bytes of the wire, well numbered."""
        async with self._writing:
            self._last_number += 1
            head = wire.envelope(self.session_id, self._last_number, self._clock.monotonic_us())
            await self._write(head + payload)

    async def send_bytes(self, data: bytes) -> None:
        """Sends a message that is whatever `data` is."""
        async with self._writing:
            await self._write(data)

    async def finish_sending(self) -> None:
        """Closes this side of the stream."""
        async with self._writing:
            try:
                await self._call.done_writing()
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return

    async def _write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(WRITE_S):
                await self._call.write(data)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError):
            # The listener learns why.
            return

    async def beat(self) -> None:
        """Says that this side is alive, once the session has a name, until it is cancelled."""
        await self.until(lambda: bool(self.session_id), None)
        while not self.over:
            if not self.silent:
                await self.send(Heartbeat())
            await asyncio.sleep(HEARTBEAT_INTERVAL_MS / 1_000)

    # --- what comes

    @property
    def over(self) -> bool:
        """Whether the peer has ended the stream."""
        return self.log.ended_at_s is not None

    async def listen(self) -> None:
        """Keeps everything that comes until the peer ends the stream."""
        try:
            while (data := await self._call.read()) is not grpc.aio.EOF:
                self._take(data)
        except grpc.aio.AioRpcError as error:
            self.log.status, self.log.details = error.code().name, error.details() or ""
        else:
            self.log.status, self.log.details = (await self._call.code()).name, await self._call.details() or ""
        self.log.ended_at_s = self._clock.now_s()
        self._changed.set()

    def _take(self, data: bytes) -> None:
        self.log.numbers.append(wire.sequence_of(data))
        try:
            event = decode_bytes(data, self._peer)
        except VoiceAgentError as error:
            self.log.refused.append(error.failure.detail)
        else:
            self.session_id = self.session_id or event.session_id
            self.log.seen.append(Seen(event=event, at_s=self._clock.now_s()))
            self.observe(event)
        self._changed.set()

    async def until(self, holds: Callable[[], bool], timeout_s: float | None) -> bool:
        """Waits until something that came makes `holds` true; False when the time or the stream is over before."""
        try:
            async with asyncio.timeout(timeout_s):
                while not holds():
                    if self.over:
                        return False
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def until_seen(self, kind: type[Any], timeout_s: float, since: int = 0) -> bool:
        """Waits for a payload of a kind among the events from number `since` of the log on."""
        return await self.until(lambda: self.log.first(kind, since) is not None, timeout_s)

    async def until_over(self, timeout_s: float) -> bool:
        """Waits for the peer to end the stream."""
        await self.until(lambda: self.over, timeout_s)
        return self.over


def _same(data: bytes) -> bytes:
    return data


@asynccontextmanager
async def open_events(target: Target, method: str, peer: Peer, session_id: str = "") -> AsyncIterator[EventStream]:
    """A stream of `method` for the length of the block, cut at its end; raises UnreachableError.

    `peer` is who sends what comes; `session_id` empty: the first event names the session.
    """
    channel = open_channel(target)
    if not await _connects(channel):
        await channel.close()
        raise UnreachableError(f"nobody answers at {target.address}")
    call = channel.stream_stream(method, request_serializer=_same, response_deserializer=_same)(
        metadata=target.security.metadata
    )
    stream = EventStream(call, peer, session_id, target.clock)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(stream.listen()), group.create_task(stream.beat())]
            try:
                yield stream
            finally:
                for task in tasks:
                    task.cancel()
    finally:
        call.cancel()
        await channel.close()


async def _connects(channel: grpc.aio.Channel) -> bool:
    """Whether somebody is there; the first refusal counts."""
    try:
        async with asyncio.timeout(CONNECT_S):
            while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
                if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                    return False
                await channel.wait_for_state_change(state)
    except TimeoutError:
        return False
    return True


async def reach(target: Target) -> None:
    """Sees whether somebody is there who lets this side in; raises UnreachableError that says why not."""
    channel = open_channel(target)
    # Whatever is asked for is refused for its token first, and this is not there.
    probe = channel.unary_unary(NO_METHOD, request_serializer=_same, response_deserializer=_same)
    try:
        await probe(b"", timeout=CONNECT_S, metadata=target.security.metadata)
    except grpc.aio.AioRpcError as error:
        why = why_refused(error.code(), error.details(), target.security)
        if why is not None:
            raise UnreachableError(f"{target.address}: {why}") from error
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            raise UnreachableError(f"nobody answers at {target.address}") from error
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise UnreachableError(f"{target.address} did not answer within {CONNECT_S:g} s") from error
    finally:
        await channel.close()
