"""Tools at work beside a session: every call is answered once, within bounds, and none outlives the session."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import structlog
from support.mailbox_events import take_all
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.failures import FailureReason
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.ports import ToolError
from voice_orchestrator.runtime.tool_runner import TOOLS_AT_WORK_MAX, TOOLS_WAITING_MAX, NoTools, ToolRunner
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import CallTool

SETTLE_S = 0.0001


class ScriptedTools:
    """Implements ToolPort: a tool's name says what it does."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.at_work = 0
        self.at_work_max = 0
        self.closed = False

    async def call(self, name: str, arguments: str, idempotency_key: str) -> str:
        self.calls.append((name, arguments, idempotency_key))
        self.at_work += 1
        self.at_work_max = max(self.at_work_max, self.at_work)
        try:
            match name:
                case "refuses":
                    raise ToolError(FailureReason.TOOL_FAILED, "not today")
                case "breaks":
                    raise ZeroDivisionError
                case "hangs":
                    await elapse(3_600.0)
                case "takes_a_second":
                    await elapse(1.0)
                case _:
                    pass
        finally:
            self.at_work -= 1
        return f"{name} says yes"

    async def close(self) -> None:
        self.closed = True


@dataclass(slots=True, kw_only=True)
class Rig:
    """A runner that runs."""

    tools: ScriptedTools
    mailbox: Mailbox
    runner: ToolRunner
    running: asyncio.Task[None]
    next_id: int = 1

    def start(self, name: str, timeout_ms: int = 5_000) -> None:
        self.runner.start(CallTool(call_id=self.next_id, name=name, arguments="{}", timeout_ms=timeout_ms))
        self.next_id += 1

    async def told(self) -> list[events.SessionEvent]:
        await elapse(SETTLE_S)
        return await take_all(self.mailbox)


def with_rig(story: Callable[[Rig], Coroutine[None, None, None]]) -> None:
    async def run() -> None:
        tools, mailbox = ScriptedTools(), Mailbox()
        runner = ToolRunner("abc", tools, mailbox, virtual_clock())
        running = asyncio.create_task(runner.run())
        await story(Rig(tools=tools, mailbox=mailbox, runner=runner, running=running))
        running.cancel()
        await asyncio.wait((running,))
        assert tools.closed
        assert tools.at_work == 0

    run_virtual(run())


def test_a_result_is_an_event_and_the_key_is_of_session_and_call() -> None:
    async def story(rig: Rig) -> None:
        rig.start("look_up")
        assert await rig.told() == [events.ToolReturned(at_ms=0, call_id=1, result="look_up says yes")]
        assert rig.tools.calls == [("look_up", "{}", "abc-1")]

    with_rig(story)


def test_a_refusal_is_an_event_with_its_reason() -> None:
    async def story(rig: Rig) -> None:
        rig.start("refuses")
        reason = FailureReason.TOOL_FAILED
        assert await rig.told() == [events.ToolFailed(at_ms=0, call_id=1, reason=reason, detail="not today")]

    with_rig(story)


def test_a_defect_of_the_runtime_fails_the_call_alone() -> None:
    async def story(rig: Rig) -> None:
        with structlog.testing.capture_logs() as logged:
            rig.start("breaks")
            rig.start("look_up")
            failed, returned = await rig.told()
        assert isinstance(failed, events.ToolFailed)
        assert failed.reason is FailureReason.INTERNAL
        assert isinstance(returned, events.ToolReturned)
        assert "tool_broke" in [entry["event"] for entry in logged]

    with_rig(story)


def test_a_tool_that_overruns_is_given_up() -> None:
    async def story(rig: Rig) -> None:
        rig.start("hangs", timeout_ms=2_000)
        await elapse(1.99)
        assert await rig.told() == []
        await elapse(0.02)
        (failed,) = await rig.told()
        assert isinstance(failed, events.ToolFailed)
        assert failed.reason is FailureReason.DEADLINE_EXCEEDED
        assert rig.tools.at_work == 0

    with_rig(story)


def test_tools_work_side_by_side_up_to_a_number() -> None:
    async def story(rig: Rig) -> None:
        for _ in range(TOOLS_AT_WORK_MAX + 2):
            rig.start("takes_a_second")
        await elapse(1.01)
        assert len(await rig.told()) == TOOLS_AT_WORK_MAX
        await elapse(1.0)
        assert len(await rig.told()) == 2
        assert rig.tools.at_work_max == TOOLS_AT_WORK_MAX

    with_rig(story)


def test_waiting_for_room_counts_for_the_deadline() -> None:
    async def story(rig: Rig) -> None:
        for _ in range(TOOLS_AT_WORK_MAX):
            rig.start("hangs", timeout_ms=60_000)
        rig.start("look_up", timeout_ms=1_000)
        await elapse(1.01)
        (failed,) = await rig.told()
        assert isinstance(failed, events.ToolFailed)
        assert (failed.call_id, failed.reason) == (TOOLS_AT_WORK_MAX + 1, FailureReason.DEADLINE_EXCEEDED)

    with_rig(story)


def test_more_than_may_wait_fails_at_once_and_room_comes_back() -> None:
    async def story(rig: Rig) -> None:
        for _ in range(TOOLS_WAITING_MAX + 1):
            rig.start("hangs", timeout_ms=10_000)
        (failed,) = await rig.told()
        assert isinstance(failed, events.ToolFailed)
        assert (failed.call_id, failed.reason) == (TOOLS_WAITING_MAX + 1, FailureReason.OVERLOADED)
        await elapse(10.01)
        assert len(await rig.told()) == TOOLS_WAITING_MAX
        rig.start("look_up")
        assert [type(event).__name__ for event in await rig.told()] == ["ToolReturned"]

    with_rig(story)


def test_what_is_at_work_when_the_session_ends_is_given_up() -> None:
    async def story(rig: Rig) -> None:
        rig.start("hangs", timeout_ms=600_000)
        await elapse(0.1)
        assert rig.tools.at_work == 1

    with_rig(story)


def test_neither_arguments_nor_results_are_logged() -> None:
    async def story(rig: Rig) -> None:
        with structlog.testing.capture_logs() as logged:
            rig.runner.start(CallTool(call_id=1, name="look_up", arguments='{"pin": "1234"}', timeout_ms=1_000))
            assert len(await rig.told()) == 1
        assert [entry["event"] for entry in logged] == ["tool_answered"]
        assert "1234" not in str(logged)
        assert "says yes" not in str(logged)

    with_rig(story)


def test_an_agent_without_tools_has_none() -> None:
    async def story() -> None:
        mailbox = Mailbox()
        runner = ToolRunner("abc", NoTools(), mailbox, virtual_clock())
        running = asyncio.create_task(runner.run())
        runner.start(CallTool(call_id=1, name="look_up", arguments="{}", timeout_ms=1_000))
        await elapse(SETTLE_S)
        (failed,) = await take_all(mailbox)
        assert isinstance(failed, events.ToolFailed)
        assert failed.reason is FailureReason.TOOL_UNKNOWN
        running.cancel()
        await asyncio.wait((running,))

    run_virtual(story())
