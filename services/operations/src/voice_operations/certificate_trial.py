"""Tries a certificate in a handshake with itself, so that what a peer would refuse is known at the start.

The handshake happens in memory. It finds what reading the files cannot: a key of another certificate, a validity that
is over or has not begun, a certificate made for the other role. It needs neither a clock nor a parser of certificates.
"""

import ssl
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final

from voice_operations.operator_error import OperatorError

ROUNDS_MAX: Final = 8
"""A handshake takes three."""

NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
WRONG_PURPOSE: Final = 26
_CODES: Final = {
    NOT_YET_VALID: "is not valid yet: set the clock of this machine right, or issue another",
    EXPIRED: "has expired: issue another with `voice-orchestrator certs issue`",
    WRONG_PURPOSE: "is not made for a {role}: issue one with `voice-orchestrator certs issue NAME --{role}`",
}


class Role(Enum):
    """What a certificate is shown as."""

    SERVER = "server"
    CLIENT = "client"


def try_certificate(cert: Path, key: Path, role: Role) -> float:
    """Shows `cert` to itself in `role`; gives the moment it expires, in seconds since 1970.

    Raises OperatorError when it and `key` do not belong together or a peer would refuse it.
    """
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    shower, judge = (server, client) if role is Role.SERVER else (client, server)
    for context in {server, shower}:
        _load(context, cert, key)
    judge.verify_mode = ssl.CERT_REQUIRED
    judge.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    judge.load_verify_locations(cert)
    try:
        ends = _handshake(server, client)
    except ssl.SSLCertVerificationError as error:
        problem = _CODES.get(error.verify_code, f"would be refused: {error.verify_message}")
        raise OperatorError(f"{cert}: the certificate {problem.format(role=role.value)}") from error
    except ssl.SSLError as error:
        raise OperatorError(f"{cert}: the certificate cannot be used: {error.reason or error}") from error
    shown = ends[0 if judge is server else 1].getpeercert() or {}
    return ssl.cert_time_to_seconds(str(shown["notAfter"]))


def _load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(cert, key, password=_no_password(key))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise OperatorError(f"{key}: is not the key of {cert}; name the two that were issued together") from error
        raise OperatorError(f"{cert} and {key}: not a PEM certificate and its PEM key") from error
    except OSError as error:
        raise OperatorError(f"{cert} and {key}: cannot be read: {error.strerror}") from error


def _no_password(key: Path) -> Callable[[], str]:
    def refuse() -> str:
        raise OperatorError(f"{key}: is locked by a password; write it without: openssl pkey -in LOCKED -out UNLOCKED")

    return refuse


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_side=False),
    )
    open_ends = [ends[1], ends[0]]
    for _ in range(ROUNDS_MAX):
        for end in tuple(open_ends):
            try:
                end.do_handshake()
                open_ends.remove(end)
            except ssl.SSLWantReadError:
                pass
        if not open_ends:
            return ends
    raise ssl.SSLError("the handshake does not end")
