"""The HTTP face of the orchestrator, on one port: /metrics, /healthz, /readyz and the operators' REST."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from voice_operations.addresses import Address
from voice_operations.http_connection import HttpLimits
from voice_operations.http_guard import HttpGuard
from voice_operations.http_listener import HttpListener
from voice_orchestrator.service.directory import SessionDirectory
from voice_orchestrator.service.http_answers import HEADERS, error, plain_text
from voice_orchestrator.service.metrics import ServiceMetrics
from voice_orchestrator.service.rest import Rest


class HttpFace:
    """Serves between `start` and `stop`. `guard` says who may ask; `now` gives the time of day."""

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
        self._metrics = metrics
        self._directory = directory
        self._listener = HttpListener(address, guard, error, limits)
        self._rest = Rest(directory, version, now)
        # One thread: writing a thousand lines takes milliseconds that the event loop owes to calls.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="metrics")

    async def start(self) -> int:
        """Listens; gives the port.

        Raises OSError when it cannot be had, OperatorError for TLS files that cannot be used.
        """
        return await self._listener.start(
            (
                web.get("/metrics", self._get_metrics),
                web.get("/healthz", self._get_healthz),
                web.get("/readyz", self._get_readyz),
                *self._rest.routes(),
            )
        )

    async def stop(self) -> None:
        """Stops listening and ends every connection."""
        await self._listener.stop()
        self._writer.shutdown(wait=False)

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
