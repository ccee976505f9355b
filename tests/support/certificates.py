"""Certificates for tests, good and bad, made by the product's own CA."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from voice_operations.private_ca import Use, issue_certificate, make_ca
from voice_operations.tls_files import Identity

NOW = datetime.now(UTC)
HERE = ("localhost", "127.0.0.1", "::1")


def new_ca(folder: Path, *, days: int = 30, now: datetime = NOW) -> Path:
    """The certificate of a new CA in `folder`."""
    return make_ca(folder, days=days, now=now, replace=False).path


def new_identity(
    folder: Path,
    name: str,
    *,
    hosts: Sequence[str] = HERE,
    use: Use = Use.BOTH,
    now: datetime = NOW,
    days: int = 10,
    replace: bool = False,
) -> Identity:
    """A certificate of the CA in `folder`."""
    made = issue_certificate(folder, name, hosts=tuple(hosts), use=use, days=days, now=now, replace=replace)
    return Identity(cert=made.path, key=made.path.with_suffix(".key"))


def expired_identity(folder: Path, name: str) -> Identity:
    """A certificate of the CA in `folder` whose time is over."""
    return new_identity(folder, name, now=NOW - timedelta(days=20), days=10)
