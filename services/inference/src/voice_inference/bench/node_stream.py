"""One Inference.Converse stream from the caller's side; the only module of the bench that knows the generated stub."""

import asyncio
from typing import Any

import grpc

from voice_agent.v1 import inference_service_pb2_grpc
from voice_contract.channel_options import CLIENT_OPTIONS
from voice_contract.codec import Peer, decode, encode
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import Event, Payload, SessionConfigure, SessionReady
from voice_contract.sequencing import EventSequencer, SequenceGuard
from voice_inference.clock import monotonic_us


class NodeStream:
    """A stream whose session the node took. `ready` is what it said to that."""

    def __init__(self, address: str, session_id: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=CLIENT_OPTIONS)
        self._call: Any = inference_service_pb2_grpc.InferenceStub(self._channel).Converse()
        self._sequencer = EventSequencer(session_id, monotonic_us)
        self._guard = SequenceGuard()
        self._writing = asyncio.Lock()
        self.ready = SessionReady()

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        """Sends one message; raises VoiceAgentError when the node is gone."""
        try:
            # Numbers must leave in their order, and gRPC takes one message at a time.
            async with self._writing:
                await self._call.write(encode(self._sequencer.make(payload, run_id)))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise _lost("takes no messages") from error

    async def receive(self) -> Event:
        """The node's next message; raises VoiceAgentError when the stream is over or breaks the contract."""
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise _lost(f"broke off: {error.code().name}") from error
        if message is grpc.aio.EOF:
            raise _lost("ended the stream")
        event = decode(message, Peer.INFERENCE)
        self._guard.accept(event)
        return event

    async def close(self) -> None:
        """Gives the connection back."""
        self._call.cancel()
        await self._channel.close()


async def open_stream(address: str, session_id: str, configure: SessionConfigure) -> NodeStream:
    """A stream to the node; raises VoiceAgentError with the node's reason when it refuses the session."""
    stream = NodeStream(address, session_id)
    try:
        await stream.send(configure)
        first = (await stream.receive()).payload
        if isinstance(first, Failure):
            raise VoiceAgentError(first)
        if not isinstance(first, SessionReady):
            raise _lost("did not begin with session_ready")
    except BaseException:
        await stream.close()
        raise
    stream.ready = first
    return stream


def _lost(what: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.LINK, reason=FailureReason.INFERENCE_LOST, detail=f"the node {what}"))
