"""What is remembered of the conversation, what the model is shown of it, and which words of a reply were heard."""

from collections.abc import Iterable, Sequence
from typing import Final

from voice_contract.audio import samples_from_ms
from voice_contract.messages import ChatMessage, ChatRole
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.state import Said, Segment

HISTORY_ENTRIES_MAX: Final = 200
"""Entries kept in the state; the oldest go. Enough for every `history_turns` a profile may ask for."""

WORD_END_SLACK_SAMPLES: Final = samples_from_ms(40)
"""A word that is cut in its last 40 ms was understood: it is its fading end."""

TYPICAL_WORD_SAMPLES: Final = samples_from_ms(350)
"""Length of a spoken word, for a segment that was cut before its own length was known."""


def heard_text(segments: Sequence[Segment], played_samples: int) -> str:
    """The words of `segments` that were heard completely within the first `played_samples` samples of the run.

    Inside a segment that was cut the engine's word ends decide; without them words are taken to be of even length.
    """
    heard: list[str] = []
    left = played_samples
    for segment in segments:
        if left <= 0:
            break
        if segment.samples is None and not segment.sounded:
            continue
        if segment.samples is None:
            words = segment.text.split()
            heard.extend(words[: min(left // TYPICAL_WORD_SAMPLES, len(words) - 1)])
            break
        if not segment.samples:
            continue
        if left >= segment.samples:
            heard.append(segment.text)
        else:
            heard.extend(_words_before(segment, segment.samples, left))
        left -= segment.samples
    return " ".join(heard)


def _words_before(segment: Segment, samples: int, played_samples: int) -> list[str]:
    words = segment.text.split()
    if len(segment.word_ends) == len(words):
        played_samples += WORD_END_SLACK_SAMPLES
        return [word for word, end in zip(words, segment.word_ends, strict=True) if end <= played_samples]
    return words[: len(words) * played_samples // samples]


def played_text(segments: Iterable[Segment]) -> str:
    """The words of the segments that left for the edge completely."""
    return " ".join(segment.text for segment in segments if segment.played and segment.samples != 0)


def whole_text(segments: Iterable[Segment]) -> str:
    """All words of the segments but those synthesis gave no sound for."""
    return " ".join(segment.text for segment in segments if segment.samples != 0)


def with_entry(history: tuple[Said, ...], entry: Said) -> tuple[Said, ...]:
    """`history` and one more entry; an empty one adds nothing, words of the last speaker are joined to theirs."""
    if entry.tool_call_id:
        return (*history, entry)[-HISTORY_ENTRIES_MAX:]
    if not entry.text:
        return history
    if history and history[-1].role is entry.role and not history[-1].tool_call_id:
        joined = Said(role=entry.role, text=f"{history[-1].text} {entry.text}", interrupted=entry.interrupted)
        return (*history[:-1], joined)
    return (*history, entry)[-HISTORY_ENTRIES_MAX:]


def system_message(policy: SessionPolicy) -> ChatMessage:
    """The instructions every prompt begins with."""
    return ChatMessage(role=ChatRole.SYSTEM, text=policy.system_text)


def conversation(policy: SessionPolicy, history: tuple[Said, ...]) -> tuple[ChatMessage, ...]:
    """The instructions and as much of the past as the profile shows the model."""
    return (system_message(policy), *(as_message(entry) for entry in _shown(policy, history)))


def prompt(policy: SessionPolicy, history: tuple[Said, ...], user_text: str) -> tuple[ChatMessage, ...]:
    """The messages a reply to `user_text` is written from."""
    asked = with_entry(_shown(policy, history), Said(role=ChatRole.USER, text=user_text))
    return (system_message(policy), *(as_message(entry) for entry in asked))


def _shown(policy: SessionPolicy, history: tuple[Said, ...]) -> tuple[Said, ...]:
    """The last exchanges, each from what the caller said."""
    turns = policy.generation.history_turns
    starts = [index for index, entry in enumerate(history) if entry.role is ChatRole.USER]
    if not turns:
        return ()
    return history[starts[-turns] :] if len(starts) > turns else history


def as_message(entry: Said) -> ChatMessage:
    """The entry as the model is shown it."""
    return ChatMessage(
        role=entry.role,
        text=entry.text,
        tool_call_id=entry.tool_call_id,
        tool_name=entry.tool_name,
        tool_arguments=entry.tool_arguments,
    )
