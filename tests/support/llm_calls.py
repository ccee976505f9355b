"""Asking a language model for a reply."""

import socket
from collections.abc import AsyncIterator

import pytest

from voice_contract.failures import FailureReason, Stage, VoiceAgentError
from voice_contract.messages import ChatMessage, ChatRole, ToolDeclaration
from voice_inference.engines.base import LlmItem, LlmRequest

CONVERSATION = (
    ChatMessage(role=ChatRole.SYSTEM, text="Be kind."),
    ChatMessage(role=ChatRole.USER, text="Are you open?"),
)


FIND = ToolDeclaration(
    name="find_slot",
    description="Finds a free slot.",
    parameters_schema='{"type": "object", "properties": {"day": {"type": "string"}}}',
)
FIND_AS_SENT = {
    "type": "function",
    "function": {
        "name": "find_slot",
        "description": "Finds a free slot.",
        "parameters": {"type": "object", "properties": {"day": {"type": "string"}}},
    },
}
TOOL_CONVERSATION = (
    *CONVERSATION,
    ChatMessage(role=ChatRole.ASSISTANT, text="Let me see."),
    ChatMessage(
        role=ChatRole.ASSISTANT, text="", tool_call_id="3.0", tool_name="find_slot", tool_arguments='{"day": "Monday"}'
    ),
    ChatMessage(role=ChatRole.ASSISTANT, text="", tool_call_id="3.1", tool_name="opening_hours"),
    ChatMessage(role=ChatRole.TOOL, text="none", tool_call_id="3.0", tool_name="find_slot"),
    ChatMessage(role=ChatRole.TOOL, text="9 to 5", tool_call_id="3.1", tool_name="opening_hours"),
)


def llm_request(
    *,
    stop: tuple[str, ...] = ("\nUser:",),
    messages: tuple[ChatMessage, ...] = CONVERSATION,
    tools: tuple[ToolDeclaration, ...] = (),
) -> LlmRequest:
    return LlmRequest(
        session_id="session",
        messages=messages,
        max_tokens=64,
        temperature=0.5,
        top_p=0.75,
        seed=7,
        stop=stop,
        deadline_s=0.0,
        tools=tools,
    )


async def collect(stream: AsyncIterator[LlmItem]) -> list[LlmItem]:
    return [item async for item in stream]


def failure(refusal: pytest.ExceptionInfo[VoiceAgentError]) -> tuple[FailureReason, str]:
    """The reason and the line of a failure of the language model."""
    assert refusal.value.failure.stage is Stage.LLM
    return refusal.value.failure.reason, str(refusal.value)


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
