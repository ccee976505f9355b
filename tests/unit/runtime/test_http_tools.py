"""Tools over HTTP: what a service is sent, and what becomes of every kind of answer."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from support.eventually import eventually
from support.local_server import LocalServer
from support.local_tools import Answer, LocalTools, answering

from voice_contract.failures import FailureReason
from voice_orchestrator.runtime.http_tools import ANSWER_BYTES_MAX, HttpTool, HttpTools
from voice_orchestrator.runtime.ports import ToolError

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}


def weather(server: LocalServer, **changes: Any) -> HttpTool:
    plain: dict[str, Any] = {
        "name": "weather",
        "url": f"{server.url}/tool",
        "parameters": CITY,
        "timeout_ms": 20_000,
        "headers": {"Authorization": "Bearer s3cret"},
    }
    return HttpTool(**{**plain, **changes})


async def call(service: LocalTools, arguments: str = '{"city": "Oslo"}', **changes: Any) -> str:
    async with service.server() as server:
        tools = HttpTools([weather(server, **changes)])
        try:
            return await tools.call("weather", arguments, "abc-1")
        finally:
            await tools.close()


async def refusal(service: LocalTools, arguments: str = '{"city": "Oslo"}', **changes: Any) -> ToolError:
    with pytest.raises(ToolError) as refused:
        await call(service, arguments, **changes)
    assert "s3cret" not in refused.value.detail
    assert "127.0.0.1" not in refused.value.detail
    return refused.value


async def test_a_service_is_sent_the_arguments_and_a_key_of_the_call() -> None:
    service = answering()
    assert await call(service, '{"city": "Oslo", "days": 2}') == "sunny, 21 degrees"
    (asked,) = service.asked
    assert asked.body == {"call_id": "abc-1", "arguments": {"city": "Oslo", "days": 2}}
    assert asked.headers["Idempotency-Key"] == "abc-1"
    assert asked.headers["Authorization"] == "Bearer s3cret"


async def test_no_arguments_are_an_empty_object() -> None:
    service = answering()
    await call(service, "", parameters={"type": "object"})
    assert service.asked[0].body["arguments"] == {}


@pytest.mark.parametrize(
    ("arguments", "detail"),
    [
        ("{", "the arguments are not JSON"),
        ('["Oslo"]', "the arguments are not a JSON object"),
        ("{}", "the arguments do not fit, $: 'city' is a required property"),
        ('{"city": 5}', "the arguments do not fit, $.city: 5 is not of type 'string'"),
        ('{"city": "Oslo", "days": 0}', "the arguments do not fit, $.days: 0 is less than the minimum of 1"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_before_anything_is_sent(arguments: str, detail: str) -> None:
    service = answering()
    refused = await refusal(service, arguments)
    assert (refused.reason, refused.detail) == (FailureReason.TOOL_FAILED, detail)
    assert service.asked == []


async def test_a_long_argument_is_not_repeated_in_full() -> None:
    refused = await refusal(answering(), '{"city": ["' + "x" * 5_000 + '"]}')
    assert len(refused.detail) < 300


async def test_a_schema_never_makes_the_runtime_fetch_anything() -> None:
    service = answering()
    async with service.server() as server:
        remote = {"type": "object", "properties": {"city": {"$ref": f"{server.url}/schema"}}}
        tools = HttpTools([weather(server, parameters=remote)])
        with pytest.raises(ToolError, match="names what is not in it"):
            await tools.call("weather", '{"city": "Oslo"}', "abc-1")
        await tools.close()
    assert (service.asked, service.schemas_shown) == ([], 0)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (lambda: web.Response(status=404, text="no such\n city"), "the tool answered 404: no such city"),
        (lambda: web.Response(status=503), "the tool answered 503"),
        (lambda: web.Response(status=500, text="x" * 4_000), "the tool answered 500: " + "x" * 200 + "…"),
        (
            lambda: web.Response(status=307, headers={"Location": "/elsewhere"}),
            "the tool answered 307, redirects are not followed",
        ),
        (lambda: web.Response(body=b"x" * (ANSWER_BYTES_MAX + 1)), "the tool's answer is longer than 16 KiB"),
    ],
    ids=["404", "503", "500", "redirect", "too long"],
)
async def test_an_answer_that_is_none_is_a_failure_the_model_can_read(answer: Answer, detail: str) -> None:
    service = answering(answer)
    refused = await refusal(service)
    assert (refused.reason, refused.detail) == (FailureReason.TOOL_FAILED, detail)
    assert len(service.asked) == 1


async def test_an_answer_may_be_as_long_as_the_limit_and_hold_any_bytes() -> None:
    assert len(await call(answering(lambda: web.Response(body=b"x" * ANSWER_BYTES_MAX)))) == ANSWER_BYTES_MAX
    assert await call(answering(lambda: web.Response(body=b"caf\xc3\xa9 \xff"))) == "café \ufffd"


async def test_a_service_that_does_not_answer_is_given_up() -> None:
    service = LocalTools()
    refused = await refusal(service, timeout_ms=50)
    assert refused.reason is FailureReason.DEADLINE_EXCEEDED
    assert refused.detail == "the tool did not answer within 50 ms"


async def test_a_service_that_is_not_there_is_a_failure() -> None:
    async with answering().server() as server:
        gone = weather(server)
    tools = HttpTools([gone])
    with pytest.raises(ToolError) as refused:
        await tools.call("weather", '{"city": "Oslo"}', "abc-1")
    await tools.close()
    assert (refused.value.reason, refused.value.detail) == (
        FailureReason.TOOL_FAILED,
        "the tool's service cannot be reached",
    )


async def test_a_tool_that_was_not_declared_is_unknown() -> None:
    tools = HttpTools([])
    with pytest.raises(ToolError) as refused:
        await tools.call("weather", "{}", "abc-1")
    await tools.close()
    assert refused.value.reason is FailureReason.TOOL_UNKNOWN


async def test_a_call_that_is_cancelled_is_given_up_at_the_service_too() -> None:
    service = LocalTools()
    async with service.server() as server:
        tools = HttpTools([weather(server)])
        calling = asyncio.create_task(tools.call("weather", '{"city": "Oslo"}', "abc-1"))
        await eventually(lambda: service.at_work == 1)
        calling.cancel()
        await eventually(lambda: service.given_up == 1)
        await tools.close()
    assert calling.cancelled()


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert await call(answering()) == "sunny, 21 degrees"


def test_secrets_of_a_tool_are_not_shown() -> None:
    tool = HttpTool(name="x", url="http://x", parameters={}, timeout_ms=1, headers={"Authorization": "s3cret"})
    assert "s3cret" not in repr(tool)
