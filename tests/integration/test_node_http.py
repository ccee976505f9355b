"""The HTTP face of a node, asked by peers that do not play along: an answer or a closed connection, nothing else."""

import asyncio
import logging
import random
from collections import Counter
from contextlib import suppress
from typing import Any

import httpx
import pytest
import uvloop
from structlog.testing import capture_logs
from support.http_fuzz import Batch, a_batch
from support.http_peer import statuses_of
from support.secured_node import secured_node

from voice_operations.http_connection import HttpLimits
from voice_operations.security import ServerSecurity

ANSWERS = 2_000
CONNECTIONS = 16


@pytest.fixture(autouse=True)
def nothing_broke(caplog: pytest.LogCaptureFixture) -> Any:
    """No test here may leave an error in a log."""
    with caplog.at_level(logging.WARNING), capture_logs() as logs:
        yield
    assert not [entry for entry in logs if entry["log_level"] in ("error", "critical")]
    assert not caplog.records


@pytest.mark.parametrize(
    ("request_line", "header", "statuses"),
    [
        (b"GET /healthz HTTP/2.0", b"X: y", []),
        (b"GET /metrics HTTP/9.9", b"X: y", [400]),
        (b"GET /healthz HTTP/1.1", b"Expect: \xf8", [417]),
        (b"GET /healthz HTTP/1.1", b"Expect: a cake", [417, 200]),
        (b"GET /healthz HTTP/1.1", b"Content-Length: 5", [413]),
        (b"DELETE /metrics HTTP/1.1", b"X: y", [405, 200]),
        (b"GET /nothing HTTP/1.0", b"X: y", [404]),
        (b"GET /healthz HTTP/1.1", b"Host: evil.example", [403, 200]),
        (b"GET /healthz HTTP/1.1", b"X: " + b"a" * 9_000, [400]),
    ],
)
async def test_an_odd_request_is_refused_without_a_traceback(
    request_line: bytes, header: bytes, statuses: list[int]
) -> None:
    host = b"" if header.startswith(b"Host:") else b"Host: localhost\r\n"
    odd = b"%s\r\n%s%s\r\n\r\n" % (request_line, host, header)
    async with secured_node(ServerSecurity()) as node:
        assert await statuses_of(node.http_port, Batch(pieces=(odd,), waits=True)) == statuses
        assert await statuses_of(node.http_port, Batch(pieces=())) == [200]


async def test_errors_are_one_line_for_people_and_name_no_library() -> None:
    async with secured_node(ServerSecurity()) as node, httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{node.http_port}"
        for answer in (await http.get(f"{url}/nothing"), await http.post(f"{url}/metrics"), await http.get(url)):
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert answer.text.count("\n") == 1
            assert "aiohttp" not in str(answer.headers).lower()
        assert (await http.post(f"{url}/metrics")).headers["Allow"] == "GET,HEAD"


async def test_too_many_connections_are_closed_at_once_and_the_others_answered() -> None:
    async with secured_node(ServerSecurity()) as node:
        held = [await asyncio.open_connection("127.0.0.1", node.http_port) for _ in range(80)]
        for reader, writer in held[64:]:
            with suppress(ConnectionError):
                assert await reader.read(1) == b""
            writer.close()
        reader, writer = held[0]
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        for _, writer in held:
            writer.close()


def test_whatever_is_sent_the_face_answers_or_hangs_up() -> None:
    broken: list[dict[str, Any]] = []
    statuses: Counter[int] = Counter()

    async def fuzz() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        chance = random.Random(3)
        hasty = HttpLimits(idle_s=0.1, linger_s=0.05)
        async with secured_node(ServerSecurity(), hasty) as node, asyncio.TaskGroup() as group:

            async def caller() -> None:
                while statuses.total() < ANSWERS:
                    statuses.update(await statuses_of(node.http_port, a_batch(chance)))

            for _ in range(CONNECTIONS):
                group.create_task(caller())

    uvloop.run(fuzz())
    assert not broken
    assert {200, 400, 403, 404, 405} <= statuses.keys() <= {200, 400, 403, 404, 405, 413, 417, 503}
