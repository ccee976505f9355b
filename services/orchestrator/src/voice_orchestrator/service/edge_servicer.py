"""Edge.Call over gRPC: an edge's stream becomes an EdgePort and is hosted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc
import structlog

from voice_agent.v1 import edge_service_pb2_grpc
from voice_contract.codec import Peer
from voice_contract.failures import FailureReason
from voice_orchestrator.runtime.clock import SessionClock, new_session_id
from voice_orchestrator.runtime.edge_stream import EdgeStream
from voice_orchestrator.service.call_host import CallHost, IncomingCall
from voice_orchestrator.service.line_edge import LineEdge
from voice_orchestrator.service.request_reader import RequestReader

END_WAIT_S: Final = 5.0
"""How long a call whose edge is gone may take to end."""

log = structlog.get_logger(__name__)


class EdgeServicer(edge_service_pb2_grpc.EdgeServicer):
    """Hosts one call per stream. `tasks` own the calls, which end on their own when their edges are gone.

    `cut` is told why a stream is ended because of what its edge did.
    """

    def __init__(
        self,
        host: CallHost,
        tasks: asyncio.TaskGroup,
        cut: Callable[[FailureReason], None] = lambda reason: None,
    ) -> None:
        self._host = host
        self._tasks = tasks
        self._cut = cut

    # The generated base class has the names of the contract and no types for the asynchronous API.
    async def Call(  # type: ignore[override]
        self,
        request_iterator: AsyncIterator[Any],
        context: Any,  # noqa: ANN401
    ) -> None:
        """One call; see edge_service.proto."""
        over = asyncio.Event()

        async def write(message: Any) -> None:  # noqa: ANN401
            try:
                await context.write(message)
            except (asyncio.InvalidStateError, grpc.aio.BaseError, grpc.RpcError) as error:
                raise ConnectionError(f"the edge's stream is gone: {type(error).__name__}") from error

        clock, session_id = SessionClock(), new_session_id()
        reader = RequestReader(request_iterator)
        stream = EdgeStream(reader.read, write, over.set, Peer.EDGE, session_id, clock.monotonic_us)
        call = IncomingCall(
            edge=LineEdge(stream, clock, self._cut),
            session_id=session_id,
            peer=_host_of(context.peer()),
            clock=clock,
        )
        self._tasks.create_task(reader.run(), name=f"requests-{session_id}")
        hosting = self._tasks.create_task(self._host_alone(call), name=f"call-{session_id}")
        try:
            await asyncio.shield(hosting)
        except asyncio.CancelledError:
            # The edge went away. The session is told by its own stream and ends for that reason, not as a shutdown.
            stream.lose()
            await asyncio.wait((hosting,), timeout=END_WAIT_S)
            hosting.cancel()
            raise
        finally:
            reader.close()

    async def _host_alone(self, call: IncomingCall) -> None:
        """A call that breaks ends alone."""
        try:
            await self._host.host(call)
        except Exception as error:
            log.error("call_broke", session=call.session_id, exc_info=error)


def _host_of(peer: str) -> str:
    """The address without its port: a peer's next connection is the same peer."""
    kind, _, rest = peer.partition(":")
    return rest.rpartition(":")[0] if kind in ("ipv4", "ipv6") else peer
