"""A button instead of voice activity."""

from dataclasses import replace

import pytest
from support.session_script import QUIET_TURNS, Script, names, only, policy

from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import BargeIn, BargeInCause, BargeInOutcome, Generate, Phase, ScoreEndOfTurn, Transcribe
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import Detection

BUTTON = policy(turn_taking=replace(QUIET_TURNS, detection=Detection.PUSH_TO_TALK))


def said(text: str) -> Script:
    """Said with the button pressed, which was let go."""
    script = Script(BUTTON).open(scores=True).after(1_000)
    script.press()
    script.after(800).let_go()
    script.transcribed(text)
    return script


def test_letting_go_ends_the_turn_and_nothing_is_judged() -> None:
    script = said("Are you open?")
    assert script.all(ScoreEndOfTurn) == []
    assert [generate.messages[-1].text for generate in script.all(Generate)] == ["Are you open?"]


def test_letting_go_commits_at_once_and_waits_only_for_the_words() -> None:
    script = Script(BUTTON).open().after(1_000)
    script.press()
    commands = script.after(800).let_go()
    assert script.where() is Phase.PROCESSING
    (request,) = only(commands, Transcribe)
    assert request.end_offset_samples == 1_800 * 16 + 200 * 16


def test_a_pause_with_the_button_pressed_ends_nothing() -> None:
    script = Script(BUTTON).open().after(1_000)
    script.press()
    script.wait(10_000)
    assert script.all(Transcribe) == []
    assert script.where() is Phase.ACTIVE


@pytest.mark.parametrize("what", ["start_speaking", "stop_speaking"])
def test_voice_activity_means_nothing(what: str) -> None:
    script = Script(BUTTON).open().after(1_000)
    getattr(script, what)()
    assert script.ignored == "push_to_talk"


@pytest.mark.parametrize("what", ["press", "let_go"])
def test_without_push_to_talk_the_button_means_nothing(what: str) -> None:
    script = Script().open().after(1_000)
    getattr(script, what)()
    assert script.ignored == "not_push_to_talk"


def test_the_button_silences_the_agent_whatever_is_said() -> None:
    script = said("Are you open?").respond().after(500)
    commands = script.press()
    assert [(d.outcome, d.cause) for d in only(commands, BargeIn)] == [
        (BargeInOutcome.CONFIRMED, BargeInCause.PUSH_TO_TALK)
    ]
    assert "FlushRun" in names(commands)
    script.report(1, 8_000)
    script.after(500).let_go()
    script.transcribed("mm-hm")
    assert script.where() is Phase.PROCESSING  # whoever presses a button means what they say
    assert len(script.all(Generate)) == 2


def test_the_button_before_anything_is_heard_is_an_interruption_not_a_continuation() -> None:
    script = said("I would like")
    script.respond_silently()
    assert [d.cause for d in only(script.after(10).press(), BargeIn)] == [BargeInCause.PUSH_TO_TALK]


def test_the_button_ends_a_reply_that_is_being_prepared_and_goes_on_with_the_turn() -> None:
    script = said("I would like")
    assert "DropRun" in names(script.after(100).press())
    script.after(500).let_go()
    script.transcribed("I would like an appointment.")
    assert script.all(Generate)[-1].messages[-1].text == "I would like an appointment."


def test_pressed_twice_is_pressed_and_let_go_twice_is_let_go() -> None:
    script = Script(BUTTON).open().after(1_000)
    script.press()
    script.press()
    assert script.ignored == "speech_already_open"
    script.after(500).let_go()
    script.let_go()
    assert script.ignored == "no_open_speech"


def test_a_button_that_is_never_let_go_ends_with_the_longest_turn() -> None:
    script = Script(BUTTON).open().after(1_000)
    script.press()
    assert only(script.wait(60_000), Transcribe)


def test_a_button_that_is_pressed_while_the_sound_stays_away_is_let_go() -> None:
    script = Script(BUTTON).open().after(1_000)
    script.press()
    commands = script.after(500).do(e.CallerSoundLost, offset_samples=20_000, spoken_at_ms=1_400)
    assert [failure.reason for failure in only(commands, Failure)] == [FailureReason.CALLER_SOUND_LOST]
    assert script.where() is Phase.PROCESSING
    assert only(commands, c.EndCall) == []
