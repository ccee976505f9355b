"""A call as a person at a terminal sees it."""

import io

import pytest
from rich.console import Console

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import (
    BargeIn,
    BargeInCause,
    BargeInOutcome,
    Event,
    Heartbeat,
    Payload,
    RunHeard,
    SpeculationEnded,
    SpeculationOutcome,
)
from voice_orchestrator.console.conversation import ConversationView


def printed(payload: Payload) -> str:
    """The line that is printed of an event, without its time."""
    out = io.StringIO()
    view = ConversationView(Console(file=out, width=200, color_system=None))
    view.on_event(Event(session_id="x", sequence=1, sender_monotonic_us=0, payload=payload, run_id=1), 1_500)
    line = out.getvalue().strip()
    return line.removeprefix("1.50 s").strip()


def early(outcome: SpeculationOutcome) -> SpeculationEnded:
    return SpeculationEnded(outcome=outcome, written_tokens=12, synthesised_ms=800, lead_ms=300)


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (
            BargeIn(outcome=BargeInOutcome.TIMED_OUT, cause=BargeInCause.TIMEOUT, speech_length_ms=240),
            "barge-in timed out (timeout) after 240 ms of speech",
        ),
        (
            BargeIn(outcome=BargeInOutcome.REJECTED, cause=BargeInCause.NO_WORDS, speech_length_ms=90),
            "barge-in rejected (no words) after 90 ms of speech",
        ),
        (RunHeard(text="Yes, of", interrupted=True), "heard Yes, of —"),
        (RunHeard(text="", interrupted=True), "heard nothing of it"),
        (RunHeard(text="Yes, of course.", interrupted=False), ""),
        (
            early(SpeculationOutcome.SUPERSEDED),
            "early reply begun early was superseded: 12 tokens and 800 ms of speech for nothing",
        ),
        (early(SpeculationOutcome.KEPT), ""),
        (
            Failure(stage=Stage.EDGE, reason=FailureReason.CALLER_SOUND_LOST, detail="nothing came"),
            "failure edge: caller_sound_lost: nothing came",
        ),
        (Heartbeat(), ""),
    ],
)
def test_what_happened_is_one_line_and_what_needs_none_has_none(payload: Payload, line: str) -> None:
    assert printed(payload) == line
