"""The gRPC face of the orchestrator: Edge.Call, health and reflection."""

from typing import Any, Final

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from voice_agent.v1 import edge_service_pb2_grpc
from voice_contract.channel_options import SERVER_OPTIONS
from voice_operations.grpc_guard import GrpcGuard
from voice_orchestrator.service.edge_servicer import EdgeServicer

SERVICE_NAME: Final = "voice_agent.v1.Edge"
STOP_GRACE_S: Final = 0.5


class EdgeServer:
    """Health is NOT_SERVING until `set_serving(True)`. `guard` decides who may talk to it."""

    def __init__(self, address: str, servicer: EdgeServicer, guard: GrpcGuard) -> None:
        self._address = address
        self._guard = guard
        self._server = guard.make_server(SERVER_OPTIONS)
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE_NAME, "grpc.health.v1.Health", reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        edge_service_pb2_grpc.add_EdgeServicer_to_server(servicer, self._server)

    async def start(self) -> int:
        """Takes the port and begins to answer; gives the port.

        Raises OSError when it cannot be had, OperatorError for TLS files.
        """
        port = self._guard.add_port(self._server, self._address)
        await self.set_serving(False)
        await self._server.start()
        return port

    async def set_serving(self, serving: bool) -> None:
        """Says whether calls are taken."""
        status: Any = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set("", status)
        await self._health.set(SERVICE_NAME, status)

    async def stop(self) -> None:
        """Stops listening; what is still open is cut."""
        await self._server.stop(grace=STOP_GRACE_S)
