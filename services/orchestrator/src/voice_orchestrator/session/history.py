"""What the model is shown of the conversation, and which words of a reply the caller heard."""

from collections.abc import Iterable, Sequence
from typing import Final

from voice_contract.messages import ChatMessage, ChatRole
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.state import Segment

HISTORY_MESSAGES_MAX: Final = 200
"""Messages kept in the state; the oldest go. Enough for every `history_turns` a profile may ask for."""


def heard_text(segments: Sequence[Segment], played_samples: int) -> str:
    """The words of `segments` that fit into the first `played_samples` samples of the run.

    Inside a segment that was cut, words are taken to be of even length: whole words up to the same share of the
    segment's words as of its samples.
    """
    heard: list[str] = []
    left = played_samples
    for segment in segments:
        if segment.samples is None or left <= 0:
            break
        if left >= segment.samples:
            heard.append(segment.text)
        else:
            words = segment.text.split()
            heard.extend(words[: len(words) * left // segment.samples])
        left -= segment.samples
    return " ".join(heard)


def played_text(segments: Iterable[Segment]) -> str:
    """The words of the segments that left for the edge completely."""
    return " ".join(segment.text for segment in segments if segment.played)


def with_message(history: tuple[ChatMessage, ...], role: ChatRole, text: str) -> tuple[ChatMessage, ...]:
    """`history` and one more message; an empty one adds nothing, one by the last speaker is joined to it."""
    if not text:
        return history
    if history and history[-1].role is role:
        joined = ChatMessage(role=role, text=f"{history[-1].text} {text}")
        return (*history[:-1], joined)
    return (*history, ChatMessage(role=role, text=text))[-HISTORY_MESSAGES_MAX:]


def system_message(policy: SessionPolicy) -> ChatMessage:
    """The instructions every prompt begins with."""
    return ChatMessage(role=ChatRole.SYSTEM, text=policy.system_text)


def prompt(policy: SessionPolicy, history: tuple[ChatMessage, ...], user_text: str) -> tuple[ChatMessage, ...]:
    """The messages a reply to `user_text` is written from."""
    shown = history[-2 * policy.generation.history_turns :]
    return (system_message(policy), *with_message(shown, ChatRole.USER, user_text))
