"""Who takes part in the next step of a model that writes several replies at once. Pure.

A step evaluates one token of each of some replies and a piece of one prompt. Every token of a step makes it longer, so
a step is kept short: a cancel is seen between steps, and so is a caller who waits for a first word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

STEP_TOKENS: Final = 12
"""Tokens of a step when a prompt is read: about 40 ms of a small model on two cores; 32 take 100 ms."""

PIECE_TOKENS_MIN: Final = 4
"""A prompt gets on by at least this much in a step, however many replies are being written."""

EARLY_TOKENS: Final = 10
"""Somebody waits for the first tokens of a reply; the others are heard after what was said first."""

PASSED_OVER_MAX: Final = 3
"""Steps in a row that a reply is passed over while a prompt is read: it must not fall behind its own sound."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a reply is: tokens written, steps it was passed over for, and whether its reader is far behind."""

    written: int
    passed_over: int
    stalled: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Indices of the replies that get a token, and how many tokens of the prompt are evaluated."""

    replies: tuple[int, ...]
    prompt_tokens: int


def plan_step(replies: Sequence[Progress], *, awaited_prompt: bool, spare_prompt: bool) -> Step:
    """The next step. `awaited_prompt`: a prompt whose reply is waited for is to be read; `spare_prompt`: one that is
    read ahead of time, which only happens when nothing else is to do.
    """
    ready = [index for index, reply in enumerate(replies) if not reply.stalled]
    if awaited_prompt:
        chosen = tuple(index for index in ready if _goes_on(replies[index]))
        return Step(chosen, max(PIECE_TOKENS_MIN, STEP_TOKENS - len(chosen)))
    if ready or not spare_prompt:
        return Step(tuple(ready), 0)
    return Step((), STEP_TOKENS)


def _goes_on(reply: Progress) -> bool:
    return reply.written < EARLY_TOKENS or reply.passed_over >= PASSED_OVER_MAX
