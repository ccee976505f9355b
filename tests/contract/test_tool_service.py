"""Requests for tools over real sockets."""

from dataclasses import replace

from support.scripted_engines import ScriptedLlm
from support.served_node import Session, served_node, session_with

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason
from voice_inference.engines.base import LlmToolRequest

HELLO = (m.ChatMessage(role=m.ChatRole.USER, text="Hello?"),)
TOOL = m.ToolDeclaration(name="find", description="Finds.", parameters_schema='{"type": "object"}')
GENERATE = m.Generate(messages=HELLO, max_tokens=20, temperature=0.0, top_p=1.0, tools=(TOOL,))
FIND = LlmToolRequest(name="find", arguments='{"q": 1}')
BOOK = LlmToolRequest(name="book", arguments="{}")


def requests(session: Session) -> list[tuple[int, str, str]]:
    """The requests for tools that came, in order."""
    seen = [event.payload for event in session.seen]
    return [(asked.call_index, asked.name, asked.arguments) for asked in seen if isinstance(asked, m.ToolRequested)]


async def test_a_run_that_asks_for_tools_goes_on_when_they_have_answered() -> None:
    answer = m.ChatMessage(role=m.ChatRole.TOOL, text="found", tool_call_id="1", tool_name="find")
    llm = ScriptedLlm(asks=(FIND, BOOK))
    async with served_node(llm=llm) as node, session_with(node) as session:
        await session.send(GENERATE, 3)
        ended, _ = await session.until(m.GenerationEnded)
        assert ended.reason is m.FinishReason.TOOLS
        assert requests(session) == [(0, "find", '{"q": 1}'), (1, "book", "{}")]
        await session.send(replace(GENERATE, messages=(*HELLO, answer)), 3)
        ended, run_id = await session.until(m.GenerationEnded)
        assert (ended.reason, run_id) == (m.FinishReason.STOP, 3)
        assert (llm.asked[1].messages[-1], llm.asked[1].tools) == (answer, (TOOL,))
        await session.send(GENERATE, 3)
        refused, _ = await session.until(Failure)
    assert refused.reason is FailureReason.INVALID_MESSAGE


async def test_the_requests_of_a_run_are_counted_over_all_its_generations() -> None:
    async with served_node(llm=ScriptedLlm(asks=(FIND,))) as node, session_with(node) as session:
        for _ in range(2):
            await session.send(GENERATE, 3)
            await session.until(m.GenerationEnded)
        await session.send(GENERATE, 4)
        await session.until(m.GenerationEnded)
    assert [index for index, _, _ in requests(session)] == [0, 1, 0]


async def test_a_run_that_asked_for_no_tool_is_not_written_twice() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.send(GENERATE, 3)
        await session.until(m.GenerationEnded)
        await session.send(GENERATE, 3)
        refused, run_id = await session.until(Failure)
    assert (refused.reason, run_id) == (FailureReason.INVALID_MESSAGE, 3)
