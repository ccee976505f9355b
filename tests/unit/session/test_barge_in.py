"""Caller speech over the agent."""

from support.session_script import NO_INTERRUPTIONS, Script, names, only, policy

from voice_contract.messages import BargeIn, BargeInCause, BargeInOutcome, Phase, Transcribe, TranscribeKind
from voice_orchestrator.session import events as e


def talking(text: str = "Of course I can do that.") -> Script:
    """The agent is being heard, 2 s into the call."""
    return Script().open().say("Can you help me?").respond(text).after(500)


def outcomes(script: Script) -> list[BargeInOutcome]:
    return [decision.outcome for decision in script.all(BargeIn)]


def test_speech_over_the_agent_pauses_it_at_once() -> None:
    script = talking()
    assert names(script.start_speaking()) == ["PauseRun", "BargeIn"]
    assert outcomes(script) == [BargeInOutcome.PAUSED]
    assert script.where() is Phase.RESPONDING


def test_the_words_so_far_are_asked_for_once_the_speech_is_no_click() -> None:
    script = talking()
    script.start_speaking()
    assert script.wait(439) == ()
    (request,) = only(script.wait(1), Transcribe)
    assert request.kind is TranscribeKind.PARTIAL
    commands = script.transcribed("Hold on", final=False)
    assert names(commands) == ["BargeIn", "CancelRun", "FlushRun", "PhaseChanged"]
    (decision,) = only(commands, BargeIn)
    assert (decision.outcome, decision.cause) == (BargeInOutcome.CONFIRMED, BargeInCause.WORDS)


def test_words_so_far_that_mean_nothing_leave_the_run_paused() -> None:
    script = talking()
    script.start_speaking()
    script.wait(440)
    assert script.transcribed("Uh-huh", final=False) == ()
    assert outcomes(script) == [BargeInOutcome.PAUSED]


def test_speech_that_lasts_is_an_interruption_whatever_it_says() -> None:
    script = talking()
    script.start_speaking()
    script.wait(1_439)
    assert outcomes(script) == [BargeInOutcome.PAUSED]
    commands = script.wait(1)
    assert names(commands) == ["BargeIn", "CancelRun", "FlushRun", "PhaseChanged"]
    (decision,) = only(commands, BargeIn)
    assert (decision.speech_length_ms, decision.cause) == (1_500, BargeInCause.DURATION)
    assert script.where() is Phase.ACTIVE


def test_a_short_word_interrupts_when_it_is_understood() -> None:
    script = talking()
    script.start_speaking()
    script.after(300)
    script.stop_speaking()
    assert outcomes(script) == [BargeInOutcome.PAUSED]
    script.transcribed("Stop.")
    assert outcomes(script) == [BargeInOutcome.PAUSED, BargeInOutcome.CONFIRMED]


def test_speech_that_is_over_before_its_length_decides_is_judged_by_its_words() -> None:
    script = talking()
    script.start_speaking()
    script.after(900)
    script.stop_speaking()
    assert outcomes(script) == [BargeInOutcome.PAUSED]
    script.transcribed("Uh-huh, yeah, okay.")
    assert script.all(BargeIn)[-1].cause is BargeInCause.BACKCHANNEL
    assert outcomes(script)[-1] is BargeInOutcome.REJECTED


def test_a_cough_lets_the_agent_go_on_where_it_stopped() -> None:
    script = talking()
    script.start_speaking()
    script.after(300)
    script.stop_speaking()
    commands = script.transcribed("")
    assert names(commands) == ["BargeIn", "ResumeRun"]
    assert outcomes(script)[-1] is BargeInOutcome.REJECTED
    assert script.state.turn is None
    assert script.where() is Phase.RESPONDING


def test_improbable_words_count_as_noise() -> None:
    script = talking()
    script.start_speaking()
    script.after(300)
    script.stop_speaking()
    script.transcribed("Mm.", log_probability=-2.5)
    assert outcomes(script)[-1] is BargeInOutcome.REJECTED


def test_a_pause_nobody_can_decide_is_over_after_its_time() -> None:
    script = talking()
    script.start_speaking()
    script.after(300)
    script.stop_speaking()
    commands = script.wait(2_000)
    assert names(commands) == ["BargeIn", "ResumeRun"]
    assert outcomes(script)[-1] is BargeInOutcome.TIMED_OUT
    assert script.where() is Phase.RESPONDING


def test_words_that_come_after_the_pause_has_timed_out_still_interrupt() -> None:
    script = talking()
    script.start_speaking()
    script.after(300)
    script.stop_speaking()
    script.wait(2_000)
    commands = script.transcribed("No, wait.")
    assert names(commands)[-4:] == ["BargeIn", "CancelRun", "FlushRun", "PhaseChanged"]
    assert outcomes(script)[-2:] == [BargeInOutcome.TIMED_OUT, BargeInOutcome.CONFIRMED]


def test_an_agent_that_may_not_be_interrupted_finishes_and_then_answers() -> None:
    script = Script(policy(interruptions=NO_INTERRUPTIONS)).open().say("Can you help me?").respond()
    script.start_speaking()
    assert outcomes(script) == []
    script.wait(600)
    script.stop_speaking()
    script.transcribed("And tomorrow?")
    script.wait(500)
    assert script.where() is Phase.RESPONDING
    run = script.state.run
    assert run is not None
    script.play(0)
    commands = script.report(run.id, 16_000)
    assert "Generate" in names(commands)


def test_the_history_holds_the_words_that_were_heard() -> None:
    script = talking("One two three four five six seven eight.")
    run_id = script.run_id
    script.start_speaking()
    script.wait(1_440)
    script.report(run_id, 8_000)
    assert script.state.history[-1].text == "One two three four"


def test_nothing_heard_leaves_nothing_in_the_history() -> None:
    script = talking()
    run_id = script.run_id
    script.start_speaking()
    script.wait(1_440)
    script.report(run_id, 0)
    assert [m.text for m in script.state.history] == ["Can you help me?"]


def test_an_edge_that_does_not_report_leaves_what_has_left_completely() -> None:
    script = talking()
    script.start_speaking()
    script.wait(1_440)
    assert script.state.flushing is not None
    script.wait(500)
    assert script.state.flushing is None
    assert [m.text for m in script.state.history] == ["Can you help me?"]


def test_the_next_reply_settles_a_flush_that_was_never_reported() -> None:
    script = talking()
    script.play(0)
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.transcribed("Wait, stop.")
    script.wait(500)
    assert script.state.history[-1].text == "Of course I can do that."
    assert script.state.flushing is None


def test_the_interrupting_turn_is_answered() -> None:
    script = talking()
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.transcribed("Wait, what about Friday?")
    assert "Generate" in names(script.wait(500))


def test_sound_of_the_interrupted_run_means_nothing() -> None:
    script = talking()
    dead = script.run_id
    script.start_speaking()
    script.wait(1_440)
    script.do(e.SegmentPlayed, run_id=dead, segment_index=0)
    assert script.ignored == "run_ended"


def test_the_greeting_can_be_interrupted() -> None:
    script = Script(policy(greeting="Good morning to you.")).open()
    script.sound(0)
    script.start(0)
    script.after(500).start_speaking()
    script.wait(1_440)
    assert outcomes(script)[-1] is BargeInOutcome.CONFIRMED
    assert script.where() is Phase.ACTIVE


def test_a_pause_that_crosses_the_report_of_a_reply_heard_to_its_end_does_not_leave_the_edge_paused() -> None:
    script = Script().open().after(1_000).say("Can you help me?").respond().after(1_000)
    script.play(0)
    script.start_speaking()
    commands = script.report(script.run_id, 16_000)
    assert "ResumeRun" in names(commands)
    assert script.where() is Phase.ACTIVE
    assert script.state.watch is None
