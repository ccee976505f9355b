"""What a server asks of its peers and what a client shows; beyond loopback neither does without."""

from dataclasses import dataclass

import grpc

from voice_operations.addresses import Address
from voice_operations.bearer_tokens import BearerToken, BearerTokens
from voice_operations.operator_error import OperatorError
from voice_operations.renewed_files import RenewedFiles
from voice_operations.tls_files import ClientTls, ServerTls

REMEDY = "`voice-orchestrator certs` makes them: init, issue, token"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSecurity:
    """TLS and tokens of a server. What is there is asked of every peer, on loopback too."""

    tls: ServerTls | None = None
    tokens: BearerTokens | None = None

    def require_for(self, address: Address, *, mutual: bool) -> None:
        """Raises OperatorError when `address` is beyond loopback and something is missing for it.

        `mutual` says that clients have to show a certificate.
        """
        missing = []
        if self.tls is None:
            missing += ["--tls-cert", "--tls-key"]
        if mutual and (self.tls is None or self.tls.client_ca is None):
            missing += ["--tls-client-ca"]
        if self.tokens is None:
            missing += ["--token-file"]
        if missing and not address.is_loopback:
            raise OperatorError(f"{address}: loopback only without {_listed(missing)}; {REMEDY}")


class ClientSecurity:
    """TLS and the token of a client; certificates that are renewed are used for the connections that follow."""

    def __init__(self, tls: ClientTls | None = None, token: BearerToken | None = None) -> None:
        """Raises OperatorError when the files of `tls` cannot be used."""
        self.tls = tls
        self.token = token
        self._credentials = None if tls is None else RenewedFiles(tls.paths, tls.credentials)

    def require_for(self, address: Address) -> None:
        """Raises OperatorError when `address` is beyond loopback and a token or sound would go there in the clear."""
        if self.tls is None and not address.is_loopback:
            raise OperatorError(f"{address}: not this machine, so the certificate of its CA is needed; {REMEDY}")

    def credentials(self) -> grpc.ChannelCredentials | None:
        """For a new channel; None is one without TLS."""
        return None if self._credentials is None else self._credentials.current()

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        return () if self.token is None else (("authorization", self.token.authorization),)


def _listed(options: list[str]) -> str:
    return " and ".join((", ".join(options[:-1]), options[-1]) if len(options) > 1 else options)
