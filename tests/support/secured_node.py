"""Both faces of an inference node on real sockets, without models, as secure as a test wants them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from voice_inference.server.http import HttpFace
from voice_inference.server.metrics import NodeMetrics
from voice_inference.server.servicer import GrpcFace, InferenceServicer
from voice_operations.addresses import parse_address
from voice_operations.grpc_guard import GrpcGuard
from voice_operations.http_connection import HttpLimits
from voice_operations.http_guard import HttpGuard
from voice_operations.peer_metrics import PeerMetrics
from voice_operations.security import ServerSecurity


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuredNode:
    """A node that listens on 127.0.0.1; its models are never loaded."""

    grpc_port: int
    http_port: int
    metrics: NodeMetrics

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def count(self, name: str, **labels: str) -> float:
        """The present value of a metric; fails when there is none of that name and labels."""
        value = self.metrics.registry.get_sample_value(name, labels)
        assert value is not None, f"no metric {name} {labels}"
        return value

    def refused(self, face: str, reason: str) -> float:
        return self.count("voice_inference_peers_refused_total", face=face, reason=reason)


@asynccontextmanager
async def secured_node(security: ServerSecurity, limits: HttpLimits | None = None) -> AsyncIterator[SecuredNode]:
    metrics = NodeMetrics()
    peers = PeerMetrics("voice_inference", metrics.registry)
    servicer = InferenceServicer(metrics, 2)
    face = GrpcFace("127.0.0.1:0", servicer, GrpcGuard(security, peers))
    here = parse_address("127.0.0.1:0", listening=True)
    http = HttpFace(here, metrics, lambda: servicer.ready, HttpGuard(security, peers), limits)
    try:
        http_port = await http.start()
        grpc_port = await face.start()
        yield SecuredNode(grpc_port=grpc_port, http_port=http_port, metrics=metrics)
    finally:
        await face.drain(0.0)
        await http.stop()
