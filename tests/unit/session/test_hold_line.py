"""What a caller hears while there is no node: a line whose sound is at hand, once, and nothing of it is lost after."""

import pytest
from support.session_script import Script, names, only, policy

from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import ChatRole, Generate, Phase, PrimePrompt, Synthesize, Transcribe
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import RecoveryLines
from voice_orchestrator.session.state import RunStatus

LINE = "One moment, please."
HOLDING = policy(recovery=RecoveryLines(node_lost=LINE))


def lost(**opened: bool) -> Script:
    script = Script(HOLDING).open(**opened).after(1_000)
    script.lose_node()
    return script


def heard(script: Script) -> Script:
    """The line is being heard."""
    script.wait(300)
    script.sound(0)
    script.synthesise(0, 16_000)
    script.start(0)
    return script


def test_after_a_while_without_a_node_the_line_is_heard() -> None:
    script = lost()
    assert "SpeakPrepared" not in names(script.wait(299))
    (spoken,) = only(script.wait(1), c.SpeakPrepared)
    assert spoken == c.SpeakPrepared(run_id=script.run_id, text=LINE)
    assert names(script.sound(0)) == ["ReleaseRun"]
    assert names(script.synthesise(0, 16_000)) == ["CloseRun"]
    assert script.where() is Phase.CONNECTING
    assert script.all(Synthesize) == []


def test_a_node_that_comes_soon_spares_the_caller_the_line() -> None:
    script = lost()
    script.after(299).ready()
    assert "SpeakPrepared" not in names(script.wait(2_000))


def test_it_is_said_once_however_often_a_node_is_looked_for() -> None:
    script = heard(lost())
    script.lose_node()
    assert script.state.run is not None
    assert only(script.wait(1_000), c.SpeakPrepared) == []


@pytest.mark.parametrize("speaks", [True, False])
def test_without_a_line_or_a_loudspeaker_nothing_is_said(speaks: bool) -> None:
    script = Script(policy() if speaks else HOLDING).open(speaks=speaks).after(1_000)
    script.lose_node()
    assert only(script.wait(1_000), c.SpeakPrepared) == []


def test_a_line_that_is_heard_when_the_node_comes_is_heard_to_its_end_and_then_the_turn_is_answered() -> None:
    script = Script(HOLDING).open().after(1_000)
    script.start_speaking()
    script.after(500).stop_speaking()
    script.lose_node()
    heard(script)
    script.ready()
    assert script.where() is Phase.RESPONDING
    assert len(script.all(Transcribe)) == 2
    script.transcribed("Are you open today?")
    script.wait(500)
    assert script.all(Generate) == []
    script.play(0)
    script.report(script.run_id, 16_000)
    assert [said.text for said in script.state.history] == [LINE]
    script.wait(500)
    assert script.all(Generate)[-1].messages[-1].text == "Are you open today?"


def test_a_line_that_ends_without_a_node_is_remembered_and_the_node_is_still_looked_for() -> None:
    script = heard(lost())
    primed = len(script.all(PrimePrompt))
    script.play(0)
    script.report(script.run_id, 16_000)
    assert (script.where(), script.state.run) == (Phase.CONNECTING, None)
    assert [(said.role, said.text) for said in script.state.history] == [(ChatRole.ASSISTANT, LINE)]
    assert len(script.all(PrimePrompt)) == primed
    assert script.ready()
    assert script.where() is Phase.ACTIVE


def test_a_line_that_has_no_sound_yet_when_the_node_comes_is_not_said() -> None:
    script = lost()
    script.wait(300)
    commands = script.ready()
    assert "DropRun" in names(commands)
    assert (script.where(), script.state.run) == (Phase.ACTIVE, None)


def test_a_line_that_cannot_be_said_changes_nothing() -> None:
    script = lost()
    script.wait(300)
    script.fail(Stage.TTS, FailureReason.EMPTY_RESULT)
    assert (script.where(), script.state.run) == (Phase.CONNECTING, None)
    script.ready()
    assert script.where() is Phase.ACTIVE


def test_a_caller_who_was_not_greeted_is_greeted_after_the_line_was_cut() -> None:
    script = Script(policy(greeting="Good morning.", recovery=RecoveryLines(node_lost=LINE)))
    script.do(e.CallOpened, listens=True, speaks=True)
    script.ready()
    script.lose_node()
    heard(script)
    commands = script.ready()
    assert "FlushRun" in names(commands)
    assert script.all(Synthesize)[-1].text == "Good morning."
    assert script.state.run is not None
    assert script.state.run.status is RunStatus.SILENT


def test_a_caller_who_types_over_the_line_ends_it_and_the_node_is_still_looked_for() -> None:
    script = heard(lost())
    line = script.run_id
    commands = script.do(e.CallerTyped, text="Hello?")
    assert "FlushRun" in names(commands)
    assert script.where() is Phase.CONNECTING
    script.report(line, 100)
    script.ready()
    script.wait(500)
    assert script.all(Generate)[-1].messages[-1].text == "Hello?"


def test_the_end_of_the_call_ends_the_line() -> None:
    script = heard(lost())
    commands = script.do(e.CallerHungUp)
    assert names(commands)[-2:] == ["PhaseChanged", "EndCall"]
    assert script.state.hold_line_due_ms is None
