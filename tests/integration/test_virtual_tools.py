"""Tools over a real HTTP service of this machine, asked for by a scripted model, in calls on virtual time."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from support.asking_node import AskingNode
from support.hand_call import HandCall, calling
from support.local_tools import LocalTools, answering
from support.session_script import QUIET_TURNS, policy
from support.virtual_time import run_virtual

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import ChatRole, Phase, ToolDeclaration
from voice_orchestrator.runtime.http_tools import HttpTool, HttpTools
from voice_orchestrator.session.policy import ToolPolicy

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ToolPolicy(
    declarations=(ToolDeclaration(name="weather", description="Tells the weather.", parameters_schema="{}"),),
    timeout_ms=4_000,
)
POLICY = policy(tools=WEATHER, turn_taking=QUIET_TURNS)
ASKS = ['{"city": "Oslo"}']


@asynccontextmanager
async def equipped(service: LocalTools, node: AskingNode) -> AsyncIterator[HandCall]:
    async with service.server() as server:
        tool = HttpTool(name="weather", url=f"{server.url}/tool", parameters=CITY, timeout_ms=4_000)
        async with calling(POLICY, node, HttpTools([tool])) as call:
            yield call


def with_tool(story: Callable[[HandCall], Coroutine[None, None, None]], service: LocalTools, node: AskingNode) -> None:
    async def told() -> None:
        async with equipped(service, node) as call:
            await story(call)

    run_virtual(told())


async def ask(call: HandCall) -> None:
    await call.be_silent(0.3)
    await call.speak(1.0)
    await call.be_silent(0.7)


def test_the_agent_says_what_the_tool_answered() -> None:
    service, node = answering(), AskingNode("weather", [*ASKS])

    async def story(call: HandCall) -> None:
        await ask(call)
        await call.until(lambda: call.responded() == 1)
        await call.until(lambda: call.phase is Phase.ACTIVE)
        assert " ".join(call.agent_said()) == "It says sunny, 21 degrees."
        assert call.all(Failure) == []

    with_tool(story, service, node)
    (asked,) = service.asked
    assert asked.body == {"call_id": "test-1", "arguments": {"city": "Oslo"}}
    assert asked.headers["Idempotency-Key"] == "test-1"


def test_arguments_that_do_not_fit_come_back_to_the_model_and_the_service_is_not_asked() -> None:
    service, node = answering(), AskingNode("weather", ['{"town": "Oslo"}'])

    async def story(call: HandCall) -> None:
        await ask(call)
        await call.until(lambda: call.responded() == 1)
        (failure,) = call.all(Failure)
        assert (failure.stage, failure.reason) == (Stage.TOOL, FailureReason.TOOL_FAILED)

    with_tool(story, service, node)
    assert service.asked == []
    assert "'city' is a required property" in node.prompts[-1][-1].text


def test_a_service_that_does_not_answer_does_not_hold_up_the_call() -> None:
    service, node = LocalTools(), AskingNode("weather", [*ASKS])

    async def story(call: HandCall) -> None:
        await ask(call)
        await call.until(lambda: call.responded() == 1, at_most_s=6.0)
        (failure,) = call.all(Failure)
        assert (failure.stage, failure.reason) == (Stage.TOOL, FailureReason.DEADLINE_EXCEEDED)

    with_tool(story, service, node)
    assert service.given_up == 1


def test_a_result_that_comes_after_the_caller_went_on_is_not_lost_and_not_asked_for_twice() -> None:
    service, node = LocalTools(), AskingNode("weather", [*ASKS])

    async def story(call: HandCall) -> None:
        await ask(call)
        await call.until(lambda: service.at_work == 1)
        await call.speak(1.0)
        service.answering.set()
        await call.until(lambda: call.responded() == 1)

    with_tool(story, service, node)
    assert len(service.asked) == 1
    results = [message.text for message in node.prompts[-1] if message.role is ChatRole.TOOL]
    assert results == ["sunny, 21 degrees"]


def test_a_tool_at_work_ends_with_the_call() -> None:
    service, node = LocalTools(), AskingNode("weather", [*ASKS])

    async def story(call: HandCall) -> None:
        await ask(call)
        await call.until(lambda: service.at_work == 1)
        await call.hang_up()
        assert call.serving.done()

    with_tool(story, service, node)
    assert service.at_work == 0
