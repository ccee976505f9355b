"""Channels to other processes, and what a failed connection means for the person who set it up."""

from typing import Final

import grpc

from voice_contract.channel_options import CLIENT_OPTIONS
from voice_operations.security import ClientSecurity

_NOT_CONNECTED: Final = "failed to connect to all addresses"
_WHY: Final = (
    ("Hostname Verification", "its certificate is for another name: issue one with --host and the name you call"),
    ("certificate has expired", "its certificate has expired: issue another with `voice-orchestrator certs issue`"),
    ("certificate is not yet valid", "its certificate is not valid yet: compare the clocks of the two machines"),
    ("unsupported certificate purpose", "its certificate is not made for a server: issue one with --server"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not of the CA that is believed here"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS: give it --tls-cert and --tls-key, or call it without TLS"),
)
_CUT: Final = ("Socket closed", "Connection reset")


def open_channel(address: str, security: ClientSecurity) -> grpc.aio.Channel:
    """A channel with the options of the contract; calls on it need `metadata=security.metadata`.

    `address` is HOST:PORT, or NAME/HOST:PORT for one of several addresses of a name: certificates name the name.
    """
    name, _, place = address.rpartition("/")
    credentials = security.credentials()
    if credentials is None:
        return grpc.aio.insecure_channel(place, options=CLIENT_OPTIONS)
    named = (("grpc.ssl_target_name_override", name), ("grpc.default_authority", name)) if name else ()
    return grpc.aio.secure_channel(place, credentials, options=(*CLIENT_OPTIONS, *named))


def why_refused(code: grpc.StatusCode, details: str | None, security: ClientSecurity) -> str | None:
    """What is wrong with certificates or tokens when a call ends with `code` and `details`; None when nothing is."""
    said = details or ""
    if code is grpc.StatusCode.UNAUTHENTICATED:
        shown = "the token that was shown" if security.token else "a call without a token"
        return f"it refuses {shown}: {said}"
    if code is not grpc.StatusCode.UNAVAILABLE or _NOT_CONNECTED not in said:
        return None
    for sign, meaning in _WHY:
        if sign in said:
            return meaning
    if any(sign in said for sign in _CUT):
        # TLS 1.3 tells a client that its certificate is refused by closing the connection.
        if security.tls is None:
            return "it closes connections without TLS: name its CA"
        shown = "the certificate that was shown" if security.tls.identity else "a connection without a certificate"
        return f"it refuses {shown}: it takes those of its --tls-client-ca that have not expired"
    return None
