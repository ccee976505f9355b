"""The adapter of the OpenAI chat API against a real HTTP server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from support.eventually import eventually
from support.fake_openai import DROP, END, HANG, ErrorEvent, FakeOpenAi
from support.llm_calls import (
    CONVERSATION,
    FIND,
    FIND_AS_SENT,
    TOOL_CONVERSATION,
    collect,
    failure,
    free_port,
    llm_request,
)
from support.local_server import LocalServer

from voice_contract.failures import FailureReason, Stage, VoiceAgentError
from voice_contract.messages import FinishReason
from voice_inference.engines.base import Cancelled, CancelToken, LlmEnd, LlmText, LlmToolRequest
from voice_inference.engines.llm.openai_compatible import OpenAiCompatible

MODEL = "qwen2.5-3b"


@asynccontextmanager
async def adapter(base_url: str, *, api_key: str = "", concurrency: int = 1) -> AsyncIterator[OpenAiCompatible]:
    engine = OpenAiCompatible(model=MODEL, base_url=base_url, api_key=api_key, concurrency=concurrency)
    try:
        yield engine
    finally:
        await engine.close()


# --- starting


async def test_starting_finds_the_model() -> None:
    async with FakeOpenAi(models=("other", MODEL)) as server, adapter(server.base_url) as engine:
        await engine.start()
        assert server.chats == []


async def test_a_server_that_is_missing_is_named_with_what_to_do() -> None:
    base_url = f"http://127.0.0.1:{free_port()}/v1"
    line = f"no OpenAI-compatible server answers at {base_url}: start it, or set OPENAI_BASE_URL"
    async with adapter(base_url) as engine:
        for attempt in (engine.start(), collect(engine.generate(llm_request(), CancelToken()))):
            with pytest.raises(VoiceAgentError) as refusal:
                await attempt
            assert failure(refusal) == (FailureReason.ENGINE_UNREACHABLE, line)


async def test_a_model_that_is_missing_is_named() -> None:
    async with FakeOpenAi(models=("other",)) as server, adapter(server.base_url) as engine:
        line = f"the server at {server.base_url} does not have the model {MODEL}"
        for attempt in (engine.start(), collect(engine.generate(llm_request(), CancelToken()))):
            with pytest.raises(VoiceAgentError) as refusal:
                await attempt
            assert failure(refusal) == (FailureReason.MODEL_MISSING, line)


async def test_the_key_is_sent_and_a_server_that_refuses_it_is_told_without_the_key() -> None:
    async with FakeOpenAi(key="secret-1") as server:
        async with adapter(server.base_url, api_key="secret-1") as engine:
            await engine.start()
        async with adapter(server.base_url, api_key="secret-2") as engine:
            with pytest.raises(VoiceAgentError) as refusal:
                await engine.start()
        line = f"the server at {server.base_url} refuses the key: set OPENAI_API_KEY"
        assert failure(refusal) == (FailureReason.ENGINE_ERROR, line)


async def test_a_server_that_refuses_is_told_with_its_status_and_not_asked_again() -> None:
    async with FakeOpenAi(status=503) as server, adapter(server.base_url) as engine:
        with pytest.raises(VoiceAgentError) as refusal:
            await collect(engine.generate(llm_request(), CancelToken()))
        line = f"the server at {server.base_url} answered with status 503"
        assert failure(refusal) == (FailureReason.ENGINE_ERROR, line)
        assert len(server.chats) == 1


# --- writing


async def test_a_reply_comes_in_pieces_and_then_its_end() -> None:
    async with FakeOpenAi(pieces=("We ", "are ", "open.")) as server, adapter(server.base_url) as engine:
        assert await collect(engine.generate(llm_request(), CancelToken())) == [
            LlmText(text="We "),
            LlmText(text="are "),
            LlmText(text="open."),
            LlmEnd(reason=FinishReason.STOP, prompt_tokens=11, cached_tokens=5, generated_tokens=6, queued_us=0),
        ]


async def test_pieces_are_counted_when_the_server_tells_no_usage() -> None:
    async with FakeOpenAi(pieces=("We ", "are."), tells_usage=False) as server, adapter(server.base_url) as engine:
        end = (await collect(engine.generate(llm_request(), CancelToken())))[-1]
        assert end == LlmEnd(
            reason=FinishReason.STOP, prompt_tokens=0, cached_tokens=0, generated_tokens=2, queued_us=0
        )


async def test_a_reply_that_is_too_long_says_so() -> None:
    async with FakeOpenAi(pieces=("We ",), finish_reason="length") as server, adapter(server.base_url) as engine:
        end = (await collect(engine.generate(llm_request(), CancelToken())))[-1]
        assert isinstance(end, LlmEnd)
        assert end.reason is FinishReason.LENGTH


async def test_what_is_asked_reaches_the_server() -> None:
    async with FakeOpenAi() as server, adapter(server.base_url) as engine:
        await collect(engine.generate(llm_request(), CancelToken()))
        await collect(engine.generate(llm_request(stop=()), CancelToken()))
        asked, without_stop = server.chats
        assert asked == {
            "model": MODEL,
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Are you open?"},
            ],
            "max_tokens": 64,
            "temperature": 0.5,
            "top_p": 0.75,
            "seed": 7,
            "stop": ["\nUser:"],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        assert without_stop.get("stop") is None


async def test_tools_and_what_was_said_of_them_reach_the_server() -> None:
    async with FakeOpenAi() as server, adapter(server.base_url) as engine:
        await collect(engine.generate(llm_request(messages=TOOL_CONVERSATION, tools=(FIND,)), CancelToken()))
        await collect(engine.generate(llm_request(), CancelToken()))
        asked, without = server.chats
        assert asked["tools"] == [FIND_AS_SENT]
        assert "tools" not in without
        assert asked["messages"][2:] == [
            {"role": "assistant", "content": "Let me see."},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "3.0",
                        "type": "function",
                        "function": {"name": "find_slot", "arguments": '{"day": "Monday"}'},
                    },
                    {"id": "3.1", "type": "function", "function": {"name": "opening_hours", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "3.0", "content": "none"},
            {"role": "tool", "tool_call_id": "3.1", "content": "9 to 5"},
        ]


async def test_requests_for_tools_are_joined_from_their_pieces() -> None:
    calls = (("find_slot", ('{"day"', ": ", '"Monday"}')), ("opening_hours", ()))
    server = FakeOpenAi(pieces=("One ",), calls=calls, finish_reason="tool_calls")
    async with server, adapter(server.base_url) as engine:
        text, find, hours, end = await collect(engine.generate(llm_request(tools=(FIND,)), CancelToken()))
    assert text == LlmText(text="One ")
    assert find == LlmToolRequest(name="find_slot", arguments='{"day": "Monday"}')
    assert hours == LlmToolRequest(name="opening_hours", arguments="{}")
    assert isinstance(end, LlmEnd)
    assert end.reason is FinishReason.TOOLS


@pytest.mark.parametrize("arguments", ['{"day": ', "[1]", "Monday"])
async def test_arguments_that_are_no_json_object_are_a_failure(arguments: str) -> None:
    async with FakeOpenAi(calls=(("find_slot", (arguments,)),)) as server, adapter(server.base_url) as engine:
        with pytest.raises(VoiceAgentError) as refusal:
            await collect(engine.generate(llm_request(tools=(FIND,)), CancelToken()))
    line = "the arguments the model wrote for tool find_slot are not a JSON object"
    assert failure(refusal) == (FailureReason.ENGINE_ERROR, line)


async def test_a_cancel_closes_the_connection() -> None:
    async with FakeOpenAi(pieces=("We ",), then=HANG) as server, adapter(server.base_url) as engine:
        cancel = CancelToken()
        stream = engine.generate(llm_request(), cancel)
        assert await anext(stream) == LlmText(text="We ")
        assert server.streaming == 1
        waiting = asyncio.ensure_future(collect(stream))
        await asyncio.to_thread(cancel.cancel)
        with pytest.raises(Cancelled):
            await waiting
        await eventually(lambda: server.left == 1)


async def test_a_reply_that_was_cancelled_before_it_began_is_not_asked_for() -> None:
    async with FakeOpenAi() as server, adapter(server.base_url) as engine:
        cancel = CancelToken()
        cancel.cancel()
        with pytest.raises(Cancelled):
            await collect(engine.generate(llm_request(), cancel))
        assert server.chats == []


async def test_a_reader_that_leaves_closes_the_connection_and_gives_its_place_back() -> None:
    async with FakeOpenAi(pieces=("We ",), then=HANG) as server, adapter(server.base_url) as engine:
        stream = engine.generate(llm_request(), CancelToken())
        assert isinstance(stream, AsyncGenerator)
        await anext(stream)
        await stream.aclose()
        await eventually(lambda: server.left == 1)
        server.then = ""
        assert len(await collect(engine.generate(llm_request(), CancelToken()))) == 2


async def test_no_more_replies_are_asked_for_than_may_be_written_at_the_same_time() -> None:
    async with FakeOpenAi(pieces=("We ",), then=HANG) as server, adapter(server.base_url, concurrency=2) as engine:
        cancels = [CancelToken() for _ in range(3)]
        replies = [asyncio.ensure_future(collect(engine.generate(llm_request(), cancel))) for cancel in cancels]
        await eventually(lambda: server.streaming == 2)
        assert len(server.chats) == 2
        server.then = ""
        cancels[0].cancel()
        assert len(await replies[2]) == 2
        cancels[1].cancel()
        results = await asyncio.gather(*replies[:2], return_exceptions=True)
        assert [type(result) for result in results] == [Cancelled, Cancelled]


# --- what goes wrong on the way


async def test_an_error_in_the_middle_of_a_reply_comes_after_what_was_written() -> None:
    async with FakeOpenAi(pieces=("We ",), then=ErrorEvent("broken")) as server, adapter(server.base_url) as engine:
        stream = engine.generate(llm_request(), CancelToken())
        assert await anext(stream) == LlmText(text="We ")
        with pytest.raises(VoiceAgentError) as refusal:
            await anext(stream)
        assert failure(refusal)[0] is FailureReason.ENGINE_ERROR


async def test_a_connection_lost_in_the_middle_of_a_reply_means_the_server_is_gone() -> None:
    async with FakeOpenAi(pieces=("We ",), then=DROP) as server, adapter(server.base_url) as engine:
        stream = engine.generate(llm_request(), CancelToken())
        assert await anext(stream) == LlmText(text="We ")
        with pytest.raises(VoiceAgentError) as refusal:
            await anext(stream)
        assert failure(refusal)[0] is FailureReason.ENGINE_UNREACHABLE


async def test_a_reply_without_a_last_word_still_has_an_end() -> None:
    async with FakeOpenAi(pieces=("We ",), then=END) as server, adapter(server.base_url) as engine:
        items = await collect(engine.generate(llm_request(), CancelToken()))
        assert [type(item) for item in items] == [LlmText, LlmEnd]


async def test_a_server_of_something_else_is_refused() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    async with LocalServer(web.get("/v1/models", page)) as server, adapter(f"{server.url}/v1") as engine:
        with pytest.raises(VoiceAgentError):
            await engine.start()


async def test_priming_asks_the_server_for_nothing() -> None:
    async with FakeOpenAi() as server, adapter(server.base_url) as engine:
        await engine.prime("session", CONVERSATION, CancelToken())
        assert server.chats == []


async def test_the_engine_says_what_it_is() -> None:
    async with adapter("http://127.0.0.1:1/v1", concurrency=3) as engine:
        description = engine.describe()
    assert (description.engine, description.model, description.device) == ("openai-compatible", MODEL, "remote")
    assert (description.stage, description.streaming, description.concurrency) == (Stage.LLM, True, 3)
