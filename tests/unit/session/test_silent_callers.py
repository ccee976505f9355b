"""A caller who says nothing, or whose sound stays away."""

from dataclasses import replace

from support.session_script import Script, names, only, policy

from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import EndCause, Generate, Phase, Synthesize, Transcribe
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import AwayPolicy, CallLimits, DtmfPolicy

PATIENT = policy(
    away=AwayPolicy(user_away_timeout_ms=5_000, prompts=("Are you there?", "Hello?")), limits=CallLimits(idle_ms=8_000)
)


def hear_line(script: Script) -> None:
    script.synthesise(0)
    script.start(0)
    script.after(1_000).finish()


def test_each_prompt_is_said_once_after_its_silence_and_then_the_call_ends() -> None:
    script = Script(PATIENT).open()
    assert script.wait(4_999) == ()
    assert only(script.wait(1), Synthesize)[0].text == "Are you there?"
    hear_line(script)
    assert only(script.wait(5_000), Synthesize)[0].text == "Hello?"
    hear_line(script)
    (end,) = only(script.wait(8_000), c.EndCall)
    assert end.cause is EndCause.IDLE


def test_a_caller_who_comes_back_is_prompted_anew() -> None:
    script = Script(PATIENT).open()
    script.wait(5_000)
    hear_line(script)
    script.say("Yes, I am here.").respond().after(1_000).finish()
    assert only(script.wait(5_000), Synthesize)[0].text == "Are you there?"


def test_nobody_is_prompted_while_they_speak_are_answered_or_press_keys() -> None:
    script = Script(PATIENT).open().after(4_900)
    script.start_speaking()
    assert only(script.wait(5_000), Synthesize) == []
    keyed = Script(replace(PATIENT, dtmf=DtmfPolicy(timeout_ms=20_000))).open()
    keyed.key("1")
    assert keyed.wait(19_999) == ()
    assert keyed.where() is Phase.ACTIVE


def test_a_call_without_sound_is_not_prompted() -> None:
    script = Script(PATIENT).open(listens=False, speaks=False)
    assert script.wait(60_000) == ()
    words_only = Script(PATIENT).open(speaks=False)
    assert only(words_only.wait(7_000), Synthesize) == []


def test_a_prompt_can_be_interrupted() -> None:
    script = Script(PATIENT).open()
    script.wait(5_000)
    script.synthesise(0)
    script.start(0)
    script.after(500).start_speaking()
    assert len(script.all(c.PauseRun)) == 1


def test_sound_that_stays_away_ends_the_speech() -> None:
    script = Script().open()
    script.start_speaking()
    commands = script.after(1_000).do(e.CallerSoundLost, offset_samples=14_400, spoken_at_ms=900)
    assert [failure.reason for failure in only(commands, Failure)] == [FailureReason.CALLER_SOUND_LOST]
    (request,) = only(commands, Transcribe)
    assert request.end_offset_samples == 14_400 + 200 * 16
    script.transcribed("Are you open?")
    assert only(script.wait(500), Generate)


def test_sound_that_stays_away_from_a_silent_caller_is_not_missed() -> None:
    script = Script().open()
    assert script.do(e.CallerSoundLost, offset_samples=14_400, spoken_at_ms=900) == ()
    assert script.ignored == "no_open_speech"
    script.start_speaking()
    script.after(600).stop_speaking()
    script.do(e.CallerSoundLost, offset_samples=14_400, spoken_at_ms=900)
    assert script.ignored == "no_open_speech"
    assert script.where() is Phase.ACTIVE
    assert "Failure" not in names(script.log[-1][1].commands)
