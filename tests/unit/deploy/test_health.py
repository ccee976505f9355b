"""The program that asks a container's service whether it is ready, against real servers."""

import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.deployment import DEPLOY

from voice_operations.private_ca import Use, issue_certificate, make_ca

NOW = datetime.now(UTC)


class Probes(BaseHTTPRequestHandler):
    """Alive, and not ready."""

    def do_GET(self) -> None:
        """Answers 200 to /healthz and 503 to everything else."""
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()
        self.wfile.write(b"ok\n" if self.path == "/healthz" else b"not ready\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server of Probes on a free port, for the length of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Probes) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def certificate(folder: Path, name: str, *, now: datetime = NOW) -> Path:
    if not (folder / "ca.crt").exists():
        make_ca(folder, days=365, now=NOW - timedelta(days=100), replace=False)
    return issue_certificate(folder, name, hosts=("far.example",), use=Use.SERVER, days=30, now=now, replace=True).path


def context_of(cert: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, cert.with_suffix(".key"))
    return context


def ask(port: int, *words: str, cert: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "VOICE_AGENT_TLS_CERT"}
    if cert is not None:
        environment["VOICE_AGENT_TLS_CERT"] = str(cert)
    return subprocess.run(
        [sys.executable, DEPLOY / "health.py", str(port), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_service_that_answers_200_is_healthy_and_one_that_answers_503_is_not() -> None:
    with serving() as port:
        assert (ask(port, "/healthz").returncode, ask(port, "/healthz").stdout) == (0, "200 ok\n")
        assert (ask(port).returncode, ask(port).stdout) == (1, "503 not ready\n")


def test_nobody_there_is_not_healthy() -> None:
    with serving() as port:
        pass
    asked = ask(port, "/healthz")
    assert asked.returncode == 1
    assert "refused" in asked.stdout
    assert not asked.stderr


def test_over_tls_the_service_is_known_by_its_own_certificate(tmp_path: Path) -> None:
    cert = certificate(tmp_path, "node")
    with serving(context_of(cert)) as port:
        assert ask(port, "/healthz", cert=cert).returncode == 0
        assert ask(port, cert=cert).returncode == 1


def test_another_certificate_of_the_same_ca_is_not_healthy(tmp_path: Path) -> None:
    shown, expected = certificate(tmp_path, "other"), certificate(tmp_path, "node")
    with serving(context_of(shown)) as port:
        asked = ask(port, "/healthz", cert=expected)
    assert asked.returncode == 1
    assert "certificate verify failed" in asked.stdout


def test_an_expired_certificate_is_not_healthy(tmp_path: Path) -> None:
    cert = certificate(tmp_path, "node", now=NOW - timedelta(days=60))
    with serving(context_of(cert)) as port:
        asked = ask(port, "/healthz", cert=cert)
    assert asked.returncode == 1
    assert "expired" in asked.stdout
