"""`voice-orchestrator certs`, as it is typed."""

from datetime import timedelta
from pathlib import Path

import pytest
from support.certificates import NOW, expired_identity, new_ca

from voice_operations.bearer_tokens import read_own_token
from voice_operations.certificate_trial import Role
from voice_operations.command_line import EXIT_ERROR, run
from voice_operations.private_ca import Use, describe
from voice_operations.tls_files import Identity
from voice_orchestrator.cli.certs import certs


def typed(*words: str | Path) -> int:
    return run(lambda: certs([str(word) for word in words], standalone_mode=False))


def test_a_ca_a_server_a_client_and_a_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "certs"
    assert typed("init", "--dir", folder) == 0
    assert typed("issue", "inference", "--dir", folder, "--host", "localhost", "--host", "10.0.0.7") == 0
    assert typed("issue", "gateway", "--dir", folder) == 0
    assert typed("issue", "orchestrator", "--dir", folder, "--both", "--host", "voice.example.com") == 0
    assert typed("token", "orchestrator", "--dir", folder) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert f"--tls-client-ca {folder / 'ca.crt'}" in said.out
    ca, inference = describe(folder / "ca.crt"), describe(folder / "inference.crt")
    assert (inference.use, inference.hosts) == (Use.SERVER, ("localhost", "10.0.0.7"))
    assert (describe(folder / "gateway.crt").use, describe(folder / "orchestrator.crt").use) == (Use.CLIENT, Use.BOTH)
    assert timedelta(days=3_651) <= ca.expires - NOW <= timedelta(days=3_653)
    assert timedelta(days=396) <= inference.expires - NOW <= timedelta(days=398)
    Identity(cert=folder / "inference.crt", key=folder / "inference.key").read(Role.SERVER)
    token = read_own_token(folder / "orchestrator.token")
    assert token is not None
    assert token.name == "orchestrator"
    assert token.secret not in said.out


def test_nothing_is_overwritten_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "certs"
    words = [("init",), ("issue", "a", "--client"), ("token", "a")]
    for word in words:
        assert typed(*word, "--dir", folder) == 0
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for word in words:
        assert typed(*word, "--dir", folder) == EXIT_ERROR
    assert capsys.readouterr().err.count("is there already; --force replaces it") == len(words)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    for word in words:
        assert typed(*word, "--dir", folder, "--force") == 0


def test_show_lists_every_certificate_and_fails_for_one_that_has_expired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "certs"
    new_ca(folder, days=20)
    assert typed("show", "--dir", folder) == 0
    assert "19 days left: renew it" in capsys.readouterr().out
    expired_identity(folder, "old")
    assert typed("show", "--dir", folder) == EXIT_ERROR
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "old, server and client for localhost, 127.0.0.1, ::1, valid until" in lines[1]
    assert lines[1].endswith("HAS EXPIRED")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("issue", "a", "--host", "b"), "certs init --dir"),
        (("issue", "a", "--both"), "--host"),
        (("token", "a"), "certs init"),
        (("show",), "certs init"),
    ],
)
def test_what_is_missing_is_said_with_the_command_that_makes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert typed(*words, "--dir", tmp_path / "none") == EXIT_ERROR
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert says in said.err


@pytest.mark.parametrize("days", ["0", "826"])
def test_a_validity_that_is_not_sane_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], days: str) -> None:
    assert typed("issue", "a", "--dir", tmp_path, "--days", days) == 2
    assert "1<=x<=825" in capsys.readouterr().err
