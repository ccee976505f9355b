"""Keys, the button to talk, and a microphone that falls silent, through the real runtime on virtual time."""

from dataclasses import replace

from support.hand_call import HandCall, with_call
from support.scripted_inference import Behaviour, ScriptedInference
from support.session_script import QUIET_TURNS, policy

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import BargeIn, BargeInCause, BargeInOutcome, Phase, RunHeard
from voice_orchestrator.runtime.sound_watch import SOUND_LOST_AFTER_MS
from voice_orchestrator.session.policy import Detection, DtmfPolicy

GREETED = policy(greeting="Good morning to you and to everybody else who is on the line today.")
BUTTON = policy(turn_taking=replace(QUIET_TURNS, detection=Detection.PUSH_TO_TALK))


def test_keys_silence_the_agent_at_once_and_are_a_turn_at_their_terminator() -> None:
    async def story(call: HandCall) -> None:
        await call.until(lambda: call.responded() == 1)
        await call.be_silent(1.0)
        await call.press_keys("4")
        (decision,) = call.all(BargeIn)
        assert (decision.outcome, decision.cause) == (BargeInOutcome.CONFIRMED, BargeInCause.DTMF)
        assert call.playout.idle
        await call.press_keys("2#")
        await call.until(lambda: call.responded() == 2)
        assert call.caller_said() == ["I pressed 4 2."]
        (heard,) = call.all(RunHeard)
        assert heard.interrupted
        assert len(heard.text.split()) in range(2, 5)

    with_call(story, GREETED)


def test_keys_without_a_terminator_are_a_turn_after_their_timeout() -> None:
    async def story(call: HandCall) -> None:
        await call.press_keys("123")
        await call.be_silent(1.3)
        assert call.caller_said() == []
        await call.be_silent(0.3)
        assert call.caller_said() == ["Code 1 2 3"]

    with_call(story, policy(dtmf=DtmfPolicy(timeout_ms=1_500, turn_text="Code {keys}")))


def test_with_the_button_only_what_is_said_while_it_is_pressed_is_a_turn() -> None:
    async def story(call: HandCall) -> None:
        await call.speak(1.0)
        await call.be_silent(3.0)
        assert call.caller_said() == []
        await call.press()
        await call.speak(0.6)
        await call.be_silent(2.0)
        await call.speak(0.6)
        assert call.caller_said() == []
        await call.let_go()
        await call.until(lambda: call.responded() == 1, 1.0)
        assert call.caller_said() == ["Are you open today?"]

    with_call(story, BUTTON)


def test_the_button_interrupts_the_agent_before_a_word_is_said() -> None:
    async def story(call: HandCall) -> None:
        await call.press()
        await call.speak(0.5)
        await call.let_go()
        await call.until(lambda: call.responded() == 1)
        await call.be_silent(1.0)
        await call.press()
        await call.be_silent(0.04)
        assert [(each.outcome, each.cause) for each in call.all(BargeIn)] == [
            (BargeInOutcome.CONFIRMED, BargeInCause.PUSH_TO_TALK)
        ]
        assert call.playout.idle
        await call.speak(0.5)
        await call.let_go()
        await call.until(lambda: call.responded() == 2)

    with_call(story, BUTTON, ScriptedInference(Behaviour(replies=["One two three four five six seven eight nine."])))


def test_a_microphone_that_falls_silent_in_the_middle_of_speech_ends_the_turn_with_its_reason() -> None:
    async def story(call: HandCall) -> None:
        await call.be_silent(0.5)
        await call.speak(1.0)
        await call.send_nothing(SOUND_LOST_AFTER_MS / 1_000 - 0.1)
        assert call.all(Failure) == []
        await call.send_nothing(2.0)
        (failure,) = call.all(Failure)
        assert (failure.stage, failure.reason) == (Stage.EDGE, FailureReason.CALLER_SOUND_LOST)
        assert failure.utterance_id == 1
        assert call.caller_said() == ["Are you open today?"]
        await call.until(lambda: call.responded() == 1 and call.phase is Phase.ACTIVE)
        await call.speak(1.0)
        await call.until(lambda: call.responded() == 2)
        assert len(call.all(Failure)) == 1

    with_call(story, policy())


def test_a_microphone_that_is_off_while_nobody_speaks_is_no_failure() -> None:
    async def story(call: HandCall) -> None:
        await call.be_silent(0.5)
        await call.send_nothing(5.0)
        assert call.all(Failure) == []
        await call.speak(1.0)
        await call.until(lambda: call.responded() == 1)

    with_call(story, policy())
