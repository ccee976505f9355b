"""The agent's own echo, and lines that must be heard."""

from dataclasses import replace

from support.session_script import QUIET_TURNS, Script, names, only, policy

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import BargeIn, BargeInCause, BargeInOutcome, Generate, Phase
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import InterruptionPolicy, LineKind

GUARDED = policy(greeting="Good morning. How can I help?", interruptions=InterruptionPolicy())


def greeting(after_ms: int) -> Script:
    """The greeting has been heard for so long; its second half is to come."""
    script = Script(GUARDED).open().after(100)
    script.synthesise(0)
    script.synthesise(1)
    script.start(0)
    script.after(after_ms)
    return script


def decisions(script: Script) -> list[tuple[BargeInOutcome, BargeInCause]]:
    return [(told.outcome, told.cause) for told in script.all(BargeIn)]


def test_speech_at_the_start_of_a_line_does_not_pause_it() -> None:
    script = greeting(300)
    assert script.start_speaking() == ()
    assert script.where() is Phase.RESPONDING


def test_speech_after_the_guard_does() -> None:
    assert names(greeting(460).start_speaking()) == ["PauseRun", "BargeIn"]


def test_the_agents_own_words_are_no_interruption() -> None:
    script = greeting(300)
    script.start_speaking()
    script.after(300).stop_speaking()
    assert names(script.transcribed("good morning, how")) == ["BargeIn"]
    assert decisions(script) == [(BargeInOutcome.REJECTED, BargeInCause.ECHO)]
    assert script.state.turn is None


def test_other_words_are_however_early_they_began() -> None:
    script = greeting(300)
    script.start_speaking()
    script.wait(440)
    script.transcribed("I need an appointment", final=False)
    assert decisions(script) == [(BargeInOutcome.CONFIRMED, BargeInCause.WORDS)]


def test_echo_does_not_confirm_by_its_length() -> None:
    script = greeting(300)
    script.start_speaking()
    script.wait(2_000)
    assert decisions(script) == []


def test_after_the_guard_the_same_words_count() -> None:
    script = greeting(500)
    script.start_speaking()
    script.after(300).stop_speaking()
    script.transcribed("good morning, how")
    assert decisions(script)[-1] == (BargeInOutcome.CONFIRMED, BargeInCause.WORDS)


def test_a_second_onset_within_the_guarded_speech_does_not_pause_either() -> None:
    script = greeting(300)
    script.start_speaking()
    script.after(200).stop_speaking()
    script.after(100).start_speaking()
    assert script.all(c.PauseRun) == []


def test_speech_before_the_first_sample_of_a_line_is_guarded() -> None:
    script = Script(GUARDED).open().after(100)
    script.synthesise(0)
    script.start_speaking()
    assert script.all(c.PauseRun) == []
    script.after(300).stop_speaking()
    script.transcribed("")
    assert decisions(script) == [(BargeInOutcome.REJECTED, BargeInCause.NO_WORDS)]


# --- after a pause that timed out


def timed_out() -> Script:
    script = Script().open().say("Can you help me?").respond().after(500)
    script.start_speaking()
    script.after(300).stop_speaking()
    script.wait(2_000)
    assert decisions(script)[-1] == (BargeInOutcome.TIMED_OUT, BargeInCause.TIMEOUT)
    return script


def test_speech_that_goes_on_pauses_it_again() -> None:
    script = timed_out()
    assert "PauseRun" in names(script.start_speaking())
    assert decisions(script)[-1] == (BargeInOutcome.PAUSED, BargeInCause.ONSET)


def test_speech_that_goes_on_while_it_is_paused_does_not_pause_it_twice() -> None:
    script = Script().open().say("Can you help me?").respond().after(500)
    script.start_speaking()
    script.after(300).stop_speaking()
    script.after(100).start_speaking()
    assert len(script.all(c.PauseRun)) == 1


def test_a_run_that_ends_meanwhile_leaves_the_speech_as_a_turn() -> None:
    script = timed_out()
    script.finish()
    assert decisions(script)[-1] == (BargeInOutcome.REJECTED, BargeInCause.RUN_ENDED)
    assert only(script.transcribed("And tomorrow?"), Generate)


def test_a_run_the_edge_does_not_play_to_its_end_leaves_the_speech_as_a_turn_too() -> None:
    script = timed_out()
    commands = script.wait(4_000)
    assert [failure.stage for failure in only(commands, Failure)] == [Stage.EDGE]
    assert decisions(script)[-1] == (BargeInOutcome.REJECTED, BargeInCause.RUN_ENDED)
    assert script.state.turn is not None


def test_words_so_far_of_speech_that_is_too_short_decide_nothing() -> None:
    talkative = policy(turn_taking=replace(QUIET_TURNS, partial_interval_ms=300))
    script = Script(talkative).open().say("Can you help me?").respond().after(500)
    script.start_speaking()
    script.wait(300)
    script.transcribed("Stop", final=False)
    assert decisions(script) == [(BargeInOutcome.PAUSED, BargeInCause.ONSET)]


# --- words too unlikely, and words that always count


def test_sound_the_engine_takes_for_no_speech_is_noise() -> None:
    script = Script().open().say("Can you help me?").respond().after(500)
    script.start_speaking()
    script.after(300).stop_speaking()
    script.transcribed("Thank you.", no_speech=0.9)
    assert decisions(script)[-1] == (BargeInOutcome.REJECTED, BargeInCause.NO_WORDS)


def test_a_word_that_always_interrupts_does_so_however_unlikely() -> None:
    script = Script().open().say("Can you help me?").respond().after(500)
    script.start_speaking()
    script.after(300).stop_speaking()
    script.transcribed("Stop.", log_probability=-3.0, no_speech=0.9)
    assert decisions(script)[-1] == (BargeInOutcome.CONFIRMED, BargeInCause.WORDS)


def test_words_that_cannot_be_had_let_the_agent_go_on() -> None:
    script = Script().open().say("Can you help me?").respond().after(500)
    script.start_speaking()
    script.after(300).stop_speaking()
    turn = script.state.turn
    assert turn is not None
    script.do(e.TranscriptionFailed, utterance_id=turn.id, reason=FailureReason.ENGINE_ERROR, detail="broke")
    assert decisions(script)[-1] == (BargeInOutcome.REJECTED, BargeInCause.TRANSCRIPTION_FAILED)
    assert "ResumeRun" in names(script.log[-1][1].commands)


# --- lines that must be heard


def test_a_line_that_must_be_heard_is_not_paused_and_the_speech_is_answered_after_it() -> None:
    script = Script(policy(greeting="Good morning.", uninterruptible=(LineKind.GREETING,))).open()
    script.synthesise(0)
    script.start(0)
    script.after(500).start_speaking()
    script.after(400).stop_speaking()
    script.transcribed("Hello?")
    script.wait(600)
    assert script.all(BargeIn) == []
    assert script.all(Generate) == []
    assert only(script.finish().log[-1][1].commands, Generate)


def test_a_key_does_not_cut_it_short_either() -> None:
    script = Script(policy(greeting="Good morning.", uninterruptible=(LineKind.GREETING,))).open()
    script.synthesise(0)
    script.start(0)
    script.after(100).key("1")
    script.do(e.CallerTyped, text="Hello?")
    assert script.all(c.FlushRun) == []
    assert script.where() is Phase.RESPONDING


def test_a_backchannel_over_it_is_not_answered() -> None:
    script = Script(policy(greeting="Good morning.", uninterruptible=(LineKind.GREETING,))).open()
    script.synthesise(0)
    script.start(0)
    script.after(500).start_speaking()
    script.after(400).stop_speaking()
    script.transcribed("Mm-hm.")
    script.wait(600)
    script.finish()
    assert script.all(Generate) == []
    assert script.state.turn is None
    assert script.where() is Phase.ACTIVE
