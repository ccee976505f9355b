"""TLS files that cannot be used are found at the start, by one line that says which and what to do."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from support.certificates import NOW, expired_identity, new_ca, new_identity

from voice_operations.certificate_trial import Role
from voice_operations.operator_error import OperatorError
from voice_operations.private_ca import Use, describe
from voice_operations.tls_files import ClientTls, Identity, ServerTls, read_ca


@pytest.fixture(scope="module")
def ca_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls") / "ca"
    new_ca(folder)
    return folder


def problem_of(identity: Identity, role: Role = Role.SERVER) -> str:
    with pytest.raises(OperatorError) as refused:
        identity.read(role)
    said = str(refused.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("role", Role)
def test_a_good_pair_says_when_it_expires(ca_folder: Path, role: Role) -> None:
    identity = new_identity(ca_folder, f"good-{role.value}")
    key, cert, expires_s = identity.read(role)
    assert (key, cert) == (identity.key.read_bytes(), identity.cert.read_bytes())
    assert expires_s == describe(identity.cert).expires.timestamp()


def test_a_chain_with_its_intermediate_is_good(ca_folder: Path) -> None:
    identity = new_identity(ca_folder, "chain")
    identity.cert.write_bytes(identity.cert.read_bytes() + (ca_folder / "ca.crt").read_bytes())
    assert identity.read(Role.SERVER)[2] == describe(identity.cert).expires.timestamp()


def test_an_expired_certificate(ca_folder: Path) -> None:
    identity = expired_identity(ca_folder, "old")
    for role in Role:
        said = problem_of(identity, role)
        assert str(identity.cert) in said
        assert "has expired: issue another" in said


def test_a_certificate_that_is_not_valid_yet(ca_folder: Path) -> None:
    early = new_identity(ca_folder, "early", now=NOW + timedelta(days=3))
    assert "is not valid yet" in problem_of(early)


@pytest.mark.parametrize(("use", "role"), [(Use.CLIENT, Role.SERVER), (Use.SERVER, Role.CLIENT)])
def test_a_certificate_made_for_the_other_role(ca_folder: Path, use: Use, role: Role) -> None:
    said = problem_of(new_identity(ca_folder, f"other-{role.value}", use=use), role)
    assert f"not made for a {role.value}" in said
    assert f"--{role.value}" in said


def test_the_key_of_another_certificate(ca_folder: Path) -> None:
    cert, key = new_identity(ca_folder, "one").cert, new_identity(ca_folder, "two").key
    said = problem_of(Identity(cert=cert, key=key))
    assert f"{key}: is not the key of {cert}" in said


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660])
def test_a_key_that_others_can_read(ca_folder: Path, mode: int) -> None:
    identity = new_identity(ca_folder, f"open-{mode:o}")
    identity.key.chmod(mode)
    said = problem_of(identity)
    assert f"(mode {mode:04o})" in said
    assert f"chmod 600 {identity.key}" in said


def test_a_key_that_a_group_can_read_is_taken(ca_folder: Path) -> None:
    identity = new_identity(ca_folder, "mounted")
    identity.key.chmod(0o440)
    identity.read(Role.SERVER)


def test_files_that_are_not_there_or_are_something_else(ca_folder: Path, tmp_path: Path) -> None:
    good = new_identity(ca_folder, "whole")
    missing, text = tmp_path / "missing.crt", tmp_path / "text.crt"
    text.write_text("hello")
    assert "No such file" in problem_of(Identity(cert=missing, key=good.key))
    assert "cannot be read as key" in problem_of(Identity(cert=good.cert, key=missing))
    assert "not a PEM certificate" in problem_of(Identity(cert=text, key=good.key))
    assert str(tmp_path) in problem_of(Identity(cert=tmp_path, key=good.key))
    text.chmod(0o600)
    assert "its PEM key" in problem_of(Identity(cert=good.cert, key=text))


def test_a_file_that_is_too_large_is_not_read_whole(ca_folder: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.crt"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    assert "larger than 1024 KiB" in problem_of(Identity(cert=large, key=new_identity(ca_folder, "small").key))


def test_a_pipe_is_refused_and_not_waited_for(ca_folder: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    subprocess.run(["mkfifo", pipe], check=True)
    assert "not a file" in problem_of(Identity(cert=pipe, key=new_identity(ca_folder, "beside").key))


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(ca_folder: Path) -> None:
    identity = new_identity(ca_folder, "locked")
    key = serialization.load_pem_private_key(identity.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    identity.key.write_bytes(locked)
    assert "locked by a password" in problem_of(identity)


def test_what_is_no_ca_is_not_believed(ca_folder: Path, tmp_path: Path) -> None:
    leaf = new_identity(ca_folder, "leaf")
    assert read_ca(ca_folder / "ca.crt") == (ca_folder / "ca.crt").read_bytes()
    with pytest.raises(OperatorError, match="no certificate of a CA"):
        read_ca(leaf.cert)
    with pytest.raises(OperatorError, match="not a PEM certificate"):
        read_ca(leaf.key)
    with pytest.raises(OperatorError, match="No such file"):
        read_ca(tmp_path / "no.crt")


def test_both_faces_and_the_client_are_made_of_the_same_files(ca_folder: Path) -> None:
    identity, ca = new_identity(ca_folder, "both"), ca_folder / "ca.crt"
    server = ServerTls(identity=identity, client_ca=ca)
    expires_s = describe(identity.cert).expires.timestamp()
    assert server.paths == (identity.cert, identity.key, ca)
    assert server.configuration()[1] == server.ssl_context()[1] == expires_s
    assert ClientTls(ca=ca).paths == (ca,)
    assert ClientTls(ca=ca, identity=identity).credentials() is not None
    with pytest.raises(OperatorError):
        ClientTls(ca=ca, identity=Identity(cert=identity.cert, key=ca)).credentials()
