"""What a report says of the caller and the agent being heard at once, and of work done early or for nothing."""

import pytest
from support.call_reports import ORIGIN_MS, log_of, report, span
from support.session_script import SLOTS, SPECULATIVE, Script, policy

from voice_contract.failures import FailureReason
from voice_contract.messages import FinishReason
from voice_orchestrator.reports.transcript import make_transcript
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import RecoveryLines

TEN_WORDS = "One two three of us go in to do it."


def early_reply() -> Script:
    """A turn whose reply is written and synthesised before the turn is committed."""
    script = Script(policy(turn_taking=SPECULATIVE)).open()
    script.after(1_000).start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.transcribed("Are you open today?")
    script.after(100).respond_silently("Yes, of course we are.")
    return script


def interrupted_greeting() -> Script:
    """The caller talks over a greeting of ten seconds until it ends after two words, and says no more."""
    script = Script(policy(greeting=TEN_WORDS)).open()
    script.sound(0)
    script.synthesise(0, samples=160_000)
    script.start(0)
    run_id = script.run_id
    script.after(2_000).start_speaking()
    script.wait(1_600)
    script.report(run_id, 36_000)
    return script


def test_a_reply_that_was_ready_at_the_commit_is_reported_with_its_turn_and_its_lead() -> None:
    script = early_reply()
    script.wait(300)
    script.start(0)
    made = report(script.finish())
    (turn,) = made["turns"]
    assert (turn["caller"], turn["agent"]) == ("Are you open today?", "Yes, of course we are.")
    assert turn["speculation"] == {"lead_ms": 300, "written_tokens": 1, "synthesised_ms": 1_000}
    assert made["medians"]["speculation_lead_ms"] == 300
    assert made["speculation"] == {
        "kept": 1,
        "cancelled": 0,
        "superseded": 0,
        "failed": 0,
        "wasted_tokens": 0,
        "wasted_synthesised_ms": 0,
    }
    assert turn["total_ms"] == 600


def test_what_a_reply_begun_too_early_had_cost_is_reported() -> None:
    script = early_reply()
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.transcribed("Are you open today or tomorrow?")
    script.wait(300)
    script.respond("Tomorrow.").finish()
    made = report(script)
    assert made["speculation"]["cancelled"] == 1
    assert made["speculation"]["wasted_tokens"] == 1
    assert made["speculation"]["wasted_synthesised_ms"] == 1_000
    (turn,) = made["turns"]
    assert turn["caller"] == "Are you open today or tomorrow?"
    assert turn["agent"] == "Tomorrow."


def test_a_turn_whose_reply_was_not_begun_early_has_no_lead() -> None:
    made = report(Script().open().after(1_000).say("Hello?").respond().finish())
    assert made["turns"][0]["speculation"] is None
    assert "speculation_lead_ms" not in made["medians"]
    assert set(made["speculation"].values()) == {0}


def test_every_decision_is_listed_whatever_line_it_was_about() -> None:
    made = report(interrupted_greeting())
    assert made["turns"] == []
    decisions = [(each["run"], each["turn"], each["outcome"], each["cause"]) for each in made["barge_ins"]]
    assert decisions == [(1, 0, "paused", "onset"), (1, 0, "confirmed", "duration")]
    assert [each["speech_ms"] for each in made["barge_ins"]] == [60, 1_500]
    assert [each["at_ms"] for each in made["barge_ins"]] == [2_000 - ORIGIN_MS, 3_440 - ORIGIN_MS]


def test_every_reply_is_listed_with_what_was_heard_of_it() -> None:
    script = interrupted_greeting()
    played = {1: span(0, 2_250)}
    assert report(script, played)["replies"] == [
        {
            "run": 1,
            "turn": 0,
            "kind": "greeting",
            "text": TEN_WORDS,
            "heard": "One two",
            "interrupted": True,
            "start_ms": 0,
        }
    ]
    (said,) = make_transcript(log_of(script), played, ORIGIN_MS)
    assert (said["text"], said["interrupted"]) == ("One two", True)


def test_a_reply_nobody_heard_is_not_listed() -> None:
    script = Script().open().after(1_000).say("Hello?")
    script.write(TEN_WORDS, end=True)
    script.do(e.CallerHungUp)
    made = report(script)
    assert made["replies"] == []
    assert made["turns"][0]["agent"] == ""


def test_the_report_has_the_words_the_conversation_remembers() -> None:
    script = interrupted_greeting()
    assert [said.text for said in script.state.history] == [report(script)["replies"][0]["heard"]]


def test_a_reply_the_end_of_the_call_cut_short_was_heard_as_far_as_it_was_played() -> None:
    script = Script().open().after(1_000).say("Count for me.")
    script.write(TEN_WORDS, end=True)
    script.sound(0)
    script.synthesise(0, samples=160_000)
    script.start(0)
    script.after(3_000).do(e.CallerHungUp)
    (reply,) = report(script, {1: span(2_600, 3_000)})["replies"]
    assert (reply["heard"], reply["interrupted"]) == ("One two three", True)


def test_words_that_were_never_found_keep_their_reason() -> None:
    silent = RecoveryLines(no_words="")
    script = Script(policy(recovery=silent)).open().after(1_000).say("", ms=2_000)
    made = report(script)
    assert made["turns"] == []
    assert [(each["stage"], each["reason"]) for each in made["failures"]] == [("stt", "no_words")]


def test_caller_sound_that_stayed_away_keeps_its_reason() -> None:
    script = Script().open().after(1_000)
    script.start_speaking()
    script.after(1_000).do(e.CallerSoundLost, offset_samples=16_000, spoken_at_ms=1_000)
    script.transcribed("Are you")
    script.wait(1_000)
    script.respond().finish()
    (turn,) = report(script)["turns"]
    assert [(each["stage"], each["reason"]) for each in turn["failures"]] == [("edge", "caller_sound_lost")]


@pytest.mark.parametrize("reason", [FailureReason.TOOL_FAILED, FailureReason.DEADLINE_EXCEEDED])
def test_a_tool_that_failed_is_reported_with_the_turn_it_was_for(reason: FailureReason) -> None:
    script = Script(policy(tools=SLOTS)).open().after(1_000).say("Is Friday free?")
    script.ask_tool()
    script.finish_writing(FinishReason.TOOLS)
    script.after(100).do(e.ToolFailed, call_id=1, reason=reason, detail="not today")
    script.respond("I cannot see that now.").finish()
    (turn,) = report(script)["turns"]
    assert [(each["stage"], each["reason"]) for each in turn["failures"]] == [("tool", reason.value)]
    assert turn["answered"]


def test_keys_are_a_turn_like_a_typed_one() -> None:
    script = Script().open().after(1_000)
    for key in "42#":
        script.key(key)
    script.respond().finish()
    (turn,) = report(script)["turns"]
    assert (turn["caller"], turn["typed"]) == ("I pressed 4 2.", True)
