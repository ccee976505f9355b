"""The edge's end of a call on an orchestrator elsewhere: Edge.Call as a gRPC client."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc

from voice_agent.v1 import edge_service_pb2_grpc
from voice_contract.codec import Peer
from voice_operations.security import ClientSecurity
from voice_orchestrator.runtime.channels import open_channel
from voice_orchestrator.runtime.edge_stream import EdgeStream

CONNECT_DEADLINE_S: Final = 3.0


class OrchestratorUnreachableError(Exception):
    """No orchestrator takes a stream at the address; the text says what it said."""


@asynccontextmanager
async def edge_client(
    address: str, security: ClientSecurity, monotonic_us: Callable[[], int]
) -> AsyncIterator[EdgeStream]:
    """A stream to the orchestrator at `address`, for the length of the block; its `beat` is to run beside it.

    Raises OrchestratorUnreachableError.
    """
    channel = open_channel(address, security)
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            await channel.channel_ready()
    except TimeoutError:
        tls = "" if security.tls is not None else ", or it speaks TLS: name its CA with --edge-tls-ca"
        await channel.close()
        raise OrchestratorUnreachableError(f"no orchestrator at {address}{tls}") from None
    call: Any = edge_service_pb2_grpc.EdgeStub(channel).Call(metadata=security.metadata)
    stream = EdgeStream(_reader(call), _writer(call), lambda: None, Peer.ORCHESTRATOR_TO_EDGE, "", monotonic_us)
    try:
        yield stream
    finally:
        call.cancel()
        await channel.close()


def _reader(call: Any) -> Callable[[], Any]:  # noqa: ANN401
    async def read() -> Any:  # noqa: ANN401
        try:
            message = await call.read()
        except grpc.aio.AioRpcError as error:
            raise ConnectionError(_said(error)) from error
        if message is not grpc.aio.EOF:
            return message
        code = await call.code()
        if code is not grpc.StatusCode.OK:
            raise ConnectionError(f"{code.name}: {await call.details()}")
        return None

    return read


def _writer(call: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    async def write(message: Any) -> None:  # noqa: ANN401
        try:
            await call.write(message)
        except grpc.aio.AioRpcError as error:
            raise ConnectionError(_said(error)) from error
        except asyncio.InvalidStateError as error:
            raise ConnectionError("the orchestrator ended the stream") from error

    return write


def _said(error: grpc.aio.AioRpcError) -> str:
    return f"{error.code().name}: {error.details() or 'no details'}"
