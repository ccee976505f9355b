"""Channels to other processes, and what a failed connection means for the person who set it up."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

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

_WRITE_FAILED: Final = (grpc.StatusCode.INTERNAL, "Internal error from Core")
"""The status gRPC gives to a call of which a write failed, whatever the peer said."""

STATUS_WAIT_S: Final = 0.5
"""How long a peer's status is waited for once the call is known to be over: it is on its way, or there is none."""

T = TypeVar("T")


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


class CallStatus:
    """How a call ended, in its peer's words. To be made with the call.

    A write that fails because the peer has just ended the call overwrites what the peer said with INTERNAL; here it is
    kept.
    """

    def __init__(self, call: Any) -> None:  # noqa: ANN401 - a call of grpc.aio, whose types differ by its kind
        self._call = call
        self._said: tuple[grpc.StatusCode, str] | None = None
        self._known = asyncio.Event()
        call.add_done_callback(self._note)

    async def get(self) -> tuple[grpc.StatusCode, str]:
        """Code and details; to be asked for when the call is over: at the end of its messages or after an error."""
        try:
            async with asyncio.timeout(STATUS_WAIT_S):
                await self._known.wait()
        except TimeoutError:
            return await self._call.code(), await self._call.details() or ""
        assert self._said is not None, "known"
        return self._said

    def _note(self, call: Any) -> None:  # noqa: ANN401
        said = _at_once(call.code()), _at_once(call.details()) or ""
        if said != _WRITE_FAILED and self._said is None:
            self._said = said
            self._known.set()


def _at_once(known: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives that has nothing to wait for: a moment later it might give something else."""
    try:
        known.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise AssertionError("the status of a call that is over is known")
