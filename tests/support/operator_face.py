"""The orchestrator's HTTP face on a free port, over a directory that a test fills."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from support.fake_directory import NOON, FakeDirectory

from voice_operations.addresses import Address
from voice_operations.bearer_tokens import BearerTokens, new_token
from voice_operations.http_connection import HttpLimits
from voice_operations.http_guard import HttpGuard
from voice_operations.security import ServerSecurity
from voice_orchestrator.service.http_face import HttpFace
from voice_orchestrator.service.metrics import ServiceMetrics

OPERATOR = new_token("operator")
OPEN = ServerSecurity()
SECURED = ServerSecurity(tokens=BearerTokens([OPERATOR]))
"""Takes OPERATOR's token."""


@dataclass(slots=True, kw_only=True)
class ServedFace:
    """A face that listens on `port` of 127.0.0.1."""

    directory: FakeDirectory
    metrics: ServiceMetrics = field(default_factory=ServiceMetrics)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def served_face(
    directory: FakeDirectory | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    security: ServerSecurity = OPEN,
    limits: HttpLimits | None = None,
) -> AsyncIterator[ServedFace]:
    served = ServedFace(directory=directory or FakeDirectory())
    face = HttpFace(
        Address(host, port),
        served.metrics,
        served.directory,
        HttpGuard(security, served.metrics.peers),
        version="1.2.3",
        now=lambda: NOON,
        limits=limits,
    )
    served.port = await face.start()
    try:
        yield served
    finally:
        await face.stop()
