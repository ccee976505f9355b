"""Tools at work for a session: beside everything else, bounded in number and time, ended with the session."""

import asyncio
from contextvars import Context, copy_context
from typing import Final

import structlog

from voice_contract.failures import FailureReason
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.ports import ToolError, ToolPort
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import CallTool

TOOLS_AT_WORK_MAX: Final = 8
"""Calls of a session that are at work at once; more wait, within their own deadline."""

TOOLS_WAITING_MAX: Final = 32
"""Calls at work and waiting; one more fails at once. Above what the session core lets wait."""

CLOSE_DEADLINE_S: Final = 1.0

log = structlog.get_logger(__name__)


class NoTools:
    """Implements ToolPort for an agent without tools."""

    async def call(self, name: str, arguments: str, idempotency_key: str) -> str:
        """See ToolPort."""
        raise ToolError(FailureReason.TOOL_UNKNOWN, "there is no such tool")

    async def close(self) -> None:
        """See ToolPort."""


class ToolRunner:
    """Answers every CallTool with one ToolReturned or ToolFailed, whatever becomes of the run that asked."""

    def __init__(self, session_id: str, tools: ToolPort, mailbox: Mailbox, clock: SessionClock) -> None:
        self._session_id = session_id
        self._tools = tools
        self._mailbox = mailbox
        self._clock = clock
        self._requests: asyncio.Queue[tuple[CallTool, Context]] = asyncio.Queue(TOOLS_WAITING_MAX)
        self._at_work = asyncio.Semaphore(TOOLS_AT_WORK_MAX)
        self._unanswered = 0

    def start(self, request: CallTool) -> None:
        """Has the tool work; never waits. What it logs is named as what its caller logs now."""
        if self._unanswered >= TOOLS_WAITING_MAX:
            failed = self._failed(request, FailureReason.OVERLOADED, "too many tools are at work")
            if not self._mailbox.put_now(failed):
                log.error("tool_failure_lost", call_id=request.call_id, reason="the mailbox is full")
            return
        self._unanswered += 1
        self._requests.put_nowait((request, copy_context()))

    async def run(self) -> None:
        """Serves requests until it is cancelled; what is at work then is given up."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    request, context = await self._requests.get()
                    group.create_task(self._serve(request), name=f"tool-{request.call_id}", context=context)
        finally:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._tools.close()

    async def _serve(self, request: CallTool) -> None:
        began_ms = self._clock.now_ms()
        answer = await self._answer(request)
        self._unanswered -= 1
        reason = answer.reason.value if isinstance(answer, events.ToolFailed) else None
        # Neither arguments nor result: what callers say and what tools know is for the journal alone.
        log.info(
            "tool_answered",
            tool=request.name,
            call_id=request.call_id,
            took_ms=self._clock.now_ms() - began_ms,
            failure=reason,
        )
        await self._mailbox.put(answer)

    async def _answer(self, request: CallTool) -> events.ToolReturned | events.ToolFailed:
        key = f"{self._session_id}-{request.call_id}"
        try:
            async with asyncio.timeout(request.timeout_ms / 1_000), self._at_work:
                result = await self._tools.call(request.name, request.arguments, key)
        except TimeoutError:
            detail = f"the tool did not answer within {request.timeout_ms} ms"
            return self._failed(request, FailureReason.DEADLINE_EXCEEDED, detail)
        except ToolError as error:
            return self._failed(request, error.reason, error.detail)
        except Exception as error:
            log.error("tool_broke", tool=request.name, call_id=request.call_id, exc_info=error)
            return self._failed(request, FailureReason.INTERNAL, f"{type(error).__name__} in the runtime")
        return events.ToolReturned(at_ms=self._clock.now_ms(), call_id=request.call_id, result=result)

    def _failed(self, request: CallTool, reason: FailureReason, detail: str) -> events.ToolFailed:
        return events.ToolFailed(at_ms=self._clock.now_ms(), call_id=request.call_id, reason=reason, detail=detail)
