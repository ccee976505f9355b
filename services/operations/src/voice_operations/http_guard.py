"""Who may talk to an HTTP server: TLS, and a bearer token for every path but those of probes."""

import ssl
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from voice_operations.bearer_tokens import TokenProblem
from voice_operations.peer_metrics import HTTP, PeerMetrics
from voice_operations.renewed_files import RenewedFiles
from voice_operations.security import ServerSecurity

PROBES: Final = frozenset({"/healthz", "/readyz"})
"""A probe knows no secret, and whether the node lives is none."""


class HttpGuard:
    """Refuses, and counts whom it refused. `open_paths` are answered to everybody."""

    def __init__(self, security: ServerSecurity, metrics: PeerMetrics, open_paths: frozenset[str] = PROBES) -> None:
        self._security, self._metrics, self._open = security, metrics, open_paths

    def middlewares(self) -> tuple[Middleware, ...]:
        """For web.Application; the first in its list."""
        return () if self._security.tokens is None else (self._check,)

    def ssl_context(self) -> ssl.SSLContext | None:
        """For web.TCPSite; None without TLS. Raises OperatorError for TLS files."""
        tls, metrics = self._security.tls, self._metrics
        if tls is None:
            return None

        def make() -> ssl.SSLContext:
            context, expires_s = tls.ssl_context()
            metrics.certificate_expiry.labels(HTTP).set(expires_s)
            return context

        files = RenewedFiles(tls.paths, make)
        context = files.current()

        def begin(shown: ssl.SSLObject, name: str | None, first: ssl.SSLContext) -> None:
            del name, first
            metrics.handshakes.labels(HTTP).inc()
            shown.context = files.current()

        # Called for every handshake, whether the client names a server or not.
        context.sni_callback = begin
        return context

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        tokens = self._security.tokens
        if tokens is None or request.path in self._open:
            return await handler(request)
        peer = tokens.peer(request.headers.getall("Authorization", []))
        if isinstance(peer, TokenProblem):
            self._metrics.refuse(HTTP, peer.value, request.remote or "")
            raise web.HTTPUnauthorized(text="a bearer token is needed\n", headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)
