"""The script that makes certificates and tokens, run for real."""

import os
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.deployment import DEPLOY

from voice_operations.bearer_tokens import read_own_token, read_tokens
from voice_operations.private_ca import certificates
from voice_operations.tls_files import ClientTls, Identity, ServerTls

FOLDERS = ("authority", "orchestrator", "inference", "edge", "operator")
YOUNG_DAYS, OLD_DAYS = 329, 332


def run(root: Path, **environment: str) -> str:
    """Makes the identities under `root`; gives what was said."""
    for folder in FOLDERS:
        (root / folder).mkdir(exist_ok=True)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", DEPLOY / "identities.sh"],
        env={**os.environ, "PATH": programs, "IDENTITIES": str(root), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("identities")
    run(root)
    return root


def test_each_folder_holds_what_its_service_is_given_and_nothing_else(made: Path) -> None:
    files = {folder: {path.name for path in (made / folder).iterdir()} for folder in FOLDERS if folder != "authority"}
    assert files == {
        "orchestrator": {"ca.crt", "orchestrator.crt", "orchestrator.key", "tokens", "inference-token"},
        "inference": {"ca.crt", "inference.crt", "inference.key", "tokens"},
        "edge": {"ca.crt", "token"},
        "operator": {"ca.crt", "token", "bearer"},
    }
    assert "ca.key" in {path.name for path in (made / "authority").iterdir()}


def test_nothing_is_open_to_others_and_the_group_may_read(made: Path) -> None:
    for folder in FOLDERS[1:]:
        assert {path.stat().st_mode & 0o777 for path in (made / folder).iterdir()} == {0o640}
    assert (made / "authority" / "ca.key").stat().st_mode & 0o077 == 0


def test_the_planes_can_use_what_they_are_given(made: Path) -> None:
    for plane in ("orchestrator", "inference"):
        folder = made / plane
        identity = Identity(cert=folder / f"{plane}.crt", key=folder / f"{plane}.key")
        ServerTls(identity=identity, client_ca=folder / "ca.crt").configuration()
        assert isinstance(ServerTls(identity=identity).ssl_context()[0], ssl.SSLContext)
    caller = made / "orchestrator"
    own = Identity(cert=caller / "orchestrator.crt", key=caller / "orchestrator.key")
    ClientTls(ca=caller / "ca.crt", identity=own).credentials()
    ClientTls(ca=made / "edge" / "ca.crt").credentials()


def test_every_peer_shows_a_token_its_server_takes_and_no_other(made: Path) -> None:
    shown = {
        name: read_own_token(made / path)
        for name, path in {"edge": "edge/token", "orchestrator": "orchestrator/inference-token"}.items()
    }
    edges, nodes = read_tokens(made / "orchestrator/tokens"), read_tokens(made / "inference/tokens")
    assert edges is not None
    assert nodes is not None
    assert shown["edge"] is not None
    assert shown["orchestrator"] is not None
    bearer = (made / "operator/bearer").read_text()
    assert edges.peer([shown["edge"].authorization]) == "edge"
    assert nodes.peer([shown["orchestrator"].authorization]) == "orchestrator"
    assert edges.peer([f"Bearer {bearer}"]) == nodes.peer([f"Bearer {bearer}"]) == "operator"
    assert nodes.peer([shown["edge"].authorization]) != "edge"


def test_a_second_run_changes_nothing(made: Path) -> None:
    before = contents(made)
    run(made)
    assert contents(made) == before


def test_certificates_are_replaced_when_they_are_old_and_nothing_else_is(tmp_path: Path) -> None:
    run(tmp_path)
    before = contents(tmp_path)
    for name, days in (("orchestrator", YOUNG_DAYS), ("inference", OLD_DAYS)):
        then = time.time() - days * 86_400
        os.utime(tmp_path / "authority" / f"{name}.crt", (then, then))
    run(tmp_path)
    after = contents(tmp_path)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {f"{folder}/inference.{kind}" for folder in ("authority", "inference") for kind in ("crt", "key")}


def test_names_a_plane_is_reached_at_can_be_chosen(tmp_path: Path) -> None:
    run(tmp_path, ORCHESTRATOR_HOSTS="orchestrator.voice-agent.svc 10.1.2.3", INFERENCE_HOSTS="inference")
    hosts = {certificate.name: certificate.hosts for certificate in certificates(tmp_path / "authority")}
    assert hosts["orchestrator"] == ("orchestrator.voice-agent.svc", "10.1.2.3")
    assert hosts["inference"] == ("inference",)
