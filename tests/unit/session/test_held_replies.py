"""Caller sound while the agent thinks, or before anything of its answer was heard."""

from dataclasses import replace

from support.session_script import Script, names, only, policy

from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import BargeIn, BargeInCause, BargeInOutcome, ChatRole, Generate, Phase, RunHeard
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import LineKind


def thinking(text: str = "Are you open today?") -> Script:
    """The turn is committed, the reply is being written, nothing is heard."""
    script = Script().open().say(text)
    script.after(100)
    return script


def decisions(script: Script) -> list[tuple[BargeInOutcome, BargeInCause]]:
    return [(told.outcome, told.cause) for told in script.all(BargeIn)]


def noise(script: Script, text: str) -> Script:
    script.start_speaking()
    script.after(250).stop_speaking()
    script.transcribed(text)
    return script


# --- while the agent thinks


def test_a_cough_keeps_the_reply_and_its_sound_waits() -> None:
    script = thinking()
    script.start_speaking()
    assert script.where() is Phase.ACTIVE
    script.respond_silently()
    script.after(250).stop_speaking()
    script.transcribed("Are you open today?")
    assert script.all(c.ReleaseRun) == []
    assert "ReleaseRun" in names(script.wait(500))
    assert decisions(script) == [
        (BargeInOutcome.PAUSED, BargeInCause.ONSET),
        (BargeInOutcome.REJECTED, BargeInCause.NO_WORDS),
    ]
    assert len(script.all(Generate)) == 1


def test_a_reply_held_twice_is_told_of_once_more_only_when_it_was_let_go() -> None:
    script = noise(thinking(), "Are you open today?")
    script.start_speaking()
    script.after(250).stop_speaking()
    assert decisions(script) == [(BargeInOutcome.PAUSED, BargeInCause.ONSET)]


def test_new_words_end_the_reply_to_the_old_ones() -> None:
    script = noise(thinking(), "Are you open today and tomorrow?")
    assert decisions(script)[-1] == (BargeInOutcome.CONFIRMED, BargeInCause.WORDS)
    script.wait(500)
    assert script.all(Generate)[-1].messages[-1].text == "Are you open today and tomorrow?"


def test_speech_that_lasts_ends_it_before_its_words_are_known() -> None:
    script = thinking()
    script.start_speaking()
    script.wait(340)
    assert decisions(script)[-1] == (BargeInOutcome.CONFIRMED, BargeInCause.DURATION)


def test_a_noise_whose_words_cannot_be_had_keeps_the_reply_to_the_words_known() -> None:
    script = thinking()
    script.start_speaking()
    script.after(250).stop_speaking()
    script.do(e.TranscriptionFailed, utterance_id=1, reason=FailureReason.ENGINE_ERROR, detail="broke")
    script.respond_silently()
    assert "ReleaseRun" in names(script.wait(500))
    assert len(script.all(Generate)) == 1


def test_a_held_reply_that_fails_is_tried_again_when_the_caller_is_silent() -> None:
    script = thinking()
    script.start_speaking()
    script.fail(Stage.LLM)
    script.after(250).stop_speaking()
    script.transcribed("Are you open today?")
    script.wait(500)
    assert len(script.all(Generate)) == 2
    assert script.where() is Phase.PROCESSING


def test_a_recovery_line_nobody_has_heard_gives_way_to_the_caller() -> None:
    script = thinking()
    script.fail(Stage.LLM)
    assert "CancelRun" in names(script.start_speaking())
    assert script.state.run is None


def test_a_greeting_nobody_has_heard_gives_way_unless_it_must_be_heard() -> None:
    polite = Script(policy(greeting="Good morning.")).open().after(100)
    assert "DropRun" in names(polite.start_speaking())
    strict = Script(policy(greeting="Good morning.", uninterruptible=(LineKind.GREETING,))).open().after(100)
    assert "DropRun" not in names(strict.start_speaking())
    assert "ReleaseRun" in names(strict.sound(0))


# --- answered too early: released, and nothing heard


def unheard(text: str = "I would like") -> Script:
    script = Script().open().say(text)
    script.respond_silently("What would you like?")
    return script.after(50)


def test_speech_before_the_first_sample_goes_on_with_the_turn() -> None:
    script = unheard()
    assert script.where() is Phase.RESPONDING
    commands = script.start_speaking()
    assert decisions(script) == [(BargeInOutcome.CONFIRMED, BargeInCause.CONTINUED)]
    assert [name for name in names(commands) if name in ("CancelRun", "FlushRun")] == ["CancelRun", "FlushRun"]
    assert script.state.turn is not None
    assert script.state.turn.id == 1
    script.report(1, 0)
    script.after(600).stop_speaking()
    script.transcribed("I would like an appointment.")
    (generate,) = only(script.wait(500), Generate)
    assert [m.text for m in generate.messages[1:]] == ["I would like an appointment."]
    assert script.all(RunHeard) == [RunHeard(text="", interrupted=True)]


def test_speech_that_began_before_the_first_sample_and_is_noticed_after_it_goes_on_too() -> None:
    script = unheard()
    script.start(0)
    script.after(40).start_speaking()
    assert decisions(script) == [(BargeInOutcome.CONFIRMED, BargeInCause.CONTINUED)]


def test_speech_that_began_after_the_first_sample_is_an_interruption() -> None:
    script = unheard()
    script.start(0)
    script.after(200).start_speaking()
    assert decisions(script) == [(BargeInOutcome.PAUSED, BargeInCause.ONSET)]
    assert script.state.turn is not None
    assert script.state.turn.id == 2


def test_a_reply_to_typed_words_is_not_answered_too_early() -> None:
    script = Script().open()
    script.do(e.CallerTyped, text="Are you open?")
    script.respond_silently("Yes, we are.")
    script.after(50).start_speaking()
    assert BargeInCause.CONTINUED not in [cause for _, cause in decisions(script)]
    assert script.where() is Phase.RESPONDING


def test_one_that_may_not_be_interrupted_is_heard() -> None:
    calm = policy(interruptions=replace(policy().interruptions, enabled=False))
    script = Script(calm).open().say("I would like")
    script.respond_silently("What would you like?")
    script.after(50).start_speaking()
    assert script.all(c.FlushRun) == []
    assert decisions(script) == []


def test_what_was_heard_of_the_reply_after_all_stands_behind_what_it_answered() -> None:
    script = unheard()
    script.start(0)
    script.after(40).start_speaking()
    script.report(1, 8_000)
    script.after(600).stop_speaking()
    script.transcribed("I would like an appointment.")
    script.wait(500)
    assert [m.role for m in script.all(Generate)[-1].messages] == [ChatRole.SYSTEM, ChatRole.ASSISTANT, ChatRole.USER]
