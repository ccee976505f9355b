"""The HTTP face of a node: /metrics, /healthz and /readyz on one port."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from voice_inference.server.metrics import NodeMetrics
from voice_operations.addresses import Address
from voice_operations.http_connection import HttpLimits
from voice_operations.http_guard import HttpGuard
from voice_operations.http_listener import HttpListener

HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "voice-inference"}
"""On every answer; the library's own Server header would name its version and Python's."""


class HttpFace:
    """Serves from before the models are loaded. `ready` says whether sessions are taken, `guard` who sees /metrics."""

    def __init__(
        self,
        address: Address,
        metrics: NodeMetrics,
        ready: Callable[[], bool],
        guard: HttpGuard,
        limits: HttpLimits | None = None,
    ) -> None:
        self._metrics = metrics
        self._ready = ready
        self._listener = HttpListener(address, guard, _error, limits)
        # One thread: writing hundreds of lines takes milliseconds that the event loop owes to sessions.
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
            )
        )

    async def stop(self) -> None:
        """Stops listening and ends every connection."""
        await self._listener.stop()
        self._writer.shutdown(wait=False)

    async def _get_metrics(self, request: web.Request) -> web.Response:
        del request
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._writer, generate_latest, self._metrics.registry)
        return web.Response(body=body, headers={**HEADERS, "Content-Type": CONTENT_TYPE_LATEST})

    async def _get_healthz(self, request: web.Request) -> web.Response:
        del request
        return _line("ok")

    async def _get_readyz(self, request: web.Request) -> web.Response:
        del request
        return _line("ready") if self._ready() else _line("not ready", status=503)


def _line(text: str, status: int = 200) -> web.Response:
    return web.Response(text=f"{text}\n", status=status, headers=HEADERS)


def _error(status: int) -> web.Response:
    return _line(HTTPStatus(status).phrase.lower(), status)
