"""The HTTP face of a node: /metrics, /healthz and /readyz on one port."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from voice_inference.server.metrics import NodeMetrics
from voice_operations.addresses import Address
from voice_operations.http_guard import HttpGuard


class HttpFace:
    """Serves from before the models are loaded. `ready` says whether sessions are taken, `guard` who sees /metrics."""

    def __init__(self, address: Address, metrics: NodeMetrics, ready: Callable[[], bool], guard: HttpGuard) -> None:
        self._address = address
        self._metrics = metrics
        self._ready = ready
        self._guard = guard
        self._runner: web.AppRunner | None = None
        self.refresh: Callable[[], None] = lambda: None

    async def start(self) -> int:
        """Listens; gives the port.

        Raises OSError when it cannot be had, OperatorError for TLS files that cannot be used.
        """
        tls = self._guard.ssl_context()
        app = web.Application(middlewares=self._guard.middlewares())
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", self._get_healthz)
        app.router.add_get("/readyz", self._get_readyz)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        host, port = self._address.host, self._address.port
        await web.TCPSite(self._runner, host, port, ssl_context=tls, reuse_port=False).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stops listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _get_metrics(self, request: web.Request) -> web.Response:
        del request
        self.refresh()
        return web.Response(body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _get_healthz(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text="ok\n")

    async def _get_readyz(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text="ready\n") if self._ready() else web.Response(text="not ready\n", status=503)
