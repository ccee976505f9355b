"""Asking a language model for a reply."""

import socket
from collections.abc import AsyncIterator

import pytest

from voice_contract.failures import FailureReason, Stage, VoiceAgentError
from voice_contract.messages import ChatMessage, ChatRole
from voice_inference.engines.base import LlmEnd, LlmRequest, LlmText

CONVERSATION = (
    ChatMessage(role=ChatRole.SYSTEM, text="Be kind."),
    ChatMessage(role=ChatRole.USER, text="Are you open?"),
)


def llm_request(*, stop: tuple[str, ...] = ("\nUser:",)) -> LlmRequest:
    return LlmRequest(
        session_id="session",
        messages=CONVERSATION,
        max_tokens=64,
        temperature=0.5,
        top_p=0.75,
        seed=7,
        stop=stop,
        deadline_s=0.0,
    )


async def collect(stream: AsyncIterator[LlmText | LlmEnd]) -> list[LlmText | LlmEnd]:
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
