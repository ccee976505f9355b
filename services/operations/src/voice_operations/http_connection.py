"""One HTTP connection, bounded: how many there are, how long they may idle, how slowly they may read."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

ErrorAnswer = Callable[[int], web.Response]
"""Makes the answer to an HTTP status of 400 or more, in the shape of the service's own."""

VERSIONS: Final = frozenset({HttpVersion10, HttpVersion11})
HEADER_BYTES_MAX: Final = 8_190
HEADERS_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What one server puts up with.

    idle_s: how long a connection may be open without a whole request, half a header or not. write_s: how long a peer
    may take to read an answer. linger_s: how long what a refused request still sends is read, so that the refusal
    arrives.
    """

    connections: int = 64
    idle_s: float = 30.0
    write_s: float = 5.0
    linger_s: float = 1.0


log = structlog.get_logger(__name__)


class BoundedConnection(web.RequestHandler):
    """What aiohttp serves a connection with, made to give up on peers that do not and to answer errors by `error`."""

    __slots__ = ("_error", "_limits", "_server")

    def __init__(
        self, server: web.Server, loop: asyncio.AbstractEventLoop, limits: HttpLimits, error: ErrorAnswer
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=limits.idle_s,
            lingering_time=limits.linger_s,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )
        self._server = server
        self._limits = limits
        self._error = error

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuses the connection when too many are open."""
        stream = cast(asyncio.Transport, transport)
        if len(self._server.connections) >= self._limits.connections:
            log.warning("http_connection_refused", open=self._limits.connections)
            stream.abort()
            return
        # What was written counts as written once the system has it: else a closed connection might linger unread.
        stream.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Sends the answer, errors of the library in the house's shape; cuts a peer that does not take it."""
        if request.version not in VERSIONS:
            # The answer would claim to be of the same version.
            self.force_close()
            return resp, True
        if isinstance(resp, web.HTTPException):
            resp = self._in_house_shape(resp)
        try:
            async with asyncio.timeout(self._limits.write_s):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            log.warning("http_peer_reads_nothing", peer=request.remote)
            if self.transport is not None:
                self.transport.abort()
            return resp, True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no HTTP, and to a defect, which is logged."""
        del message
        if isinstance(exc, UnicodeEncodeError) and "Expect" in request.headers:
            # The library cannot write down an expectation that is not UTF-8, which it wants to do when refusing it.
            status = 417
        elif not isinstance(exc, HttpProcessingError):
            log.error("http_request_failed", path=request.path, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer was sent already")
        response = self._error(status)
        response.force_close()
        return response

    def _in_house_shape(self, refusal: web.HTTPException) -> web.Response:
        response = self._error(refusal.status)
        for name in ("Allow", "WWW-Authenticate"):
            if name in refusal.headers:
                response.headers[name] = refusal.headers[name]
        return response


def connection_factory(
    server: web.Server, loop: asyncio.AbstractEventLoop, limits: HttpLimits, error: ErrorAnswer
) -> Callable[[], BoundedConnection]:
    """Makes connections for `loop.create_server`."""
    return lambda: BoundedConnection(server, loop, limits, error)
