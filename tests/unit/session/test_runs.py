"""The life of a reply: written, cut, spoken, heard, ended."""

import pytest
from support.session_script import SILENT_RECOVERY, Script, names, only, policy

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import CancelRun, Phase, RunHeard, Synthesize, Transcript, TurnLatency
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e

LONG = "One is here. Two is here. Three is here. Four is here. Five is here."


def test_the_first_clause_is_spoken_while_the_rest_is_being_written() -> None:
    script = Script().open().say("Are you open?")
    assert script.write("Yes, we are open today") == ()
    (segment,) = only(script.write(","), Synthesize)
    assert (segment.segment_index, segment.text) == (0, "Yes, we are open today,")


def test_the_first_sound_releases_the_run_and_ends_the_turn() -> None:
    script = Script().open().say("Are you open?")
    script.write("Of course we are.", end=True)
    commands = script.sound(0)
    assert names(commands) == ["ReleaseRun", "PhaseChanged"]
    assert script.where() is Phase.RESPONDING
    assert script.state.turn is None


def test_the_latency_of_the_turn_is_told_when_the_first_sample_leaves() -> None:
    script = Script().open().say("Are you open?")
    script.wait(80)
    script.write("Of course we are.", end=True)
    script.wait(120)
    script.sound(0)
    script.after(5)
    (latency,) = only(script.start(0), TurnLatency)
    assert latency.endpointing_ms == 500
    assert (latency.first_token_ms, latency.synthesis_ms, latency.delivery_ms) == (80, 120, 5)
    assert latency.total_ms == 705


def test_no_more_than_three_segments_are_ahead_of_what_is_heard() -> None:
    script = Script().open().say("Tell me.")
    commands = script.write(LONG, end=True)
    assert [s.segment_index for s in only(commands, Synthesize)] == [0, 1, 2]
    for index in range(3):
        script.synthesise(index)
    script.start(0)
    assert [s.segment_index for s in only(script.play(0), Synthesize)] == [3]


def test_a_run_is_closed_when_all_is_written_and_spoken_and_ends_when_all_is_heard() -> None:
    script = Script().open().say("Are you open?")
    script.write("Of course we are.", end=True)
    script.sound(0)
    run_id = script.run_id
    assert names(script.synthesise(0)) == ["CloseRun"]
    script.start(0)
    script.play(0)
    assert names(script.report(run_id, 16_000)) == ["RunHeard", "PhaseChanged"]
    assert script.all(RunHeard) == [RunHeard(text="Of course we are.", interrupted=False)]
    assert script.where() is Phase.ACTIVE
    assert [m.text for m in script.state.history] == ["Are you open?", "Of course we are."]


def test_synthesis_that_gives_its_sound_in_one_piece_also_releases() -> None:
    script = Script().open().say("Are you open?")
    script.write("Of course we are.", end=True)
    assert names(script.synthesise(0)) == ["ReleaseRun", "PhaseChanged", "CloseRun"]


def test_every_segment_is_told_when_it_begins_to_be_heard() -> None:
    script = Script().open().say("Tell me.")
    script.write("One is here. Two is here.", end=True)
    script.synthesise(0)
    script.synthesise(1)
    (words,) = only(script.start(0), Transcript)
    assert words.text == "One is here."
    assert [w.text for w in only(script.start(1), Transcript)] == ["Two is here."]
    script.start(1)
    assert script.ignored == "segment_not_playing"


@pytest.mark.parametrize("what", ["sound", "synthesise", "start", "play"])
def test_segments_that_were_never_asked_for_mean_nothing(what: str) -> None:
    script = Script().open().say("Are you open?")
    script.write("Of course we are.", end=True)
    getattr(script, what)(9)
    assert script.ignored in ("segment_not_requested", "segment_not_playing")


def test_a_segment_spoken_twice_counts_once() -> None:
    script = Script().open().say("Tell me.")
    script.write("One is here. Two is here. ")
    script.synthesise(0)
    script.synthesise(0)
    assert script.ignored == "segment_not_requested"


def test_nothing_is_heard_of_a_run_that_was_not_released() -> None:
    script = Script().open().say("Are you open?")
    script.write("Of course we are.", end=True)
    script.start(0)
    assert script.ignored == "segment_not_playing"


def test_text_after_the_end_means_nothing() -> None:
    script = Script().open().say("Are you open?")
    script.write("Of course we are.", end=True)
    script.write("More.")
    assert script.ignored == "text_after_end"
    script.finish_writing()
    assert script.ignored == "end_after_end"


def test_a_report_about_a_run_that_still_plays_means_nothing() -> None:
    script = Script().open().say("Are you open?")
    script.write("Of course we are. ")
    script.sound(0)
    script.report(script.run_id, 5)
    assert script.ignored == "report_of_open_run"
    script.report(99, 5)
    assert script.ignored == "run_ended"


def test_a_segment_without_sound_is_passed_over() -> None:
    script = Script().open().say("Tell me.")
    script.write("One is here. Two is here.", end=True)
    script.synthesise(0, samples=0)
    script.synthesise(1)
    assert script.where() is Phase.RESPONDING


def test_a_reply_without_any_sound_fails() -> None:
    script = Script().open().say("Tell me.")
    script.write("One is here.", end=True)
    commands = script.synthesise(0, samples=0)
    assert [f.stage for f in only(commands, Failure)] == [Stage.TTS]
    assert script.where() is Phase.ACTIVE


def test_an_empty_reply_is_replaced_by_the_recovery_line() -> None:
    script = Script().open().say("Tell me.")
    commands = script.write(" *** ", end=True)
    assert names(commands)[:3] == ["Failure", "CancelRun", "DropRun"]
    assert only(commands, Synthesize)[0].text == "Sorry, I lost my train of thought."


def test_without_a_recovery_line_the_turn_ends_unanswered() -> None:
    script = Script(policy(recovery=SILENT_RECOVERY)).open().say("Tell me.")
    script.fail(Stage.LLM)
    assert script.where() is Phase.ACTIVE
    assert [m.text for m in script.state.history] == ["Tell me."]


def test_a_recovery_line_that_fails_is_not_recovered_again() -> None:
    script = Script().open().say("Tell me.")
    script.fail(Stage.LLM)
    commands = script.fail(Stage.TTS)
    assert "Synthesize" not in names(commands)
    assert script.where() is Phase.ACTIVE


def test_a_model_that_says_nothing_in_time_fails() -> None:
    script = Script().open().say("Tell me.")
    (failure,) = only(script.wait(8_000), Failure)
    assert (failure.stage, failure.reason) == (Stage.LLM, FailureReason.DEADLINE_EXCEEDED)


def test_synthesis_that_takes_too_long_fails_and_says_what_is_ready() -> None:
    script = Script().open().say("Tell me.")
    script.write("One is here. Two is here.", end=True)
    script.synthesise(0)
    script.start(0)
    commands = script.wait(8_000)
    assert names(commands)[:3] == ["Failure", "CancelRun", "CloseRun"]
    script.play(0)
    script.report(script.run_id, 16_000)
    assert script.state.history[-1].text == "One is here."


def test_a_failure_after_the_last_sound_changes_nothing_that_is_heard() -> None:
    script = Script().open().say("Tell me.").respond()
    commands = script.fail(Stage.TTS)
    assert names(commands) == ["Failure"]
    assert script.where() is Phase.RESPONDING


def test_an_edge_that_plays_nothing_loses_the_reply_not_the_call() -> None:
    script = Script().open().say("Tell me.").respond()
    commands = script.wait(10_000)
    assert [f.stage for f in only(commands, Failure)] == [Stage.EDGE]
    assert "FlushRun" in names(commands)
    assert script.where() is Phase.ACTIVE


def test_a_failed_reply_in_a_call_of_words_keeps_what_was_shown() -> None:
    script = Script().open(listens=False, speaks=False)
    script.do(e.CallerTyped, text="Tell me.")
    script.write("One is here. Two")
    script.fail(Stage.LLM)
    assert script.where() is Phase.ACTIVE
    assert script.state.history[-1].text == "One is here."


def test_a_call_of_words_shows_every_segment_and_tells_the_latency() -> None:
    script = Script().open(listens=False, speaks=False)
    script.do(e.CallerTyped, text="Tell me.")
    commands = script.write("One is here. Two is here.", end=True)
    assert [w.text for w in only(commands, Transcript)] == ["One is here.", "Two is here."]
    assert len(only(commands, TurnLatency)) == 1
    assert only(commands, c.ReleaseRun) == []
    assert script.where() is Phase.ACTIVE


def test_a_cancelled_run_is_cancelled_before_another_is_started() -> None:
    script = Script().open().say("Tell me.")
    script.write("  ")
    commands = script.fail(Stage.LLM)
    order = names(commands)
    assert order.index("CancelRun") < order.index("Synthesize")
    assert [type(m) for m in only(commands, CancelRun)] == [CancelRun]


def test_a_greeting_that_cannot_be_spoken_is_left_out() -> None:
    script = Script(policy(greeting="Good morning.")).open()
    commands = script.fail(Stage.TTS)
    assert names(commands)[:3] == ["Failure", "CancelRun", "DropRun"]
    assert script.where() is Phase.ACTIVE
    assert script.state.history == ()
