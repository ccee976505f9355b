"""The embedded language model with several sessions at once: what each finds cached, and who waits for whom."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.eventually import eventually
from support.gate import Gate

from voice_contract.failures import FailureReason, VoiceAgentError
from voice_contract.messages import ChatMessage, ChatRole
from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.clock import monotonic_s
from voice_inference.core_turns import CoreTurns
from voice_inference.engines.base import Cancelled, CancelToken, LlmEnd, LlmItem, LlmRequest, LlmText
from voice_inference.engines.llm.batched_writer import JOBS_WAITING_MAX, WriteJob
from voice_inference.engines.llm.item_stream import ItemStream
from voice_inference.engines.llm.llama_context import LlamaContext
from voice_inference.engines.llm.llama_cpp import LlamaCpp
from voice_inference.engines.llm.requantized import PRECISIONS, requantized
from voice_inference.engines.llm.step_plan import STEP_TOKENS

pytestmark = pytest.mark.models

SYSTEM = ChatMessage(
    role=ChatRole.SYSTEM, text="You are Joe, the receptionist of a dental practice. Be brief and friendly to everybody."
)
STORY = "Tell me a very long story about a dragon."


def weights() -> Path:
    return next(ModelStore(default_cache_dir()).verified_dir("smollm2-135m-instruct-q4_1").glob("*.gguf"))


def engine_of(
    *, context_tokens: int = 2_048, cache_tokens: int = 0, concurrency: int = 4, precision: str = ""
) -> LlamaCpp:
    return LlamaCpp(
        weights(),
        model="smollm2",
        device="cpu",
        threads=2,
        context_tokens=context_tokens,
        repeat_penalty=1.1,
        turns=CoreTurns(2),
        precision=precision,
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
        turns=CoreTurns(2),
    )
    with pytest.raises(VoiceAgentError, match=r"cannot load broken\.gguf"):
        await engine.start()
    with pytest.raises(VoiceAgentError):
        await written(engine, request("a", "Hello."))


# --- words as a witness


async def finished(engine: LlamaCpp, session: str, text: str) -> float:
    return await engine.score_words(session, (SYSTEM, ChatMessage(role=ChatRole.USER, text=text)), CancelToken())


async def test_whole_sentences_score_higher_than_broken_ones_whatever_mark_was_put_behind_them(llm: LlamaCpp) -> None:
    whole = [await finished(llm, "a", text) for text in ("Turn off the lights in the office.", "I want to sit down.")]
    broken = [await finished(llm, "a", text) for text in ("Turn off the lights in the.", "I want to sit, and then.")]
    assert min(whole) > 5 * max(broken)
    assert await finished(llm, "a", "Turn off the lights in the office") == pytest.approx(whole[0], rel=0.05)


async def test_a_reply_finds_the_words_that_were_judged_in_the_cache(llm: LlamaCpp) -> None:
    asked = "Turn off all of the lights in the office, please."
    await finished(llm, "a", asked)
    _, end = await written(llm, request("a", asked))
    assert end.prompt_tokens - end.cached_tokens < 12


async def test_words_are_judged_beside_a_reply_that_is_written(llm: LlamaCpp) -> None:
    alone = await finished(llm, "a", "Turn off the lights.")
    story = asyncio.create_task(written(llm, request("b", STORY, max_tokens=40)))
    scores = [await finished(llm, "a", "Turn off the lights.") for _ in range(3)]
    text, _ = await story
    assert text
    assert scores == pytest.approx([alone] * 3, rel=0.05)


async def first_words(engine: LlamaCpp, session: str, order: list[str]) -> list[LlmItem]:
    """A reply that is due last; `order` is told when its first words come."""
    items: list[LlmItem] = []
    asked = replace(request(session, "Hello, who are you?"), deadline_s=monotonic_s() + 1_000)
    async for item in engine.generate(asked, CancelToken()):
        if not items:
            order.append("reply")
        items.append(item)
    return items


async def judged(engine: LlamaCpp, session: str, text: str, order: list[str]) -> float:
    score = await finished(engine, session, text)
    order.append("words")
    return score


async def test_a_reply_is_read_before_words_that_were_to_be_judged_first(llm: LlamaCpp) -> None:
    order: list[str] = []
    gate = Gate()

    def prompt(_: LlamaContext) -> list[int]:
        gate.pass_through()
        return []

    stream = ItemStream[LlmItem](llm._writer.wake)
    llm._writer.submit(
        WriteJob(session_id="c", prompt=prompt, reply=None, deadline_s=0.0, cancel=CancelToken(), stream=stream)
    )
    await gate.reached()
    words = asyncio.create_task(judged(llm, "a", "Turn off the lights.", order))
    await eventually(lambda: llm.depth == 1)
    reply = asyncio.create_task(first_words(llm, "b", order))
    await eventually(lambda: llm.depth == 2)
    gate.open()
    assert await asyncio.gather(words, reply)
    assert [item async for item in stream.read()] == []
    assert order == ["reply", "words"]


async def test_words_that_are_being_read_make_way_for_a_reply_and_are_judged_after_it(llm: LlamaCpp) -> None:
    text = f"{'I am here again, ' * 40} and I want to sit down."
    order: list[str] = []
    words = asyncio.create_task(judged(llm, "a", text, order))
    await eventually(lambda: (reading := llm._writer._reading) is not None and reading.evaluated > STEP_TOKENS)
    reply = await first_words(llm, "b", order)
    assert isinstance(reply[0], LlmText)
    score = await words
    assert order == ["reply", "words"]
    # Read in other pieces, and so rounded in other places.
    assert score == pytest.approx(await finished(llm, "a", text), rel=0.2)


async def test_words_judged_beside_a_running_reply_do_not_cost_it_its_cache(llm: LlamaCpp) -> None:
    said = "Tell me a very long story about a dragon, and about all of his many friends in the mountains, please."
    cancel = CancelToken()
    story = llm.generate(request("a", said, max_tokens=200), cancel)
    await anext(story)
    await finished(llm, "a", "Turn off the lights.")
    cancel.cancel()
    with pytest.raises(Cancelled):
        await ended(story)
    _, end = await written(llm, request("a", said, max_tokens=2))
    assert end.prompt_tokens - end.cached_tokens < 4


async def test_nothing_but_marks_cannot_be_judged(llm: LlamaCpp) -> None:
    with pytest.raises(VoiceAgentError, match="no words to score"):
        await finished(llm, "a", "...")


# --- other precisions


async def test_the_weights_are_brought_to_another_precision_and_answer() -> None:
    engine = engine_of(precision="q5_0")
    await engine.start()
    try:
        text, _ = await written(engine, request("a", "What is your name?"))
    finally:
        await engine.close()
    assert text
    assert engine.describe().precision == "q5_0"


def test_what_is_made_of_the_weights_is_gone_afterwards() -> None:
    with requantized(weights(), "q4_0", threads=2) as made:
        assert made.read_bytes()[:4] == b"GGUF"
        assert made.stat().st_size < weights().stat().st_size
    assert not made.parent.exists()


def test_without_a_precision_the_file_itself_is_used() -> None:
    with requantized(weights(), "", threads=2) as same:
        assert same == weights()


def test_a_precision_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(VoiceAgentError, match=", ".join(PRECISIONS)):
        engine_of(precision="q3_k")


def test_weights_that_cannot_be_brought_there_are_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, or not")
    with (
        pytest.raises(VoiceAgentError, match="could not be brought to q5_0"),
        requantized(broken, "q5_0", threads=1),
    ):
        pytest.fail("there is nothing to load")
