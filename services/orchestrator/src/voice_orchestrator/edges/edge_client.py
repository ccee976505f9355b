"""The edge's end of a call on an orchestrator elsewhere: Edge.Call as a gRPC client."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import grpc

from voice_agent.v1 import edge_service_pb2_grpc
from voice_contract.codec import Peer
from voice_operations.security import ClientSecurity
from voice_orchestrator.runtime.channels import CallStatus, open_channel
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
    status = CallStatus(call)
    stream = EdgeStream(
        _reader(call, status), _writer(call, status), lambda: None, Peer.ORCHESTRATOR_TO_EDGE, "", monotonic_us
    )
    try:
        yield stream
    finally:
        call.cancel()
        await channel.close()


def _reader(call: Any, status: CallStatus) -> Callable[[], Any]:  # noqa: ANN401
    async def read() -> Any:  # noqa: ANN401
        with suppress(grpc.aio.AioRpcError):
            message = await call.read()
            if message is not grpc.aio.EOF:
                return message
        code, details = await status.get()
        if code is not grpc.StatusCode.OK:
            raise ConnectionError(_said(code, details))
        return None

    return read


def _writer(call: Any, status: CallStatus) -> Callable[[Any], Any]:  # noqa: ANN401
    async def write(message: Any) -> None:  # noqa: ANN401
        try:
            await call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            code, details = await status.get()
            ended = code is grpc.StatusCode.OK
            raise ConnectionError("the orchestrator ended the stream" if ended else _said(code, details)) from error

    return write


def _said(code: grpc.StatusCode, details: str) -> str:
    return f"{code.name}: {details or 'no details'}"
