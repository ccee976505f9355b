"""`voice-orchestrator certs`: a private CA, certificates for planes and gateways, and tokens."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from voice_operations.bearer_tokens import new_token
from voice_operations.command_line import EXIT_ERROR, ExitCodeError
from voice_operations.credential_files import write_credential
from voice_operations.operator_error import OperatorError
from voice_operations.private_ca import Certificate, Use, certificates, issue_certificate, make_ca

CA_DAYS: Final = 3_652
CA_DAYS_MAX: Final = 7_305
LEAF_DAYS: Final = 397
"""The longest that browsers accept, and a year with a month to renew in."""

LEAF_DAYS_MAX: Final = 825
SOON_DAYS: Final = 30

_folder = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("certs"),
    show_default=True,
    help="Folder of the CA.",
)
_force = click.option("--force", is_flag=True, help="Replace what is there.")


@click.group()
def certs() -> None:
    """Make a private CA, certificates for planes and gateways, and tokens."""


@certs.command()
@_folder
@click.option("--days", type=click.IntRange(1, CA_DAYS_MAX), default=CA_DAYS, show_default=True, help="Validity.")
@_force
def init(folder: Path, days: int, force: bool) -> None:
    """Make a CA. With --force, everything an earlier one issued is no longer believed."""
    made = make_ca(folder, days=days, now=datetime.now(UTC), replace=force)
    click.echo(f"{made.path}  {made.name}, valid until {made.expires:%Y-%m-%d}; every plane and gateway gets a copy")
    click.echo(f"{made.path.with_suffix('.key')}  its key; who has it can be anybody, so it stays here")
    click.echo(f"next: voice-orchestrator certs issue inference --dir {folder} --host NAME_OR_IP")


@certs.command()
@click.argument("name")
@_folder
@click.option(
    "--host", "hosts", multiple=True, metavar="NAME_OR_IP", help="Where a server is reached; may be repeated."
)
@click.option("--server", "use", flag_value="SERVER", help="It answers calls. The default with --host.")
@click.option("--client", "use", flag_value="CLIENT", help="It makes calls. The default without --host.")
@click.option("--both", "use", flag_value="BOTH", help="It does both, as an orchestrator does.")
@click.option("--days", type=click.IntRange(1, LEAF_DAYS_MAX), default=LEAF_DAYS, show_default=True, help="Validity.")
@_force
def issue(name: str, folder: Path, hosts: tuple[str, ...], use: str | None, days: int, force: bool) -> None:
    """Issue a certificate and its key for NAME, for example inference, orchestrator or gateway."""
    chosen = Use[use] if use else Use.SERVER if hosts else Use.CLIENT
    now = datetime.now(UTC)
    made = issue_certificate(
        folder, name, hosts=tuple(dict.fromkeys(hosts)), use=chosen, days=days, now=now, replace=force
    )
    click.echo(f"{made.path}  {_says(made)}")
    click.echo(f"{made.path.with_suffix('.key')}  its key, readable by you only")
    for line in _how_to_use(made, folder):
        click.echo(line)


@certs.command()
@_folder
def show(folder: Path) -> None:
    """Show every certificate in the folder and how long it is valid. Exit code 1 when one has expired."""
    found, now = certificates(folder), datetime.now(UTC)
    for certificate in found:
        days = (certificate.expires - now).days
        note = ", HAS EXPIRED" if days < 0 else f", {days} days left" + (": renew it" if days < SOON_DAYS else "")
        click.echo(f"{certificate.path}  {_says(certificate)}{note}")
    if any(certificate.expires <= now for certificate in found):
        raise ExitCodeError(EXIT_ERROR)


@certs.command()
@click.argument("name")
@_folder
@_force
def token(name: str, folder: Path, force: bool) -> None:
    """Make a bearer token for the peer NAME: a file with one line, NAME:TOKEN."""
    made = new_token(name)
    path = folder / f"{name}.token"
    if not folder.is_dir():
        raise OperatorError(f"{folder}: there is no such folder; make it with `voice-orchestrator certs init`")
    if path.exists() and not force:
        raise OperatorError(f"{path}: is there already; --force replaces it")
    write_credential(path, f"{made.name}:{made.secret}\n".encode(), secret=True)
    click.echo(f"{path}  one line, NAME:TOKEN: the peer shows it; the --token-file of its server has it among others")


def _says(certificate: Certificate) -> str:
    hosts = f" for {', '.join(certificate.hosts)}" if certificate.hosts else ""
    until = f"{certificate.expires:%Y-%m-%d}"
    return f"{certificate.name}, {certificate.use.value}{hosts}, valid until {until}"


def _how_to_use(made: Certificate, folder: Path) -> list[str]:
    files = f"tls-cert {made.path}", f"tls-key {made.path.with_suffix('.key')}"
    ca = folder / "ca.crt"
    lines = []
    if made.use in (Use.SERVER, Use.BOTH):
        lines.append(
            f"a server: --{files[0]} --{files[1]} --token-file FILE; an inference node also --tls-client-ca {ca}"
        )
    if made.use in (Use.CLIENT, Use.BOTH):
        inference = f"--inference-{files[0]} --inference-{files[1]} --inference-tls-ca {ca}"
        lines.append(f"an orchestrator that calls nodes: {inference} --inference-token-file FILE")
    return lines
