"""What the private CA makes: read by another implementation, kept from others, never overwritten."""

import shutil
import subprocess
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from support.certificates import NOW, new_ca, new_identity

from voice_operations.operator_error import OperatorError
from voice_operations.private_ca import Use, certificates, describe, issue_certificate, make_ca


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    new_ca(tmp_path / "ca", days=400)
    return tmp_path / "ca"


def loaded(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_keys_are_for_their_owner_only(folder: Path) -> None:
    identity = new_identity(folder, "inference")
    assert mode(folder) == 0o700
    assert (mode(folder / "ca.key"), mode(identity.key)) == (0o600, 0o600)
    assert (mode(folder / "ca.crt"), mode(identity.cert)) == (0o644, 0o644)
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_folder_that_was_there_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    new_ca(tmp_path)
    assert mode(tmp_path) == 0o755
    assert not (tmp_path / ".gitignore").exists()


def test_the_ca_may_issue_and_nothing_else(folder: Path) -> None:
    ca = loaded(folder / "ca.crt")
    basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, True, False)
    assert isinstance(ca.public_key(), ec.EllipticCurvePublicKey)
    assert ca.not_valid_before_utc < NOW < ca.not_valid_after_utc


def test_a_leaf_names_its_hosts_and_is_no_ca(folder: Path) -> None:
    hosts = ("inference.voice.svc", "*.inference.voice.svc", "10.1.2.3", "2001:db8::7")
    identity = new_identity(folder, "inference", hosts=hosts, use=Use.SERVER)
    cert = loaded(identity.cert)
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["inference.voice.svc", "*.inference.voice.svc"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.1.2.3", "2001:db8::7"]
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert describe(identity.cert).hosts == hosts
    assert cert.serial_number != loaded(folder / "ca.crt").serial_number


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
@pytest.mark.parametrize(("use", "purposes"), [(Use.SERVER, "server"), (Use.CLIENT, "client"), (Use.BOTH, "both")])
def test_openssl_takes_each_certificate_for_its_use_only(folder: Path, use: Use, purposes: str) -> None:
    cert = new_identity(folder, purposes, use=use).cert
    for purpose in ("sslserver", "sslclient"):
        command = ["openssl", "verify", "-x509_strict", "-CAfile", f"{folder}/ca.crt", "-purpose", purpose, str(cert)]
        taken = subprocess.run(command, capture_output=True, check=False).returncode == 0
        assert taken == (use is Use.BOTH or purpose == f"ssl{use.value}")
    assert describe(cert).use is use


def test_nothing_is_overwritten_unless_asked(folder: Path) -> None:
    first = new_identity(folder, "inference").cert.read_bytes()
    ca = (folder / "ca.crt").read_bytes()
    for again in (lambda: new_identity(folder, "inference"), lambda: new_ca(folder)):
        with pytest.raises(OperatorError, match="is there already; --force replaces it"):
            again()
    (folder / "inference.crt").unlink()
    with pytest.raises(OperatorError, match=r"inference\.key: is there already"):
        new_identity(folder, "inference")
    assert new_identity(folder, "inference", replace=True).cert.read_bytes() != first
    assert (folder / "ca.crt").read_bytes() == ca
    make_ca(folder, days=10, now=NOW, replace=True)
    assert (folder / "ca.crt").read_bytes() != ca


def test_a_leaf_does_not_outlive_its_ca(folder: Path) -> None:
    made = issue_certificate(folder, "long", hosts=("a",), use=Use.SERVER, days=800, now=NOW, replace=False)
    assert made.expires <= describe(folder / "ca.crt").expires
    later = NOW + timedelta(days=500)
    with pytest.raises(OperatorError, match="the CA has expired"):
        issue_certificate(folder, "late", hosts=("a",), use=Use.SERVER, days=10, now=later, replace=False)


def test_the_validity_is_what_was_asked_for(folder: Path) -> None:
    cert = loaded(new_identity(folder, "inference", days=397 - 30).cert)
    assert cert.not_valid_after_utc == (NOW + timedelta(days=367)).replace(microsecond=0)
    assert timedelta() < NOW - cert.not_valid_before_utc < timedelta(hours=1)
    assert cert.not_valid_after_utc.tzinfo is UTC


@pytest.mark.parametrize("name", ["", "ca", "../x", "a/b", ".hidden", "a b", "x" * 65])
def test_a_name_that_cannot_be_a_file_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(OperatorError, match="cannot be the name"):
        new_identity(folder, name)


@pytest.mark.parametrize("host", ["", "a b", "1.2.3", "*", "*.*.a", "http://a", "a:5"])
def test_a_host_that_is_none_is_refused(folder: Path, host: str) -> None:
    with pytest.raises(OperatorError, match="neither a host name nor an IP address"):
        new_identity(folder, "inference", hosts=(host,))
    assert not (folder / "inference.key").exists()


def test_a_server_needs_a_host_and_a_client_does_not(folder: Path) -> None:
    with pytest.raises(OperatorError, match="--host"):
        new_identity(folder, "inference", hosts=(), use=Use.BOTH)
    assert describe(new_identity(folder, "gateway", hosts=(), use=Use.CLIENT).cert).hosts == ()


def test_what_is_wrong_with_a_ca_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="certs init"):
        new_identity(tmp_path / "nothing", "inference")
    with pytest.raises(OperatorError, match="certs init"):
        certificates(tmp_path / "nothing")
    (folder / "ca.key").chmod(0o644)
    with pytest.raises(OperatorError, match="chmod 600"):
        new_identity(folder, "inference")
    new_ca(tmp_path / "other")
    (folder / "ca.key").write_bytes((tmp_path / "other" / "ca.key").read_bytes())
    (folder / "ca.key").chmod(0o600)
    with pytest.raises(OperatorError, match="is not the key of"):
        new_identity(folder, "inference")
    (folder / "ca.key").write_bytes(b"no key")
    with pytest.raises(OperatorError, match="not a PEM key"):
        new_identity(folder, "inference")


def test_certificates_are_listed_with_the_ca_first(folder: Path) -> None:
    new_identity(folder, "b-node")
    new_identity(folder, "a-node")
    assert [found.path.stem for found in certificates(folder)] == ["ca", "a-node", "b-node"]
    (folder / "broken.crt").write_text("no certificate")
    with pytest.raises(OperatorError, match=r"broken\.crt: not a PEM certificate"):
        certificates(folder)
