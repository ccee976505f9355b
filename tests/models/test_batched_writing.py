"""The embedded language model with several sessions at once: what each finds cached, and who waits for whom."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from voice_contract.failures import FailureReason, VoiceAgentError
from voice_contract.messages import ChatMessage, ChatRole
from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.courtesy import Courtesy
from voice_inference.engines.base import Cancelled, CancelToken, LlmEnd, LlmItem, LlmRequest, LlmText
from voice_inference.engines.llm.batched_writer import JOBS_WAITING_MAX
from voice_inference.engines.llm.llama_cpp import LlamaCpp

pytestmark = pytest.mark.models

SYSTEM = ChatMessage(
    role=ChatRole.SYSTEM, text="You are Joe, the receptionist of a dental practice. Be brief and friendly to everybody."
)
STORY = "Tell me a very long story about a dragon."


def engine_of(*, context_tokens: int = 2_048, cache_tokens: int = 0, concurrency: int = 4) -> LlamaCpp:
    folder = ModelStore(default_cache_dir()).verified_dir("smollm2-135m-instruct-q4_1")
    return LlamaCpp(
        next(folder.glob("*.gguf")),
        model="smollm2",
        device="cpu",
        threads=2,
        context_tokens=context_tokens,
        repeat_penalty=1.1,
        courtesy=Courtesy(),
        concurrency=concurrency,
        cache_tokens=cache_tokens,
    )


@pytest.fixture(scope="module")
def loaded() -> Iterator[LlamaCpp]:
    engine = engine_of()
    asyncio.run(engine.start())
    yield engine
    asyncio.run(engine.close())


@pytest.fixture
async def llm(loaded: LlamaCpp) -> LlamaCpp:
    """The engine with nothing cached for the sessions of these tests."""
    for name in "abcdefgh":
        await loaded.forget(name)
    return loaded


def request(session: str, *said: str, system: ChatMessage = SYSTEM, max_tokens: int = 8) -> LlmRequest:
    roles = (ChatRole.USER, ChatRole.ASSISTANT)
    messages = tuple(ChatMessage(role=roles[at % 2], text=text) for at, text in enumerate(said))
    return LlmRequest(
        session_id=session,
        messages=(system, *messages),
        max_tokens=max_tokens,
        temperature=0.0,
        top_p=1.0,
        seed=7,
        stop=(),
        deadline_s=0.0,
    )


async def written(engine: LlamaCpp, asked: LlmRequest) -> tuple[str, LlmEnd]:
    items = [item async for item in engine.generate(asked, CancelToken())]
    end = items[-1]
    assert isinstance(end, LlmEnd)
    return "".join(item.text for item in items if isinstance(item, LlmText)), end


async def ended(items: AsyncIterator[LlmItem]) -> list[LlmItem]:
    return [item async for item in items]


async def test_a_short_reply_does_not_wait_for_a_long_one(llm: LlamaCpp) -> None:
    cancel = CancelToken()
    story = llm.generate(request("a", STORY, max_tokens=900), cancel)
    await anext(story)
    text, end = await written(llm, request("b", "Hello, who are you?", max_tokens=4))
    assert text
    assert end.generated_tokens == 4
    assert isinstance(await anext(story), LlmText)
    cancel.cancel()
    with pytest.raises(Cancelled):
        await ended(story)


async def test_every_session_finds_its_own_turns_again(llm: LlamaCpp) -> None:
    said = {name: [f"Hello, my name is {name}.", ""] for name in ("Anna", "Bernard", "Clara")}
    for session, (name, turn) in zip("abc", said.items(), strict=True):
        said[name][1], _ = await written(llm, request(session, turn[0]))
    for session, turn in zip("abc", said.values(), strict=True):
        _, end = await written(llm, request(session, *turn, "When are you open?"))
        new = end.prompt_tokens - end.cached_tokens
        assert new <= 24, f"{new} of {end.prompt_tokens} tokens were read again"


async def test_another_session_shares_the_system_prompt(llm: LlamaCpp) -> None:
    await llm.prime("a", (SYSTEM,), CancelToken())
    _, first = await written(llm, request("a", "Good day."))
    _, other = await written(llm, request("b", "Hello there, who are you?"))
    assert first.cached_tokens >= 20
    assert other.cached_tokens >= first.cached_tokens


async def test_a_run_that_supersedes_another_begins_with_its_prompt(llm: LlamaCpp) -> None:
    said = "I would like to come on Monday morning"
    cancel = CancelToken()
    superseded = llm.generate(request("a", said, max_tokens=500), cancel)
    await anext(superseded)
    newer = asyncio.ensure_future(written(llm, request("a", f"{said} or on Friday")))
    cancel.cancel()
    with pytest.raises(Cancelled):
        await ended(superseded)
    _, end = await newer
    assert end.prompt_tokens - end.cached_tokens <= 12


async def test_a_session_that_is_over_leaves_nothing_behind(llm: LlamaCpp) -> None:
    own = ChatMessage(role=ChatRole.SYSTEM, text="Password of the day: swordfish.")
    await written(llm, request("a", "Hello.", system=own))
    await llm.forget("a")
    _, end = await written(llm, request("b", "Hello.", system=own))
    assert end.cached_tokens < 5


async def test_more_callers_than_replies_at_once_are_all_served(llm: LlamaCpp) -> None:
    assert llm.describe().concurrency == 4
    replies = await asyncio.gather(*(written(llm, request(name, f"I am {name}. Who are you?")) for name in "abcdefgh"))
    assert all(text and end.generated_tokens for text, end in replies)


async def test_callers_share_a_cache_too_small_for_all_of_them() -> None:
    engine = engine_of(context_tokens=256, cache_tokens=512)
    await engine.start()
    try:
        asked = [request(name, f"{name} " * 60, max_tokens=60) for name in "abcdefgh"]
        replies = await asyncio.gather(*(written(engine, one) for one in asked))
        assert all(end.generated_tokens and end.prompt_tokens > 60 for _, end in replies)
        assert sum(end.prompt_tokens for _, end in replies) > 512
    finally:
        await engine.close()


async def test_a_reply_is_written_before_a_prompt_nobody_waits_for_is_read(llm: LlamaCpp) -> None:
    order = []
    long = tuple(ChatMessage(role=ChatRole.USER, text="word " * 40) for _ in range(10))
    cancel = CancelToken()

    async def prime() -> None:
        await llm.prime("a", long, cancel)
        order.append("prompt")

    async def reply() -> None:
        await written(llm, request("b", "Hello."))
        order.append("reply")

    await asyncio.gather(prime(), reply())
    assert order == ["reply", "prompt"]


async def test_a_prompt_read_ahead_that_is_cancelled_leaves_what_was_read(llm: LlamaCpp) -> None:
    cancel = CancelToken()
    long = tuple(ChatMessage(role=ChatRole.USER, text="word " * 40) for _ in range(30))
    reading = asyncio.ensure_future(llm.prime("a", long, cancel))
    await written(llm, request("b", "Hello."))
    cancel.cancel()
    with pytest.raises(Cancelled):
        await reading
    _, end = await written(llm, request("b", "Hello."))
    assert end.generated_tokens > 0


async def test_more_than_the_queue_holds_is_refused_and_the_rest_can_be_cancelled(llm: LlamaCpp) -> None:
    cancels = [CancelToken() for _ in range(JOBS_WAITING_MAX + 10)]
    asked = [ended(llm.generate(request(f"q{at}", STORY, max_tokens=500), c)) for at, c in enumerate(cancels)]
    running = [asyncio.ensure_future(one) for one in asked]
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for cancel in cancels:
        cancel.cancel()
    ends = await asyncio.gather(*running, return_exceptions=True)
    refused = [end for end in ends if isinstance(end, VoiceAgentError)]
    assert refused
    assert {error.failure.reason for error in refused} == {FailureReason.OVERLOADED}
    assert all(isinstance(end, Cancelled) for end in ends if end not in refused)
    assert llm.depth == 0


async def test_closing_ends_what_is_being_written_and_refuses_more() -> None:
    engine = engine_of()
    await engine.start()
    story = engine.generate(request("a", STORY, max_tokens=900), CancelToken())
    await anext(story)
    await engine.close()
    with pytest.raises(Cancelled):
        await ended(story)
    with pytest.raises(VoiceAgentError):
        await written(engine, request("a", "Hello."))


async def test_a_file_that_is_no_model_is_refused_with_its_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(64))
    engine = LlamaCpp(
        broken,
        model="broken",
        device="cpu",
        threads=1,
        context_tokens=256,
        repeat_penalty=1.0,
        courtesy=Courtesy(),
    )
    with pytest.raises(VoiceAgentError, match=r"cannot load broken\.gguf"):
        await engine.start()
    with pytest.raises(VoiceAgentError):
        await written(engine, request("a", "Hello."))
