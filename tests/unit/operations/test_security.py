"""What may listen and call beyond loopback, and how the options say it."""

from pathlib import Path

import click
import pytest
from support.certificates import new_ca, new_identity

from voice_operations.addresses import Address
from voice_operations.bearer_tokens import BearerToken, BearerTokens, new_token
from voice_operations.command_line import EXIT_ERROR, run
from voice_operations.operator_error import OperatorError
from voice_operations.security import ClientSecurity, ServerSecurity
from voice_operations.security_options import client_security_options, server_security_options
from voice_operations.tls_files import ClientTls, Identity, ServerTls

HERE, BEYOND = Address("127.0.0.1", 1), Address("0.0.0.0", 1)
FILES = Identity(cert=Path("a.crt"), key=Path("a.key"))
ONE_WAY, MUTUAL = ServerTls(identity=FILES), ServerTls(identity=FILES, client_ca=Path("ca.crt"))
TOKENS = BearerTokens([new_token("a")])


@pytest.mark.parametrize("tls", [None, ONE_WAY, MUTUAL])
@pytest.mark.parametrize("tokens", [None, TOKENS])
@pytest.mark.parametrize("mutual", [False, True])
def test_beyond_loopback_nothing_is_optional(tls: ServerTls | None, tokens: BearerTokens | None, mutual: bool) -> None:
    security = ServerSecurity(tls=tls, tokens=tokens)
    security.require_for(HERE, mutual=mutual)
    missing = {
        "--tls-cert": tls is None,
        "--tls-key": tls is None,
        "--tls-client-ca": mutual and tls is not MUTUAL,
        "--token-file": tokens is None,
    }
    if not any(missing.values()):
        security.require_for(BEYOND, mutual=mutual)
        return
    with pytest.raises(OperatorError) as refused:
        security.require_for(BEYOND, mutual=mutual)
    said = str(refused.value)
    assert said.startswith("0.0.0.0:1: loopback only without ")
    assert "voice-orchestrator certs" in said
    assert {option: option in said for option in missing} == missing


def test_a_client_does_not_speak_in_the_clear_beyond_loopback(tmp_path: Path) -> None:
    clear = ClientSecurity(token=BearerToken("a", "secret"))
    clear.require_for(HERE)
    with pytest.raises(OperatorError, match="certificate of its CA"):
        clear.require_for(Address("node", 1))
    secured = ClientSecurity(ClientTls(ca=new_ca(tmp_path)))
    secured.require_for(Address("node", 1))
    assert secured.credentials() is not None
    assert (clear.credentials(), secured.metadata) == (None, ())
    assert clear.metadata == (("authorization", "Bearer secret"),)


@click.command()
@server_security_options
@click.option("--other", is_flag=True)
def server(security: ServerSecurity, other: bool) -> None:
    """A command that listens."""
    click.echo(f"{security} {other}")


@click.command()
@client_security_options("inference")
def client(inference_security: ClientSecurity) -> None:
    """A command that calls."""
    click.echo(f"{inference_security.tls} {inference_security.token}")


def typed(command: click.Command, *words: str | Path) -> int:
    return run(lambda: command([str(word) for word in words], standalone_mode=False))


def test_without_options_nothing_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(server, "--other") == 0
    assert capsys.readouterr().out == "ServerSecurity(tls=None, tokens=None) True\n"
    assert typed(client) == 0
    assert capsys.readouterr().out == "None None\n"


def test_options_and_their_variables_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ca = new_ca(tmp_path)
    identity, token = new_identity(tmp_path, "a"), new_token("gateway")
    tokens = tmp_path / "tokens"
    tokens.write_text(f"gateway:{token.secret}\n")
    tokens.chmod(0o600)
    given = {"tls-cert": identity.cert, "tls-key": identity.key, "tls-client-ca": ca, "token-file": tokens}
    assert typed(server, *(f"--{name}={path}" for name, path in given.items())) == 0
    by_options = capsys.readouterr().out
    assert (
        by_options
        == f"ServerSecurity(tls={ServerTls(identity=identity, client_ca=ca)}, tokens=BearerTokens(gateway)) False\n"
    )
    for name, path in given.items():
        monkeypatch.setenv("VOICE_AGENT_" + name.replace("-", "_").upper(), str(path))
    assert typed(server) == 0
    assert capsys.readouterr().out == by_options

    del given["tls-client-ca"]
    given["tls-ca"] = ca
    assert typed(client, *(f"--inference-{name}={path}" for name, path in given.items())) == 0
    by_options = capsys.readouterr().out
    assert by_options == f"{ClientTls(ca=ca, identity=identity)} BearerToken(name='gateway')\n"
    for name, path in given.items():
        monkeypatch.setenv("VOICE_AGENT_INFERENCE_" + name.replace("-", "_").upper(), str(path))
    assert typed(client) == 0
    assert capsys.readouterr().out == by_options


def test_tokens_come_from_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"a:{new_token('a').secret}"
    monkeypatch.setenv("VOICE_AGENT_TOKENS", line)
    monkeypatch.setenv("VOICE_AGENT_INFERENCE_TOKEN", line)
    assert (typed(server), typed(client)) == (0, 0)
    assert capsys.readouterr().out == (
        "ServerSecurity(tls=None, tokens=BearerTokens(a)) False\nNone BearerToken(name='a')\n"
    )


@pytest.mark.parametrize(
    ("command", "words", "says"),
    [
        (server, ["--tls-cert=a.crt"], "--tls-cert and --tls-key belong together"),
        (server, ["--tls-key=a.key"], "--tls-cert and --tls-key belong together"),
        (server, ["--tls-client-ca=ca.crt"], "--tls-client-ca needs"),
        (server, ["--token-file=none"], "none: cannot be read as token file"),
        (client, ["--inference-tls-key=a.key"], "--inference-tls-cert and --inference-tls-key belong together"),
        (client, ["--inference-tls-cert=a", "--inference-tls-key=b"], "needs --inference-tls-ca"),
        (client, ["--inference-tls-ca=none.crt"], "none.crt: cannot be read as certificate of a CA"),
    ],
)
def test_half_of_what_belongs_together_is_refused(
    command: click.Command, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(command, *words) == EXIT_ERROR
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert len(captured.err.splitlines()) == 1
