"""An HTTP face that listens: bounded connections, TLS and tokens, odd requests refused in one place."""

import asyncio
from collections.abc import Iterable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from voice_operations.addresses import Address
from voice_operations.http_connection import VERSIONS, ErrorAnswer, HttpLimits, connection_factory
from voice_operations.http_guard import HttpGuard

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
HANDSHAKE_S: Final = 5.0
STOP_S: Final = 0.5


class HttpListener:
    """Serves between `start` and `stop`. `guard` says who may ask, `error` makes every answer that refuses.

    No request has a body. On a loopback address only the names of loopback are taken as Host, so that a web page whose
    name resolves to this machine cannot ask.
    """

    def __init__(
        self, address: Address, guard: HttpGuard, error: ErrorAnswer, limits: HttpLimits | None = None
    ) -> None:
        self._address = address
        self._guard = guard
        self._error = error
        self._limits = limits or HttpLimits()
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None

    async def start(self, routes: Iterable[web.AbstractRouteDef]) -> int:
        """Listens; gives the port.

        Raises OSError when it cannot be had, OperatorError for TLS files that cannot be used.
        """
        tls = self._guard.ssl_context()
        app = web.Application(middlewares=(self._refuse_strangers, *self._guard.middlewares()))
        app.add_routes(routes)
        self._runner = web.AppRunner(app, shutdown_timeout=STOP_S)
        await self._runner.setup()
        assert self._runner.server is not None, "set up"
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            connection_factory(self._runner.server, loop, self._limits, self._error),
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

    @web.middleware
    async def _refuse_strangers(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.version not in VERSIONS:
            return self._error(505)
        hosts = request.headers.getall("Host", ())
        if self._address.is_loopback and not all(_name_of(host) in LOOPBACK_NAMES for host in hosts):
            return self._error(403)
        if request.can_read_body:
            refusal = self._error(413)
            refusal.force_close()
            return refusal
        return await handler(request)


def _name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
