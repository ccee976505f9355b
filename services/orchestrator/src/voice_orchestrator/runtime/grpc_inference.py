"""Inference.Converse and Inference.Describe over gRPC; the only module that knows the generated stubs."""

import asyncio
from typing import Any, Final

import grpc

from voice_agent.v1 import inference_service_pb2_grpc
from voice_contract.codec import Peer, decode, decode_description, describe_request, encode
from voice_contract.failures import Failure, FailureReason, VoiceAgentError
from voice_contract.messages import Event, NodeDescription, Payload, SessionConfigure, SessionReady
from voice_contract.sequencing import EventSequencer, SequenceGuard
from voice_operations.security import ClientSecurity
from voice_orchestrator.runtime.channels import CallStatus, open_channel, why_refused
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import StreamLostError
from voice_orchestrator.runtime.wait_limit import WaitLimit

OPEN_DEADLINE_S: Final = 3.0
"""From the connection attempt to session_ready; a node that takes longer is asked again."""

WRITE_DEADLINE_S: Final = 2.0
NOTHING_ASKED: Final = ClientSecurity()


class GrpcStream:
    """One Converse call on a channel of its own."""

    def __init__(
        self, address: str, session_id: str, clock: SessionClock, security: ClientSecurity = NOTHING_ASKED
    ) -> None:
        self._address = address
        self._security = security
        self._channel = open_channel(address, security)
        stub = inference_service_pb2_grpc.InferenceStub(self._channel)
        self._call: Any = stub.Converse(metadata=security.metadata)
        self._status = CallStatus(self._call)
        self._sequencer = EventSequencer(session_id, clock.monotonic_us)
        self._guard = SequenceGuard()
        self._write_limit = WaitLimit(WRITE_DEADLINE_S)
        self.ready = SessionReady()
        self.address = address

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        """See InferenceStream."""
        try:
            message = encode(self._sequencer.make(payload, run_id))
            await self._write_limit.wait_for(self._call.write(message))
        except TimeoutError:
            detail = f"{self._address} takes no messages"
            raise StreamLostError(FailureReason.PEER_SILENT, detail) from None
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise await self._lost() from None

    async def receive(self) -> Event:
        """See InferenceStream."""
        try:
            message = await self._call.read()
            if message is grpc.aio.EOF:
                raise await self._lost()
            event = decode(message, Peer.INFERENCE)
            self._guard.accept(event)
        except grpc.aio.AioRpcError:
            raise await self._lost() from None
        except VoiceAgentError as error:
            detail = f"{self._address} breaks the contract: {error.failure.detail}"
            raise StreamLostError(FailureReason.INVALID_MESSAGE, detail) from error
        return event

    async def close(self) -> None:
        """See InferenceStream."""
        self._call.cancel()
        await self._channel.close()

    async def _lost(self) -> StreamLostError:
        code, details = await self._status.get()
        if why := why_refused(code, details, self._security):
            return StreamLostError(FailureReason.INFERENCE_LOST, f"{self._address}: {why}")
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            return StreamLostError(FailureReason.INVALID_MESSAGE, f"{self._address} refuses: {details}")
        if code is grpc.StatusCode.UNAVAILABLE:
            return StreamLostError(FailureReason.INFERENCE_LOST, f"no inference node at {self._address}")
        if code is grpc.StatusCode.OK:
            return StreamLostError(FailureReason.INFERENCE_LOST, f"{self._address} ended the stream")
        return StreamLostError(FailureReason.INFERENCE_LOST, f"{self._address}: {code.name} {details or ''}".strip())


async def open_stream(
    address: str,
    session_id: str,
    configure: SessionConfigure,
    clock: SessionClock,
    deadline_s: float = OPEN_DEADLINE_S,
    security: ClientSecurity = NOTHING_ASKED,
) -> GrpcStream:
    """A stream whose node took the session within `deadline_s`; raises StreamLostError."""
    stream = GrpcStream(address, session_id, clock, security)
    try:
        async with asyncio.timeout(deadline_s):
            await stream.send(configure)
            first = (await stream.receive()).payload
    except TimeoutError:
        await stream.close()
        detail = f"{address} did not answer within {deadline_s:g} s"
        raise StreamLostError(FailureReason.INFERENCE_LOST, detail) from None
    except BaseException:
        await stream.close()
        raise
    if isinstance(first, SessionReady):
        stream.ready = first
        return stream
    await stream.close()
    if isinstance(first, Failure):
        raise StreamLostError(first.reason, f"{address}: {first.detail}")
    raise StreamLostError(FailureReason.INVALID_MESSAGE, f"{address} did not begin with session_ready")


class GrpcConnector:
    """Opens streams to one inference node."""

    def __init__(self, address: str, clock: SessionClock, security: ClientSecurity = NOTHING_ASKED) -> None:
        self._address = address
        self._clock = clock
        self._security = security

    async def open(self, session_id: str, configure: SessionConfigure) -> GrpcStream:
        """See InferenceConnector."""
        return await open_stream(self._address, session_id, configure, self._clock, security=self._security)


async def describe(address: str, deadline_s: float, security: ClientSecurity = NOTHING_ASKED) -> NodeDescription:
    """What the node at `address` can do; raises StreamLostError when none answers in time."""
    async with open_channel(address, security) as channel:
        stub = inference_service_pb2_grpc.InferenceStub(channel)
        try:
            asked = stub.Describe(describe_request(), timeout=deadline_s, metadata=security.metadata)
            return decode_description(await asked)
        except grpc.aio.AioRpcError as error:
            if why := why_refused(error.code(), error.details(), security):
                raise StreamLostError(FailureReason.INFERENCE_LOST, f"{address}: {why}") from error
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                detail = f"the inference node at {address} did not answer within {deadline_s:g} s"
                raise StreamLostError(FailureReason.PEER_SILENT, detail) from error
            detail = f"no inference node at {address}"
            raise StreamLostError(FailureReason.INFERENCE_LOST, detail) from error
        except VoiceAgentError as error:
            detail = f"{address} breaks the contract: {error.failure.detail}"
            raise StreamLostError(FailureReason.INVALID_MESSAGE, detail) from error
