"""What operators get over HTTP, on a real socket."""

import asyncio
import json
from typing import Any

import aiohttp
import httpx
import jsonschema
import pytest
from structlog.testing import capture_logs
from support.eventually import eventually
from support.fake_directory import FakeDirectory, session_info
from support.operator_face import OPERATOR, SECURED, ServedFace, served_face
from support.raw_http import Answer, read_answer

from voice_contract.messages import Phase
from voice_operations.http_connection import HttpLimits
from voice_orchestrator.service.openapi import openapi_document

TWO_CALLS = (
    session_info("one"),
    session_info("two", phase=Phase.CONNECTING, inference="", last_voice_to_voice_ms=None),
)


async def ask(served: ServedFace, method: str, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        return await client.request(method, path, **options)


async def ask_raw(served: ServedFace, request: bytes) -> list[Answer]:
    """Every answer to these bytes and to a last request after them that ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answers = []
    while (answer := await read_answer(reader)) is not None:
        answers.append(answer)
    writer.close()
    return answers


def problem(response: httpx.Response) -> str:
    """The code of an error, whose shape is checked."""
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    assert sorted(body["error"]) == ["code", "message"]
    assert body["error"]["message"]
    return str(body["error"]["code"])


# --- what is told


async def test_sessions_are_listed_and_shown_one_by_one() -> None:
    async with served_face(FakeDirectory(*TWO_CALLS)) as served:
        listed = (await ask(served, "GET", "/v1/sessions")).json()["sessions"]
        one = (await ask(served, "GET", "/v1/sessions/one")).json()
    assert [each["session_id"] for each in listed] == ["one", "two"]
    assert one == {
        "session_id": "one",
        "profile": "clinic",
        "peer": "127.0.0.1:40000",
        "phase": "active",
        "started_at": "2025-01-02T11:58:30.000+00:00",
        "age_s": 90,
        "turns": 3,
        "interruptions": 1,
        "inference": "127.0.0.1:50061",
        "last_voice_to_voice_ms": 640,
    }
    assert listed[1]["inference"] is None
    assert listed[1]["last_voice_to_voice_ms"] is None


async def test_a_session_is_hung_up_once() -> None:
    async with served_face(FakeDirectory(*TWO_CALLS)) as served:
        first = await ask(served, "DELETE", "/v1/sessions/one")
        second = await ask(served, "DELETE", "/v1/sessions/one")
        assert served.directory.hung_up == ["one"]
    assert first.status_code == 202
    assert first.json() == {"session_id": "one", "hanging_up": True}
    assert second.status_code == 404
    assert problem(second) == "session_not_found"


async def test_health_says_how_much_room_there_is() -> None:
    async with served_face(FakeDirectory(*TWO_CALLS, slots=7)) as served:
        health = (await ask(served, "GET", "/v1/health")).json()
        served.directory.accepting = False
        draining = (await ask(served, "GET", "/v1/health")).json()
    assert health == {
        "version": "1.2.3",
        "accepting": True,
        "slots": 7,
        "active": 2,
        "nodes": [{"address": "127.0.0.1:50061", "healthy": True, "sessions": 1, "free_slots": 3}],
    }
    assert draining == {**health, "accepting": False}


async def test_probes_tell_running_from_ready() -> None:
    async with served_face() as served:
        assert (await ask(served, "GET", "/readyz")).status_code == 200
        served.directory.accepting = False
        assert (await ask(served, "GET", "/readyz")).status_code == 503
        assert (await ask(served, "GET", "/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("accept", "content_type", "last_line"),
    [
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text", "# EOF"),
        ("*/*", "text/plain", None),
    ],
)
async def test_metrics_come_in_the_format_that_is_asked_for(
    accept: str, content_type: str, last_line: str | None
) -> None:
    async with served_face(FakeDirectory(*TWO_CALLS)) as served:
        response = await ask(served, "GET", "/metrics", headers={"Accept": accept})
    lines = response.text.splitlines()
    assert response.headers["Content-Type"].startswith(content_type)
    assert "voice_sessions_active 2.0" in lines
    assert (lines[-1] == "# EOF") is (last_line is not None)


# --- the description


async def test_the_description_is_of_what_is_served() -> None:
    async with served_face(FakeDirectory(*TWO_CALLS)) as served:
        described = (await ask(served, "GET", "/v1/openapi.json")).json()
        assert described == openapi_document("1.2.3")
        for path, operations in described["paths"].items():
            real = path.replace("{session_id}", "one")
            response = await ask(served, "PATCH", real)
            assert response.status_code == 405, path
            assert problem(response) == "method_not_allowed"
            allowed = {method.strip().lower() for method in response.headers["Allow"].split(",")}
            assert allowed - {"head"} == set(operations), path


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/sessions"),
        ("GET", "/v1/sessions/one"),
        ("GET", "/v1/sessions/two"),
        ("GET", "/v1/sessions/three"),
        ("DELETE", "/v1/sessions/one"),
        ("DELETE", "/v1/sessions/three"),
        ("GET", "/v1/profiles"),
        ("GET", "/v1/health"),
        ("GET", "/nothing"),
    ],
)
async def test_answers_keep_to_the_description(method: str, path: str) -> None:
    description = openapi_document("1.2.3")
    async with served_face(FakeDirectory(*TWO_CALLS)) as served:
        response = await ask(served, method, path)
    described = path if path in description["paths"] else "/v1/sessions/{session_id}"
    operation = description["paths"][described][method.lower()]
    answer = operation["responses"].get(str(response.status_code), description["components"]["responses"]["Error"])
    schema = answer["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), {**schema, "components": description["components"]})


# --- who may ask


@pytest.mark.parametrize("path", ["/metrics", "/v1/sessions", "/v1/health", "/v1/openapi.json", "/nothing"])
async def test_a_token_is_asked_for_when_there_is_one(path: str) -> None:
    async with served_face(security=SECURED) as served:
        without = await ask(served, "GET", path)
        wrong = await ask(served, "GET", path, headers={"Authorization": "Bearer guess"})
        right = await ask(served, "GET", path, headers={"Authorization": OPERATOR.authorization})
    assert (without.status_code, wrong.status_code) == (401, 401)
    assert problem(without) == "unauthorized"
    assert without.headers["WWW-Authenticate"] == "Bearer"
    assert right.status_code == (404 if path == "/nothing" else 200)


async def test_without_the_token_nobody_is_hung_up() -> None:
    async with served_face(FakeDirectory(*TWO_CALLS), security=SECURED) as served:
        assert (await ask(served, "DELETE", "/v1/sessions/one")).status_code == 401
        assert served.directory.hung_up == []


async def test_probes_are_open_to_everybody() -> None:
    async with served_face(security=SECURED) as served:
        assert (await ask(served, "GET", "/healthz")).status_code == 200
        assert (await ask(served, "GET", "/readyz")).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:50052", "127.0.0.1.evil.example", "localhost.", "", "::1"]
)
async def test_a_foreign_host_is_refused_on_loopback(host: str) -> None:
    async with served_face(FakeDirectory(*TWO_CALLS)) as served:
        refused = await ask(served, "DELETE", "/v1/sessions/one", headers={"Host": host})
        assert served.directory.hung_up == []
    assert refused.status_code == 403
    assert problem(refused) == "foreign_host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:50052", "[::1]", "[::1]:50052"])
async def test_the_names_of_loopback_are_taken(host: str) -> None:
    async with served_face() as served:
        assert (await ask(served, "GET", "/v1/health", headers={"Host": host})).status_code == 200


async def test_a_request_that_names_no_host_is_no_page_of_a_browser() -> None:
    async with served_face() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /v1/health HTTP/1.0\r\n\r\n")
        answer = await read_answer(reader)
        assert answer is not None
        assert answer.status == 200
        writer.close()
        two = b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
        assert (await ask_raw(served, two))[0].status in (400, 403)


async def test_beyond_loopback_every_name_is_taken() -> None:
    async with served_face(host="0.0.0.0", security=SECURED) as served:
        headers = {"Host": "orchestrator:50052", "Authorization": OPERATOR.authorization}
        assert (await ask(served, "GET", "/v1/health", headers=headers)).status_code == 200


# --- what is not asked properly


async def test_nothing_invites_pages_of_other_origins() -> None:
    async with served_face() as served:
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
        preflight = await ask(served, "OPTIONS", "/v1/sessions/one", headers=asked)
        plain = await ask(served, "GET", "/v1/sessions", headers=asked)
    assert preflight.status_code == 405
    for response in (preflight, plain):
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]


async def test_a_body_is_refused_and_ends_the_connection() -> None:
    request = b"DELETE /v1/sessions/one HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    async with served_face(FakeDirectory(*TWO_CALLS)) as served:
        (answer,) = await ask_raw(served, request)
        assert served.directory.hung_up == []
    assert answer.status == 413
    assert answer.closes
    assert json.loads(answer.body)["error"]["code"] == "body_not_allowed"


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", 400, "bad_request"),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9_000 + b"\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 70 + b"\r\n", 400, "bad_request"),
        (b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nExpect: a cake\r\n\r\n", 417, "expectation_failed"),
        (b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nExpect: \xff\r\n\r\n", 417, "expectation_failed"),
    ],
)
async def test_what_is_no_request_gets_the_same_shape_of_error(request_bytes: bytes, status: int, code: str) -> None:
    async with served_face() as served:
        answers = await ask_raw(served, request_bytes)
    assert answers[0].status == status
    assert json.loads(answers[0].body)["error"]["code"] == code
    assert answers[0].headers["content-type"] == "application/json"


async def test_nothing_tells_what_the_server_is_made_of() -> None:
    async with served_face() as served:
        for path in ("/healthz", "/metrics", "/v1/health", "/nothing"):
            assert (await ask(served, "GET", path)).headers["Server"] == "voice-orchestrator"


async def test_a_defect_is_an_error_of_the_same_shape(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(FakeDirectory):
        def sessions(self) -> Any:
            raise RuntimeError("a secret")

    async with served_face(Broken()) as served:
        response = await ask(served, "GET", "/v1/sessions")
    assert response.status_code == 500
    assert problem(response) == "internal"
    assert "a secret" not in response.text
    assert "http_request_failed" in capsys.readouterr().out


async def test_only_so_many_connections_are_open_at_once() -> None:
    with capture_logs() as logs:
        async with (
            served_face(limits=HttpLimits(connections=8)) as served,
            aiohttp.ClientSession() as client,
        ):
            async with client.get(f"{served.url}/healthz") as response:
                assert response.status == 200
            held = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(7)]
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            assert await read_answer(reader) is None
            assert [entry["event"] for entry in logs] == ["http_connection_refused"]
            writer.close()
            # Those that were there before are served.
            async with client.get(f"{served.url}/healthz") as response:
                assert response.status == 200
            for _, each in held:
                each.close()


async def test_half_a_request_is_not_waited_for() -> None:
    async with served_face(limits=HttpLimits(idle_s=0.05)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: local")
        assert await read_answer(reader) is None
        writer.close()


async def test_a_peer_that_reads_nothing_is_cut_and_others_are_served() -> None:
    with capture_logs() as logs:
        async with served_face(limits=HttpLimits(write_s=0.05)) as served:
            _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1_024)
            writer.write(b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5_000)
            await eventually(lambda: any(entry["event"] == "http_peer_reads_nothing" for entry in logs))
            assert (await ask(served, "GET", "/healthz")).status_code == 200
            writer.close()
