"""The Ollama adapter against a real HTTP server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from support.eventually import eventually
from support.fake_ollama import DROP, END, HANG, ErrorLine, FakeOllama
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
from voice_contract.messages import ChatMessage, ChatRole, FinishReason
from voice_inference.engines.base import Cancelled, CancelToken, LlmEnd, LlmText, LlmToolRequest
from voice_inference.engines.llm.ollama import Ollama

MODEL = "qwen2.5:3b"


@asynccontextmanager
async def adapter(host: str, *, model: str = MODEL, concurrency: int = 1) -> AsyncIterator[Ollama]:
    engine = Ollama(model=model, host=host, device="cuda:0", concurrency=concurrency, context_tokens=2048)
    try:
        yield engine
    finally:
        await engine.close()


# --- starting


async def test_starting_has_the_model_loaded_and_kept() -> None:
    async with FakeOllama() as server, adapter(server.url) as engine:
        await engine.start()
        assert [(asked["model"], asked["keep_alive"]) for asked in server.loaded] == [(MODEL, "30m")]


async def test_a_name_without_a_tag_means_the_latest() -> None:
    async with FakeOllama(models=("llama3:latest",)) as server, adapter(server.url, model="llama3") as engine:
        await engine.start()
        assert [asked["model"] for asked in server.loaded] == ["llama3"]


async def test_a_server_that_is_missing_is_named_with_what_to_do() -> None:
    host = f"http://127.0.0.1:{free_port()}"
    async with adapter(host) as engine:
        with pytest.raises(VoiceAgentError) as refusal:
            await engine.start()
        reason, line = FailureReason.ENGINE_UNREACHABLE, "start it with `ollama serve`, or set OLLAMA_HOST"
        assert failure(refusal) == (reason, f"Ollama does not answer at {host}: {line}")
        with pytest.raises(VoiceAgentError) as refusal:
            await collect(engine.generate(llm_request(), CancelToken()))
        assert failure(refusal) == (reason, f"Ollama does not answer at {host}: {line}")


async def test_a_model_that_is_missing_is_named_with_the_command() -> None:
    async with FakeOllama(models=("llama3:latest",)) as server, adapter(server.url) as engine:
        line = f"Ollama at {server.url} does not have {MODEL}: run `ollama pull {MODEL}`"
        with pytest.raises(VoiceAgentError) as refusal:
            await engine.start()
        assert failure(refusal) == (FailureReason.MODEL_MISSING, line)
        with pytest.raises(VoiceAgentError) as refusal:
            await collect(engine.generate(llm_request(), CancelToken()))
        assert failure(refusal) == (FailureReason.MODEL_MISSING, line)


async def test_a_server_that_refuses_is_told_with_its_status() -> None:
    async with FakeOllama(status=500) as server, adapter(server.url) as engine:
        for attempt in (engine.start(), collect(engine.generate(llm_request(), CancelToken()))):
            with pytest.raises(VoiceAgentError) as refusal:
                await attempt
            assert failure(refusal) == (FailureReason.ENGINE_ERROR, "Ollama answered with status 500: refused")


# --- writing


async def test_a_reply_comes_in_pieces_and_then_its_end() -> None:
    async with FakeOllama(pieces=("We ", "are ", "open.")) as server, adapter(server.url) as engine:
        assert await collect(engine.generate(llm_request(), CancelToken())) == [
            LlmText(text="We "),
            LlmText(text="are "),
            LlmText(text="open."),
            LlmEnd(reason=FinishReason.STOP, prompt_tokens=11, cached_tokens=0, generated_tokens=3, queued_us=0),
        ]


async def test_a_piece_comes_before_the_next_one_is_written() -> None:
    async with FakeOllama(pieces=("We ",), then=HANG) as server, adapter(server.url) as engine:
        cancel = CancelToken()
        stream = engine.generate(llm_request(), cancel)
        assert await anext(stream) == LlmText(text="We ")
        assert server.streaming == 1
        cancel.cancel()
        with pytest.raises(Cancelled):
            await anext(stream)


async def test_a_reply_that_is_too_long_says_so() -> None:
    async with FakeOllama(pieces=("We ",), done_reason="length") as server, adapter(server.url) as engine:
        end = (await collect(engine.generate(llm_request(), CancelToken())))[-1]
        assert isinstance(end, LlmEnd)
        assert end.reason is FinishReason.LENGTH


async def test_what_is_asked_reaches_the_server() -> None:
    async with FakeOllama() as server, adapter(server.url) as engine:
        await collect(engine.generate(llm_request(), CancelToken()))
        (asked,) = server.chats
        assert (asked["model"], asked["stream"], asked["keep_alive"]) == (MODEL, True, "30m")
        assert asked["messages"] == [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Are you open?"},
        ]
        assert asked["options"] == {
            "num_predict": 64,
            "temperature": 0.5,
            "top_p": 0.75,
            "seed": 7,
            "stop": ["\nUser:"],
            "num_ctx": 2048,
        }


async def test_tools_and_what_was_said_of_them_reach_the_server() -> None:
    async with FakeOllama() as server, adapter(server.url) as engine:
        await collect(engine.generate(llm_request(messages=TOOL_CONVERSATION, tools=(FIND,)), CancelToken()))
        await collect(engine.generate(llm_request(), CancelToken()))
        asked, without = server.chats
        assert asked["tools"] == [FIND_AS_SENT]
        assert not without.get("tools")
        assert asked["messages"][2:] == [
            {"role": "assistant", "content": "Let me see."},
            {
                "role": "assistant",
                "tool_calls": [
                    {"function": {"name": "find_slot", "arguments": {"day": "Monday"}}},
                    {"function": {"name": "opening_hours", "arguments": {}}},
                ],
            },
            {"role": "tool", "tool_name": "find_slot", "content": "none"},
            {"role": "tool", "tool_name": "opening_hours", "content": "9 to 5"},
        ]


async def test_requests_for_tools_are_told_before_the_end() -> None:
    calls: tuple[tuple[str, dict[str, object]], ...] = (("find_slot", {"day": "Größer"}), ("opening_hours", {}))
    async with FakeOllama(pieces=("One ",), calls=calls) as server, adapter(server.url) as engine:
        text, find, hours, end = await collect(engine.generate(llm_request(tools=(FIND,)), CancelToken()))
    assert text == LlmText(text="One ")
    assert find == LlmToolRequest(name="find_slot", arguments='{"day": "Größer"}')
    assert hours == LlmToolRequest(name="opening_hours", arguments="{}")
    assert isinstance(end, LlmEnd)
    assert end.reason is FinishReason.TOOLS


async def test_a_history_that_is_no_json_is_a_failure_that_names_the_tool() -> None:
    broken = ChatMessage(
        role=ChatRole.ASSISTANT, text="", tool_call_id="1", tool_name="find_slot", tool_arguments="{day"
    )
    async with FakeOllama() as server, adapter(server.url) as engine:
        with pytest.raises(VoiceAgentError) as refusal:
            await collect(engine.generate(llm_request(messages=(*CONVERSATION, broken)), CancelToken()))
        assert server.chats == []
    line = "the arguments for tool find_slot are not a JSON object"
    assert failure(refusal) == (FailureReason.ENGINE_ERROR, line)


async def test_a_cancel_closes_the_connection() -> None:
    async with FakeOllama(pieces=("We ",), then=HANG) as server, adapter(server.url) as engine:
        cancel = CancelToken()
        stream = engine.generate(llm_request(), cancel)
        assert await anext(stream) == LlmText(text="We ")
        waiting = asyncio.ensure_future(collect(stream))
        await asyncio.to_thread(cancel.cancel)
        with pytest.raises(Cancelled):
            await waiting
        await eventually(lambda: server.left == 1)


async def test_a_reply_that_was_cancelled_before_it_began_is_not_asked_for() -> None:
    async with FakeOllama() as server, adapter(server.url) as engine:
        cancel = CancelToken()
        cancel.cancel()
        with pytest.raises(Cancelled):
            await collect(engine.generate(llm_request(), cancel))
        assert server.chats == []


async def test_a_reader_that_leaves_closes_the_connection_and_gives_its_place_back() -> None:
    async with FakeOllama(pieces=("We ",), then=HANG) as server, adapter(server.url) as engine:
        stream = engine.generate(llm_request(), CancelToken())
        assert isinstance(stream, AsyncGenerator)
        await anext(stream)
        await stream.aclose()
        await eventually(lambda: server.left == 1)
        server.then = ""
        assert len(await collect(engine.generate(llm_request(), CancelToken()))) == 2


async def test_no_more_replies_are_asked_for_than_may_be_written_at_the_same_time() -> None:
    async with FakeOllama(pieces=("We ",), then=HANG) as server, adapter(server.url, concurrency=2) as engine:
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
    async with FakeOllama(pieces=("We ",), then=ErrorLine("out of memory")) as server, adapter(server.url) as engine:
        stream = engine.generate(llm_request(), CancelToken())
        assert await anext(stream) == LlmText(text="We ")
        with pytest.raises(VoiceAgentError) as refusal:
            await anext(stream)
        assert failure(refusal)[0] is FailureReason.ENGINE_ERROR


async def test_a_connection_lost_in_the_middle_of_a_reply_means_the_server_is_gone() -> None:
    async with FakeOllama(pieces=("We ",), then=DROP) as server, adapter(server.url) as engine:
        stream = engine.generate(llm_request(), CancelToken())
        assert await anext(stream) == LlmText(text="We ")
        with pytest.raises(VoiceAgentError) as refusal:
            await anext(stream)
        assert failure(refusal)[0] is FailureReason.ENGINE_UNREACHABLE


async def test_an_error_without_a_status_is_told_without_one() -> None:
    async with FakeOllama(then=ErrorLine("out of memory")) as server, adapter(server.url) as engine:
        with pytest.raises(VoiceAgentError) as refusal:
            await collect(engine.generate(llm_request(), CancelToken()))
        assert "-1" not in str(refusal.value)


async def test_a_reply_that_ends_without_being_done_is_no_undisturbed_reply() -> None:
    async with FakeOllama(pieces=("We ",), then=END) as server, adapter(server.url) as engine:
        stream = engine.generate(llm_request(), CancelToken())
        assert await anext(stream) == LlmText(text="We ")
        with pytest.raises(VoiceAgentError):
            await anext(stream)


async def test_a_server_that_is_not_ollama_is_refused() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    async with LocalServer(web.get("/api/tags", page)) as server, adapter(server.url) as engine:
        with pytest.raises(VoiceAgentError):
            await engine.start()


# --- priming


async def test_priming_has_the_prompt_evaluated() -> None:
    async with FakeOllama() as server, adapter(server.url) as engine:
        await engine.prime("session", CONVERSATION, CancelToken())
        (asked,) = server.chats
        assert asked["options"] == {"num_predict": 1, "num_ctx": 2048}
        assert [message["content"] for message in asked["messages"]] == ["Be kind.", "Are you open?"]


async def test_priming_gives_way_to_replies() -> None:
    async with FakeOllama(pieces=("We ",), then=HANG) as server, adapter(server.url) as engine:
        stream = engine.generate(llm_request(), CancelToken())
        assert isinstance(stream, AsyncGenerator)
        await anext(stream)
        await engine.prime("session", CONVERSATION, CancelToken())
        assert len(server.chats) == 1
        await stream.aclose()


async def test_priming_that_is_cancelled_ends_at_once() -> None:
    """A reply takes the place of a prompt that is being evaluated; it must not wait for it."""
    async with FakeOllama(priming=HANG) as server, adapter(server.url) as engine:
        cancel = CancelToken()
        priming = asyncio.ensure_future(engine.prime("session", CONVERSATION, cancel))
        await eventually(lambda: len(server.chats) == 1)
        cancel.cancel()
        ended, _ = await asyncio.wait((priming,), timeout=2.0)
        priming.cancel()
        await asyncio.gather(priming, return_exceptions=True)
        assert ended


async def test_the_engine_says_what_it_is() -> None:
    async with adapter("http://127.0.0.1:1", concurrency=3) as engine:
        description = engine.describe()
    assert (description.engine, description.model, description.device) == ("ollama", MODEL, "cuda:0")
    assert (description.stage, description.streaming, description.concurrency) == (Stage.LLM, True, 3)
