"""Fits a conversation into a model's context. Pure."""

from collections.abc import Callable

from voice_contract.messages import ChatMessage, ChatRole


def fit_messages(
    messages: tuple[ChatMessage, ...], count_tokens: Callable[[tuple[ChatMessage, ...]], int], tokens_max: int
) -> tuple[ChatMessage, ...]:
    """`messages` without the oldest ones that do not fit into `tokens_max`.

    System messages and the last message always stay, even when they alone are too long.
    """
    kept = messages
    while count_tokens(kept) > tokens_max:
        oldest = next((i for i, message in enumerate(kept[:-1]) if message.role is not ChatRole.SYSTEM), None)
        if oldest is None:
            break
        kept = (*kept[:oldest], *kept[oldest + 1 :])
    return kept
