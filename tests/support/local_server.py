"""A real HTTP server on a free port of this machine, for fakes of model servers."""

from types import TracebackType
from typing import Self

from aiohttp import web


class LocalServer:
    """Serves `routes` while it is entered. A handler whose client goes away is cancelled."""

    def __init__(self, *routes: web.RouteDef) -> None:
        application = web.Application()
        application.add_routes(routes)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()


async def drop_connection(request: web.Request) -> None:
    """Ends the connection in the middle of whatever is on it."""
    assert request.transport is not None
    request.transport.abort()
