"""Who takes part in a step of a model that writes several replies at once."""

from hypothesis import given
from hypothesis import strategies as st

from voice_inference.engines.llm.step_plan import (
    EARLY_TOKENS,
    PASSED_OVER_MAX,
    PIECE_TOKENS_MIN,
    STEP_TOKENS,
    Progress,
    plan_step,
)


def at(written: int, *, passed_over: int = 0, stalled: bool = False) -> Progress:
    return Progress(written=written, passed_over=passed_over, stalled=stalled)


REPLIES = st.lists(st.builds(Progress, st.integers(0, 99), st.integers(0, PASSED_OVER_MAX), st.booleans()), max_size=20)


def test_replies_are_written_together() -> None:
    step = plan_step([at(1), at(90), at(3)], awaited_prompt=False, spare_prompt=False)
    assert (step.replies, step.prompt_tokens) == ((0, 1, 2), 0)


def test_a_reply_nobody_reads_is_not_written() -> None:
    assert plan_step([at(1, stalled=True), at(2)], awaited_prompt=False, spare_prompt=False).replies == (1,)


def test_a_prompt_is_read_beside_first_words_and_before_later_ones() -> None:
    step = plan_step([at(EARLY_TOKENS - 1), at(EARLY_TOKENS)], awaited_prompt=True, spare_prompt=False)
    assert (step.replies, step.prompt_tokens) == ((0,), STEP_TOKENS - 1)


def test_a_prompt_that_nobody_waits_for_is_read_when_there_is_nothing_else_to_do() -> None:
    assert plan_step([at(90)], awaited_prompt=False, spare_prompt=True).prompt_tokens == 0
    assert plan_step([at(90, stalled=True)], awaited_prompt=False, spare_prompt=True).prompt_tokens == STEP_TOKENS
    assert plan_step([], awaited_prompt=False, spare_prompt=True).prompt_tokens == STEP_TOKENS


@given(REPLIES)
def test_prompts_without_end_leave_every_reply_its_share(replies: list[Progress]) -> None:
    passed_over = [reply.passed_over for reply in replies]
    for _ in range(PASSED_OVER_MAX + 1):
        now = [
            at(reply.written, passed_over=count, stalled=False)
            for reply, count in zip(replies, passed_over, strict=True)
        ]
        step = plan_step(now, awaited_prompt=True, spare_prompt=False)
        assert step.prompt_tokens >= PIECE_TOKENS_MIN
        passed_over = [0 if index in step.replies else count + 1 for index, count in enumerate(passed_over)]
        assert max(passed_over, default=0) <= PASSED_OVER_MAX


@given(REPLIES, st.booleans(), st.booleans())
def test_there_is_a_step_whenever_there_is_something_to_do(
    replies: list[Progress], awaited_prompt: bool, spare_prompt: bool
) -> None:
    step = plan_step(replies, awaited_prompt=awaited_prompt, spare_prompt=spare_prompt)
    to_do = awaited_prompt or spare_prompt or any(not reply.stalled for reply in replies)
    assert bool(step.replies or step.prompt_tokens) == to_do
    assert not any(replies[index].stalled for index in step.replies)


@given(REPLIES, st.booleans())
def test_a_step_is_as_short_as_its_replies_allow(replies: list[Progress], awaited_prompt: bool) -> None:
    step = plan_step(replies, awaited_prompt=awaited_prompt, spare_prompt=not awaited_prompt)
    assert step.prompt_tokens in (0, max(PIECE_TOKENS_MIN, STEP_TOKENS - len(step.replies)))
    assert len(step.replies) + step.prompt_tokens <= max(STEP_TOKENS, len(replies) + PIECE_TOKENS_MIN)
