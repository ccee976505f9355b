"""The HTTP face of the orchestrator, on one port: /metrics, /healthz, /readyz and the operators' REST."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from voice_operations.addresses import Address
from voice_operations.http_guard import HttpGuard
from voice_orchestrator.service.directory import SessionDirectory
from voice_orchestrator.service.http_answers import HEADERS, error, plain_text
from voice_orchestrator.service.http_connection import VERSIONS, HttpLimits, connection_factory
from voice_orchestrator.service.metrics import ServiceMetrics
from voice_orchestrator.service.rest import Rest

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
HANDSHAKE_S: Final = 5.0
STOP_S: Final = 0.5


class HttpFace:
    """Serves between `start` and `stop`. `guard` says who may ask; `now` gives the time of day.

    On a loopback address only the names of loopback are taken as Host, so that a web page whose name resolves to this
    machine cannot ask.
    """

    def __init__(
        self,
        address: Address,
        metrics: ServiceMetrics,
        directory: SessionDirectory,
        guard: HttpGuard,
        *,
        version: str,
        now: Callable[[], datetime],
        limits: HttpLimits | None = None,
    ) -> None:
        self._address = address
        self._metrics = metrics
        self._directory = directory
        self._guard = guard
        self._limits = limits or HttpLimits()
        self._rest = Rest(directory, version, now)
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        # One thread: writing a thousand lines takes milliseconds that the event loop owes to calls.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="metrics")

    async def start(self) -> int:
        """Listens; gives the port.

        Raises OSError when it cannot be had, OperatorError for TLS files that cannot be used.
        """
        tls = self._guard.ssl_context()
        app = web.Application(middlewares=(self._refuse_strangers, *self._guard.middlewares()))
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", self._get_healthz)
        app.router.add_get("/readyz", self._get_readyz)
        app.add_routes(self._rest.routes())
        self._runner = web.AppRunner(app, shutdown_timeout=STOP_S)
        await self._runner.setup()
        assert self._runner.server is not None, "set up"
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            connection_factory(self._runner.server, loop, self._limits),
            self._address.host,
            self._address.port,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_S if tls else None,
            backlog=self._limits.connections,
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stops listening and ends every connection."""
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()
        self._writer.shutdown(wait=False)

    @web.middleware
    async def _refuse_strangers(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.version not in VERSIONS:
            return error(505)
        hosts = request.headers.getall("Host", ())
        if self._address.is_loopback and not all(_name_of(host) in LOOPBACK_NAMES for host in hosts):
            return error(403)
        if request.can_read_body:
            refusal = error(413)
            refusal.force_close()
            return refusal
        return await handler(request)

    async def _get_metrics(self, request: web.Request) -> web.Response:
        self._metrics.refresh(self._directory)
        wants_open = openmetrics.CONTENT_TYPE_LATEST.partition(";")[0] in request.headers.get("Accept", "")
        write = openmetrics.generate_latest if wants_open else generate_latest
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._writer, write, self._metrics.registry)
        content_type = openmetrics.CONTENT_TYPE_LATEST if wants_open else CONTENT_TYPE_PLAIN_0_0_4
        return web.Response(body=body, headers={**HEADERS, "Content-Type": content_type})

    async def _get_healthz(self, request: web.Request) -> web.Response:
        del request
        return plain_text("ok")

    async def _get_readyz(self, request: web.Request) -> web.Response:
        del request
        return plain_text("ready") if self._directory.accepting else plain_text("not ready", status=503)


def _name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
