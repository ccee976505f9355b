"""Whether doctor finds an Ollama server, and what it says of one that is not there."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from voice_orchestrator.doctor.checks import Verdict, check_ollama


@contextmanager
def serving(status: int, body: bytes) -> Iterator[str]:
    """HOST:PORT of a web server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        thread.join()


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_ollama_that_answers_is_good(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(200, b'{"version": "0.5.1"}') as address:
        monkeypatch.setenv("OLLAMA_HOST", scheme + address)
        finding = check_ollama()
    assert finding.verdict is Verdict.OK
    assert "0.5.1" in finding.detail


@pytest.mark.parametrize(("status", "body"), [(404, b""), (200, b"hello"), (200, b"{}")])
def test_another_program_on_the_port_of_ollama_fails(status: int, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(status, body) as address:
        monkeypatch.setenv("OLLAMA_HOST", address)
        finding = check_ollama()
    assert finding.verdict is Verdict.FAIL
    assert finding.remedy


def test_ollama_that_does_not_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{port}")
    assert check_ollama().verdict is Verdict.FAIL


@pytest.mark.parametrize("host", ["127.0.0.1:no", "foo bar"])
def test_an_address_of_ollama_that_is_none_fails(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert check_ollama().verdict is Verdict.FAIL
