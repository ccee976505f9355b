"""The options of both services that say what a server asks of its peers and what a client shows."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from voice_operations.bearer_tokens import read_own_token, read_tokens
from voice_operations.operator_error import OperatorError
from voice_operations.security import ClientSecurity, ServerSecurity
from voice_operations.tls_files import ClientTls, Identity, ServerTls

TOKENS_VARIABLE: Final = "VOICE_AGENT_TOKENS"

Command = Callable[..., Any]


def server_security_options(command: Command) -> Command:
    """Adds --tls-cert, --tls-key, --tls-client-ca and --token-file; the command gets `security: ServerSecurity`."""

    @functools.wraps(command)
    def with_security(
        *args: Any,  # noqa: ANN401
        tls_cert: Path | None,
        tls_key: Path | None,
        tls_client_ca: Path | None,
        token_file: Path | None,
        **rest: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        identity = _identity(tls_cert, tls_key, "--tls")
        if identity is None and tls_client_ca is not None:
            raise OperatorError("--tls-client-ca needs --tls-cert and --tls-key: clients are only asked over TLS")
        security = ServerSecurity(
            tls=None if identity is None else ServerTls(identity=identity, client_ca=tls_client_ca),
            tokens=read_tokens(token_file, os.environ.get(TOKENS_VARIABLE, "")),
        )
        return command(*args, security=security, **rest)

    return _with_options(
        with_security,
        ("--tls-cert", "Certificate the server shows; PEM."),
        ("--tls-key", "Its key."),
        ("--tls-client-ca", "CA whose certificates gRPC clients have to show."),
        ("--token-file", f"NAME:TOKEN lines; the tokens that are taken. Or ${TOKENS_VARIABLE}, with such lines."),
    )


def client_security_options(peer: str) -> Callable[[Command], Command]:
    """Adds --PEER-tls-ca, --PEER-tls-cert, --PEER-tls-key and --PEER-token-file.

    The command gets `PEER_security: ClientSecurity`.
    """
    variable = f"VOICE_AGENT_{peer.upper()}_TOKEN"

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def with_security(*args: Any, **given: Any) -> Any:  # noqa: ANN401
            ca, cert, key, token_file = (
                given.pop(f"{peer}_{name}") for name in ("tls_ca", "tls_cert", "tls_key", "token_file")
            )
            identity = _identity(cert, key, f"--{peer}-tls")
            if identity is not None and ca is None:
                raise OperatorError(f"--{peer}-tls-cert needs --{peer}-tls-ca: whose certificate is believed")
            security = ClientSecurity(
                None if ca is None else ClientTls(ca=ca, identity=identity),
                read_own_token(token_file, os.environ.get(variable, "")),
            )
            return command(*args, **{f"{peer}_security": security}, **given)

        return _with_options(
            with_security,
            (f"--{peer}-tls-ca", "CA whose certificate the server has to show; with it TLS is spoken."),
            (f"--{peer}-tls-cert", "Certificate this client shows; PEM."),
            (f"--{peer}-tls-key", "Its key."),
            (f"--{peer}-token-file", f"One NAME:TOKEN line, the token this client shows. Or ${variable}."),
        )

    return add


def _with_options(command: Command, *options: tuple[str, str]) -> Command:
    for name, help_text in reversed(options):
        variable = "VOICE_AGENT" + name.removeprefix("-").replace("-", "_").upper()
        command = click.option(
            name, type=click.Path(path_type=Path), envvar=variable, show_envvar=True, metavar="FILE", help=help_text
        )(command)
    return command


def _identity(cert: Path | None, key: Path | None, prefix: str) -> Identity | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise OperatorError(f"{prefix}-cert and {prefix}-key belong together: give both or none")
    return Identity(cert=cert, key=key)
