"""Tools the model asks for: each is called once, its result is used once, whatever becomes of the run.

A tool has effects in the world, so none begins before the turn it serves is committed, and none is stopped or repeated
because the caller interrupts. A result that comes when its run is over is remembered for the next reply.
"""

from voice_contract.failures import FailureReason, Stage
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import CallTool
from voice_orchestrator.session.evolve import evolved
from voice_orchestrator.session.history import with_entry
from voice_orchestrator.session.state import Run, ToolCall, ToolStatus
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.tool_record import tool_entries

CALLS_WAITING_MAX = 16
"""Calls of a session that may be held or at work; what is asked for beyond them fails."""


def on_tool_requested(step: Step, run: Run, event: events.ToolRequested) -> None:
    """The model asks for a tool."""
    calls = [call for call in step.state.tools if call.run_id == run.id]
    if run.written or run.awaits_tools or event.call_index != len(calls):
        step.ignore("tool_not_awaited")
        return
    call = ToolCall(
        id=step.state.next_call_id,
        run_id=run.id,
        call_index=event.call_index,
        name=event.name,
        arguments=event.arguments,
        status=ToolStatus.HELD,
    )
    step.change(next_call_id=call.id + 1, tools=(*step.state.tools, call))
    known = any(tool.name == call.name for tool in step.policy.tools.declarations)
    if not known:
        _fail(step, call, FailureReason.TOOL_UNKNOWN, "there is no such tool")
    elif len(step.state.tools) > CALLS_WAITING_MAX:
        _fail(step, call, FailureReason.OVERLOADED, "too many tools are at work")
    elif not run.speculative:
        _start(step, call)


def _start(step: Step, call: ToolCall) -> None:
    timeout_ms = step.policy.tools.timeout_ms
    _change(step, call, status=ToolStatus.RUNNING, deadline_ms=step.now_ms + timeout_ms)
    step.emit(CallTool(call_id=call.id, name=call.name, arguments=call.arguments, timeout_ms=timeout_ms))


def _change(step: Step, call: ToolCall, **changes: object) -> None:
    changed = evolved(call, changes)
    step.change(tools=tuple(changed if other.id == call.id else other for other in step.state.tools))


def start_held_tools(step: Step, run: Run) -> None:
    """The turn is committed: tools that waited for that begin."""
    for call in step.state.tools:
        if call.run_id == run.id and call.status is ToolStatus.HELD:
            _start(step, call)


def on_tool_returned(step: Step, event: events.ToolReturned) -> None:
    """A tool answered: its run goes on, or the result is remembered for the next."""
    call = _running(step, event.call_id)
    if call is None:
        step.ignore("tool_not_running")
        return
    _finish(step, call, event.result)


def on_tool_failed(step: Step, event: events.ToolFailed) -> None:
    """A tool answered with an error, or not; the model is told."""
    call = _running(step, event.call_id)
    if call is None:
        step.ignore("tool_not_running")
        return
    _fail(step, call, event.reason, event.detail)


def tools_overran(step: Step) -> None:
    """Tools whose deadline has passed have failed; what they answer later is not used."""
    for call in step.state.tools:
        if call.deadline_ms is not None and call.deadline_ms <= step.now_ms:
            _fail(step, call, FailureReason.DEADLINE_EXCEEDED, "the tool did not answer in time")


def _running(step: Step, call_id: int) -> ToolCall | None:
    running = (call for call in step.state.tools if call.id == call_id and call.status is ToolStatus.RUNNING)
    return next(running, None)


def _fail(step: Step, call: ToolCall, reason: FailureReason, detail: str) -> None:
    step.report_failure(Stage.TOOL, reason, f"{call.name}: {detail}", run_id=call.run_id)
    _finish(step, call, f"error: {detail}")


def _finish(step: Step, call: ToolCall, result: str) -> None:
    call = evolved(call, {"status": ToolStatus.DONE, "result": result, "deadline_ms": None})
    live = step.run is not None and step.run.id == call.run_id
    pending = step.state.flushing is not None and step.state.flushing.run.id == call.run_id
    if live or pending:
        _change(step, call, status=ToolStatus.DONE, result=result, deadline_ms=None)
        return
    history = step.state.history
    for entry in tool_entries(call):
        history = with_entry(history, entry)
    step.change(history=history, tools=tuple(other for other in step.state.tools if other.id != call.id))


def continuation_due(step: Step, run: Run) -> bool:
    """Whether a run that waits for its tools has all their results."""
    return run.awaits_tools and all(
        call.status is ToolStatus.DONE for call in step.state.tools if call.run_id == run.id
    )
