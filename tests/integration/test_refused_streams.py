"""A client that is refused while it writes is told what it was refused for, over real sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry
from support.secured_node import secured_node

from voice_agent.v1 import inference_service_pb2_grpc
from voice_contract.channel_options import SERVER_OPTIONS
from voice_contract.codec import encode
from voice_contract.messages import Heartbeat, Payload
from voice_contract.sequencing import EventSequencer
from voice_operations.bearer_tokens import BearerTokens, new_token
from voice_operations.grpc_guard import GrpcGuard
from voice_operations.peer_metrics import PeerMetrics
from voice_operations.security import ClientSecurity, ServerSecurity
from voice_orchestrator.edges.edge_client import edge_client
from voice_orchestrator.runtime.channels import CallStatus, open_channel
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import EdgeGoneError

TRIES = 20
"""Before it was mended the library's own INTERNAL was seen in 98 of 100."""


async def write_on(send: Callable[[Payload], Awaitable[None]]) -> None:
    """Writes until that fails."""
    while True:
        await send(Heartbeat())


async def refusals(address: str) -> set[str]:
    """What an edge without a token is told when it writes on, and when it reads after that."""
    async with edge_client(address, ClientSecurity(), SessionClock().monotonic_us) as stream:
        with pytest.raises(EdgeGoneError) as written:
            await write_on(stream.send)
        with pytest.raises(EdgeGoneError) as read:
            await stream.receive()
        assert stream.gone == str(read.value)
    return {str(written.value), str(read.value)}


async def test_an_edge_that_writes_on_is_told_that_its_token_was_refused() -> None:
    async with secured_node(ServerSecurity(tokens=BearerTokens([new_token("edge")]))) as node:
        told = [await refusals(node.address) for _ in range(TRIES)]
    assert told == [{"UNAUTHENTICATED: a bearer token is needed: metadata authorization: Bearer TOKEN"}] * TRIES


async def status_of_refused_call(address: str) -> tuple[grpc.StatusCode, str]:
    async with open_channel(address, ClientSecurity()) as channel:
        call = inference_service_pb2_grpc.InferenceStub(channel).Converse()
        status = CallStatus(call)
        sequencer = EventSequencer("s", SessionClock().monotonic_us)
        with pytest.raises((grpc.aio.AioRpcError, asyncio.InvalidStateError)):
            await write_on(lambda beat: call.write(encode(sequencer.make(beat))))
        return await status.get()


async def test_what_a_peer_said_outlasts_a_write_that_fails() -> None:
    async with secured_node(ServerSecurity(tokens=BearerTokens([new_token("edge")]))) as node:
        for _ in range(TRIES):
            code, details = await status_of_refused_call(node.address)
            assert (code, details[:24]) == (grpc.StatusCode.UNAUTHENTICATED, "a bearer token is needed")


@pytest.mark.parametrize("ends", [True, False])
async def test_a_call_that_ends_without_a_refusal_says_so(ends: bool) -> None:
    async def handler(requests: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        if not ends:
            await context.abort(grpc.StatusCode.INTERNAL, "a defect of the server's own")

    guard = GrpcGuard(ServerSecurity(), PeerMetrics("test", CollectorRegistry()))
    server = guard.make_server(SERVER_OPTIONS)
    handlers: Any = {"Call": grpc.stream_stream_rpc_method_handler(handler)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("voice_agent.v1.Edge", handlers),))
    address = f"127.0.0.1:{guard.add_port(server, '127.0.0.1:0')}"
    await server.start()
    try:
        told = await refusals(address)
    finally:
        await server.stop(0)
    ended = {"the orchestrator ended the stream", "the other end closed the stream"}
    assert told == (ended if ends else {"INTERNAL: a defect of the server's own"})
