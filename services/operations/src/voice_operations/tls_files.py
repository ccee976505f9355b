"""The files of TLS as their paths, and what gRPC and HTTP servers and clients make of them."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from voice_operations.certificate_trial import Role, try_certificate
from voice_operations.credential_files import read_credential
from voice_operations.operator_error import OperatorError


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate, followed by the intermediate ones if there are any, and its key; PEM both."""

    cert: Path
    key: Path

    def read(self, role: Role) -> tuple[bytes, bytes, float]:
        """Key, certificate, and the second since 1970 at which it expires; raises OperatorError.

        What a peer would refuse is refused here: a key of another certificate, an expired certificate, a wrong role.
        """
        cert = read_credential(self.cert, "certificate", secret=False)
        key = read_credential(self.key, "key", secret=True)
        return key, cert, try_certificate(self.cert, self.key, role)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """How a server proves who it is; with `client_ca`, whose certificates its clients have to show (mutual TLS)."""

    identity: Identity
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return _paths(self.identity, self.client_ca)

    def configuration(self) -> tuple[grpc.ServerCertificateConfiguration, float]:
        """For gRPC, and when the certificate expires, in seconds since 1970; raises OperatorError."""
        key, cert, expires_s = self.identity.read(Role.SERVER)
        ca = None if self.client_ca is None else read_ca(self.client_ca)
        return grpc.ssl_server_certificate_configuration([(key, cert)], ca), expires_s

    def ssl_context(self) -> tuple[ssl.SSLContext, float]:
        """For HTTP, where no client certificate is asked for, and when it expires; raises OperatorError."""
        _, _, expires_s = self.identity.read(Role.SERVER)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.identity.cert, self.identity.key)
        return context, expires_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """Whose certificates a client believes, and with `identity` the one it shows (mutual TLS)."""

    ca: Path
    identity: Identity | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return _paths(self.identity, self.ca)

    def credentials(self) -> grpc.ChannelCredentials:
        """For gRPC channels; raises OperatorError."""
        ca = read_ca(self.ca)
        if self.identity is None:
            return grpc.ssl_channel_credentials(ca)
        key, cert, _ = self.identity.read(Role.CLIENT)
        return grpc.ssl_channel_credentials(ca, key, cert)


def read_ca(path: Path) -> bytes:
    """The certificates of the CAs in `path`; raises OperatorError when it has none."""
    content = read_credential(path, "certificate of a CA", secret=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise OperatorError(f"{path}: not a PEM certificate") from error
    if not context.cert_store_stats()["x509_ca"]:
        raise OperatorError(f"{path}: is no certificate of a CA; name the ca.crt that `voice-orchestrator certs` made")
    return content


def _paths(identity: Identity | None, ca: Path | None) -> tuple[Path, ...]:
    paths = (None, None, ca) if identity is None else (identity.cert, identity.key, ca)
    return tuple(path for path in paths if path is not None)
