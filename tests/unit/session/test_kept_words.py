"""Words the caller has said are not lost because they go on, type, press keys, or because something fails."""

from dataclasses import replace

from support.session_script import QUIET_TURNS, Script, names, only, policy

from voice_contract.failures import FailureReason
from voice_contract.messages import Generate, Transcribe, TranscribeKind, Transcript, TranscriptKind
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import InterruptionPolicy


def reopened() -> Script:
    """The caller said "I would like a table", which was committed, and goes on."""
    script = Script().open().after(1_000).say("I would like a table.")
    script.after(100).start_speaking()
    return script


def asked(script: Script) -> str:
    """What the model was asked last."""
    return script.all(Generate)[-1].messages[-1].text


def fail_transcription(script: Script) -> tuple[object, ...]:
    turn = script.state.turn
    assert turn is not None
    return script.do(e.TranscriptionFailed, utterance_id=turn.id, reason=FailureReason.ENGINE_ERROR, detail="it broke")


def test_typing_into_speech_that_goes_on_keeps_what_was_said_before() -> None:
    script = reopened()
    script.do(e.CallerTyped, text="for two")
    assert asked(script) == "I would like a table. for two"


def test_a_node_lost_while_the_caller_goes_on_leaves_what_was_said_before_to_be_answered() -> None:
    script = reopened()
    script.lose_node()
    script.ready()
    fail_transcription(script)
    script.wait(500)
    assert asked(script) == "I would like a table."


def test_a_continuation_that_cannot_be_transcribed_is_answered_by_what_was_said_before() -> None:
    script = reopened()
    script.wait(1_000)
    script.stop_speaking()
    fail_transcription(script)
    script.wait(500)
    assert asked(script) == "I would like a table."


def test_a_first_stretch_that_cannot_be_transcribed_leaves_nothing_to_answer() -> None:
    script = Script().open().after(1_000)
    script.start_speaking()
    script.after(1_000).stop_speaking()
    fail_transcription(script)
    script.wait(500)
    assert script.all(Generate) == []


def test_the_same_words_are_told_once_however_often_the_turn_is_committed() -> None:
    script = Script().open().after(1_000).say("Are you open?")
    script.after(100).start_speaking()
    script.after(200).stop_speaking()
    script.transcribed("Are you open?")
    script.wait(500)
    told = [words for words in script.all(Transcript) if words.kind is TranscriptKind.FINAL and words.utterance_id]
    assert [words.text for words in told] == ["Are you open?"]


def test_words_over_the_agent_are_asked_for_again_where_partials_are_off() -> None:
    guarded = policy(interruptions=InterruptionPolicy(echo_guard_ms=1_000))
    script = Script(guarded).open().after(1_000).say("Are you open?").respond().after(100)
    script.start_speaking()
    script.wait(500)
    script.transcribed("", final=False)
    script.wait(600)
    partials = [request for request in script.all(Transcribe) if request.kind is TranscribeKind.PARTIAL]
    assert len(partials) == 2
    assert "FlushRun" in names(script.transcribed("no wait please", final=False))


def test_each_round_of_writing_after_tools_has_the_whole_time_for_its_text() -> None:
    script = Script(policy(turn_taking=replace(QUIET_TURNS))).open().after(1_000).say("Are you open?")
    deadlines = script.state.policy.deadlines
    script.write("One")
    run = script.state.run
    assert run is not None
    assert run.writing_deadline_ms == script.now_ms + deadlines.generation_ms
    script.after(1_000).write(" moment")
    assert script.state.run is not None
    assert script.state.run.writing_deadline_ms == run.writing_deadline_ms
    assert only(script.finish_writing(), Transcript) == []
