"""TLS and tokens on the HTTP face of a node, over real sockets."""

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest
from support.certificates import new_ca, new_identity
from support.secured_node import secured_node

from voice_operations.bearer_tokens import BearerTokens, new_token
from voice_operations.private_ca import describe
from voice_operations.security import ServerSecurity
from voice_operations.tls_files import Identity, ServerTls

TOKEN = new_token("prometheus")
TOKENS = BearerTokens([TOKEN])
SHOWN = {"Authorization": TOKEN.authorization}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("http")
    new_ca(made)
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Identity:
    return new_identity(folder, "server")


def client(folder: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(verify=ssl.create_default_context(cafile=folder / "ca.crt"), trust_env=False)


async def test_loopback_without_options_asks_for_nothing() -> None:
    async with secured_node(ServerSecurity()) as node, httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{node.http_port}"
        assert (await http.get(f"{url}/healthz")).text == "ok\n"
        assert (await http.get(f"{url}/readyz")).status_code == 503
        metrics = await http.get(f"{url}/metrics")
        assert (metrics.status_code, "voice_inference_sessions" in metrics.text) == (200, True)


async def test_metrics_need_the_token_and_probes_do_not(folder: Path, server: Identity) -> None:
    security = ServerSecurity(tls=ServerTls(identity=server), tokens=TOKENS)
    async with secured_node(security) as node, client(folder) as http:
        url = f"https://localhost:{node.http_port}"
        assert (await http.get(f"{url}/healthz")).status_code == 200
        assert (await http.get(f"{url}/readyz")).status_code == 503
        assert (await http.get(f"{url}/metrics", headers=SHOWN)).status_code == 200
        wrong = {
            "token_missing": {},
            "token_unknown": {"Authorization": f"Bearer {new_token('prometheus').secret}"},
            "token_malformed": {"Authorization": TOKEN.secret},
        }
        for reason, headers in wrong.items():
            refused = await http.get(f"{url}/metrics", headers=headers)
            assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert "voice_inference" not in refused.text
            assert node.refused("http", reason) == 1
        twice = httpx.Headers([("Authorization", TOKEN.authorization)] * 2)
        assert (await http.get(f"{url}/metrics", headers=twice)).status_code == 401
        # What is not there is not told to strangers either.
        assert (await http.get(f"{url}/nothing")).status_code == 401
        assert (await http.get(f"{url}/nothing", headers=SHOWN)).status_code == 404
        assert (await http.get(f"{url}/healthz/")).status_code == 401


async def test_who_does_not_believe_the_ca_or_speaks_no_tls_gets_nothing(server: Identity, tmp_path: Path) -> None:
    new_ca(tmp_path)
    async with secured_node(ServerSecurity(tls=ServerTls(identity=server))) as node:
        async with client(tmp_path) as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get(f"https://127.0.0.1:{node.http_port}/healthz")
        async with httpx.AsyncClient(trust_env=False) as clear:
            with pytest.raises(httpx.TransportError):
                await clear.get(f"http://127.0.0.1:{node.http_port}/healthz")
        assert node.count("voice_inference_tls_handshakes_total", face="http") == 1


async def test_the_name_of_the_server_has_to_be_in_its_certificate(folder: Path) -> None:
    elsewhere = new_identity(folder, "elsewhere", hosts=("elsewhere",))
    async with secured_node(ServerSecurity(tls=ServerTls(identity=elsewhere))) as node, client(folder) as http:
        with pytest.raises(httpx.ConnectError, match="not valid for"):
            await http.get(f"https://127.0.0.1:{node.http_port}/healthz")


async def test_a_renewed_certificate_is_shown_to_the_next_who_connects(folder: Path) -> None:
    identity = new_identity(folder, "renewed")

    async def shown() -> str:
        return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", node.http_port), timeout=5.0)

    async with secured_node(ServerSecurity(tls=ServerTls(identity=identity))) as node:
        assert await shown() == identity.cert.read_text()
        before = identity.cert.read_text()
        new_identity(folder, "renewed", days=20, replace=True)
        assert await shown() == identity.cert.read_text() != before
        assert node.count("voice_inference_certificate_expiry_timestamp_seconds", face="http") == (
            describe(identity.cert).expires.timestamp()
        )
