"""Who may talk to a gRPC server: TLS, and a bearer token with every call but health checks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Self

import grpc
from prometheus_client import CollectorRegistry

from voice_operations.bearer_tokens import BearerTokens, TokenProblem
from voice_operations.peer_metrics import GRPC, PeerMetrics
from voice_operations.renewed_files import RenewedFiles
from voice_operations.security import ServerSecurity

HEALTH: Final = "/grpc.health.v1.Health/"
TLS_OPTIONS: Final = (("grpc.server_handshake_timeout_ms", 2_000),)
"""Whoever connects and says nothing is let go after this; gRPC's own limit is two minutes."""

REFUSAL: Final = {
    TokenProblem.MISSING: "a bearer token is needed: metadata authorization: Bearer TOKEN",
    TokenProblem.MALFORMED: "the authorization metadata is not one `Bearer TOKEN`",
    TokenProblem.UNKNOWN: "this bearer token is not known here",
}


class GrpcGuard:
    """Makes servers that refuse, and counts whom they refused."""

    def __init__(self, security: ServerSecurity, metrics: PeerMetrics) -> None:
        self._security, self._metrics = security, metrics

    @classmethod
    def open(cls) -> Self:
        """One that lets everybody in."""
        return cls(ServerSecurity(), PeerMetrics("open", CollectorRegistry()))

    def make_server(self, options: tuple[tuple[str, int], ...]) -> grpc.aio.Server:
        """A server with `options` that has no port yet."""
        tokens = self._security.tokens
        return grpc.aio.server(
            interceptors=() if tokens is None else (_TokenInterceptor(tokens, self._metrics),),
            options=options if self._security.tls is None else (*options, *TLS_OPTIONS),
        )

    def add_port(self, server: grpc.aio.Server, address: str) -> int:
        """Takes the port; gives it. Raises OSError when it cannot be had, OperatorError for TLS files."""
        try:
            if self._security.tls is None:
                port = server.add_insecure_port(address)
            else:
                port = server.add_secure_port(address, self._credentials())
        except RuntimeError as error:
            raise OSError(str(error)) from error
        if port == 0:
            raise OSError(f"cannot listen on {address}")
        return port

    def peer_of(self, context: Any) -> str | None:  # noqa: ANN401 - grpc's own shape
        """Name of the peer whose call has this `context`, by its token; None where no tokens are asked for."""
        tokens = self._security.tokens
        peer = None if tokens is None else tokens.peer(authorization_of(context.invocation_metadata()))
        return peer if isinstance(peer, str) else None

    def _credentials(self) -> grpc.ServerCredentials:
        tls, metrics = self._security.tls, self._metrics
        assert tls is not None

        def make() -> grpc.ServerCertificateConfiguration:
            configuration, expires_s = tls.configuration()
            metrics.certificate_expiry.labels(GRPC).set(expires_s)
            return configuration

        files = RenewedFiles(tls.paths, make)
        used = files.current()

        def fetch() -> Any:  # noqa: ANN401 - None is "as before", which the stubs do not know
            """Before every handshake, on a thread of gRPC's."""
            nonlocal used
            metrics.handshakes.labels(GRPC).inc()
            before, used = used, files.current()
            return None if used is before else used

        return grpc.dynamic_ssl_server_credentials(used, fetch, tls.client_ca is not None)


class _TokenInterceptor(grpc.aio.ServerInterceptor):
    """Answers calls without a known token with UNAUTHENTICATED, before anything of theirs is read."""

    def __init__(self, tokens: BearerTokens, metrics: PeerMetrics) -> None:
        self._tokens, self._metrics = tokens, metrics

    # The stubs tie the handler's type to the caller's; a refusal fits every method.
    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:  # noqa: ANN401
        """See grpc.aio.ServerInterceptor."""
        if handler_call_details.method.startswith(HEALTH):
            return await continuation(handler_call_details)
        peer = self._tokens.peer(authorization_of(handler_call_details.invocation_metadata))
        if isinstance(peer, str):
            return await continuation(handler_call_details)
        return self._refuse(peer)

    def _refuse(self, problem: TokenProblem) -> "grpc.RpcMethodHandler[Any, Any]":
        async def abort(requests: AsyncIterator[Any], context: Any) -> None:  # noqa: ANN401
            del requests
            self._metrics.refuse(GRPC, problem.value, context.peer())
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSAL[problem])

        # Of the four kinds only this one begins without waiting for a message.
        return grpc.stream_stream_rpc_method_handler(abort)


def authorization_of(metadata: Any) -> tuple[str, ...]:  # noqa: ANN401 - grpc's own shape
    """Values of the authorization entries of a call's metadata."""
    return tuple(str(value) for key, value in metadata or () if key == "authorization")
