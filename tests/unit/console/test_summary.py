"""What a person is told when a call is over."""

from typing import Any

from support.call_reports import report
from support.session_script import Script

from voice_orchestrator.console.summary import summary_lines

NOTHING: dict[str, Any] = report(Script().open())


def told(**changes: Any) -> list[str]:
    return summary_lines({**NOTHING, **changes})


def decision(outcome: str, cause: str) -> dict[str, Any]:
    return {"outcome": outcome, "cause": cause}


def test_a_call_in_which_nothing_happened_needs_no_line() -> None:
    assert summary_lines(NOTHING) == []


def test_decisions_are_counted_by_outcome_and_cause() -> None:
    decisions = [
        decision("paused", "onset"),
        decision("confirmed", "words"),
        decision("rejected", "no_words"),
        decision("paused", "onset"),
        decision("confirmed", "words"),
    ]
    assert told(barge_ins=decisions) == ["caller speech over the agent: 2 confirmed (words), 1 rejected (no words)"]


def test_replies_heard_in_part_are_counted() -> None:
    replies = [{"interrupted": True}, {"interrupted": False}, {"interrupted": True}]
    assert told(replies=replies) == ["replies heard in part: 2 of 3"]


def test_speculation_tells_what_it_gained_and_what_it_cost() -> None:
    told_of = {**NOTHING["speculation"], "kept": 3, "cancelled": 1, "superseded": 1}
    cost = {"wasted_tokens": 21, "wasted_synthesised_ms": 1_240}
    assert told(speculation={**told_of, **cost}, medians={"speculation_lead_ms": 412.5}) == [
        "replies begun early: 3 kept, 1 cancelled, 1 superseded, 412 ms ahead (median); "
        "for nothing: 21 tokens, 1.2 s of speech"
    ]
    assert told(speculation={**NOTHING["speculation"], "kept": 1}, medians={"speculation_lead_ms": 300}) == [
        "replies begun early: 1 kept, 300 ms ahead (median)"
    ]


def test_failures_are_counted_by_stage_and_reason_wherever_they_belong() -> None:
    lost = {"stage": "edge", "reason": "caller_sound_lost"}
    wordless = {"stage": "stt", "reason": "no_words"}
    assert told(failures=[wordless], turns=[{"failures": [lost]}, {"failures": [wordless]}]) == [
        "failures the call survived: 1 edge caller_sound_lost, 2 stt no_words"
    ]
