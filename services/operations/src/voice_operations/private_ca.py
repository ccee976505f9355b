"""A private certificate authority in a folder: makes and describes the certificates of planes and gateways.

Keys are ECDSA on P-256. The CA's key is needed to issue, and nowhere else.
"""

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from voice_operations.addresses import is_host_name
from voice_operations.credential_files import read_credential, write_credential
from voice_operations.operator_error import OperatorError

CA: Final = "ca"
BACKDATED: Final = timedelta(minutes=5)
"""A machine whose clock is behind believes a new certificate too."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Use(Enum):
    """What a certificate is made for."""

    SERVER = "server"
    CLIENT = "client"
    BOTH = "server and client"
    CA = "CA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate says."""

    path: Path
    name: str
    use: Use
    hosts: tuple[str, ...]
    expires: datetime


def make_ca(folder: Path, *, days: int, now: datetime, replace: bool) -> Certificate:
    """A new CA in `folder`, which is made if it is not there; raises OperatorError.

    Nothing is overwritten unless `replace`; what an earlier CA issued is then worth nothing.
    """
    if not folder.exists():
        try:
            folder.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise OperatorError(f"{folder}: cannot be made: {error.strerror}") from error
        # A folder inside a repository: keys are not committed by accident.
        write_credential(folder / ".gitignore", b"*\n", secret=False)
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # Two CAs of the same name could not be told apart by those who verify.
    name = _subject(f"Voice Agent private CA {serial:x}"[:39])
    usage = {field: field in ("key_cert_sign", "crl_sign") for field in _USAGES}
    builder = (
        _builder(name, name, key, serial, now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
    )
    return _write(folder, CA, key, builder.sign(key, hashes.SHA256()), replace=replace)


def issue_certificate(
    folder: Path, name: str, *, hosts: tuple[str, ...], use: Use, days: int, now: datetime, replace: bool
) -> Certificate:
    """A certificate of the CA in `folder` for `name`; `hosts` are the names and IP addresses it is reached at.

    It does not outlive its CA. Nothing is overwritten unless `replace`. Raises OperatorError.
    """
    if _NAME.fullmatch(name) is None or name == CA:
        raise OperatorError(f"{name!r} cannot be the name of a certificate: letters, digits and . _ - only, and not ca")
    if use is not Use.CLIENT and not hosts:
        raise OperatorError(f"{name}: a server's certificate needs the names and addresses it is reached at: --host")
    ca_cert, ca_key = _load_ca(folder)
    days_left = (ca_cert.not_valid_after_utc - now).days
    if days_left < 1:
        raise OperatorError(f"{folder / 'ca.crt'}: the CA has expired: make another with `certs init --force`")
    key = ec.generate_private_key(ec.SECP256R1())
    purposes = []
    if use in (Use.SERVER, Use.BOTH):
        purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
    if use in (Use.CLIENT, Use.BOTH):
        purposes.append(ExtendedKeyUsageOID.CLIENT_AUTH)
    usage = {field: field == "digital_signature" for field in _USAGES}
    authority = ca_cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    serial = x509.random_serial_number()
    builder = (
        _builder(_subject(name), ca_cert.subject, key, serial, now, min(days, days_left))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    return _write(folder, name, key, builder.sign(ca_key, hashes.SHA256()), replace=replace)


def describe(path: Path) -> Certificate:
    """What the first certificate in `path` says; raises OperatorError."""
    return _described(path, _load_cert(path))


def certificates(folder: Path) -> tuple[Certificate, ...]:
    """Every certificate in `folder`, the CA's first; raises OperatorError."""
    paths = sorted(folder.glob("*.crt"), key=lambda path: (path.stem != CA, path.stem))
    if not paths:
        raise OperatorError(f"{folder}: no certificates; make a CA with `voice-orchestrator certs init`")
    return tuple(describe(path) for path in paths)


_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, serial: int, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        if not is_host_name(text.removeprefix("*.")):
            raise OperatorError(f"{text}: neither a host name nor an IP address") from None
        return x509.DNSName(text)


def _load_ca(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    cert_path, key_path = folder / f"{CA}.crt", folder / f"{CA}.key"
    if not cert_path.exists():
        raise OperatorError(f"{folder}: no CA; make one with `voice-orchestrator certs init --dir {folder}`")
    cert = _load_cert(cert_path)
    try:
        key = load_pem_private_key(read_credential(key_path, "key of the CA", secret=True), password=None)
    except (ValueError, TypeError) as error:
        raise OperatorError(f"{key_path}: not a PEM key without a password") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != cert.public_key():
        raise OperatorError(f"{key_path}: is not the key of {cert_path}")
    return cert, key


def _load_cert(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read_credential(path, "certificate", secret=False))
    except ValueError as error:
        raise OperatorError(f"{path}: not a PEM certificate") from error


def _write(
    folder: Path, name: str, key: ec.EllipticCurvePrivateKey, cert: x509.Certificate, *, replace: bool
) -> Certificate:
    cert_path, key_path = folder / f"{name}.crt", folder / f"{name}.key"
    for path in (cert_path, key_path):
        if path.exists() and not replace:
            raise OperatorError(f"{path}: is there already; --force replaces it")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_credential(key_path, pem, secret=True)
    write_credential(cert_path, cert.public_bytes(Encoding.PEM), secret=False)
    return _described(cert_path, cert)


def _described(path: Path, cert: x509.Certificate) -> Certificate:
    names = cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        path=path,
        name=str(names[0].value) if names else "",
        use=_use(cert),
        hosts=_hosts(cert),
        expires=cert.not_valid_after_utc,
    )


def _use(cert: x509.Certificate) -> Use:
    extensions = cert.extensions
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return Use.CA
        purposes = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return Use.BOTH
    if ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        return Use.SERVER
    return Use.BOTH if ExtendedKeyUsageOID.SERVER_AUTH in purposes else Use.CLIENT


def _hosts(cert: x509.Certificate) -> tuple[str, ...]:
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
