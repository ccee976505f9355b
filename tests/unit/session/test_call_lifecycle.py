"""How a session begins, gets and loses its node, and ends."""

import pytest
from support.session_script import SHORT_CALL, Script, names, only, policy

from voice_contract.failures import FailureReason
from voice_contract.messages import ChatRole, EndCause, Generate, Phase, PrimePrompt, ScoreEndOfTurn, Transcribe
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.speech import sound_kept_from


def test_opening_a_call_asks_for_a_node_that_hears_and_speaks() -> None:
    script = Script()
    commands = script.do(e.CallOpened, listens=True, speaks=True)
    assert names(commands) == ["PhaseChanged", "ConnectInference"]
    (connect,) = only(commands, c.ConnectInference)
    assert connect.delay_ms == 0
    assert connect.configure.caller_format is not None
    assert connect.configure.agent_format is not None
    assert connect.configure.vad == script.state.policy.vad


def test_a_call_of_words_asks_for_no_sound_and_no_voice_activity() -> None:
    (connect,) = only(Script().do(e.CallOpened, listens=False, speaks=False), c.ConnectInference)
    assert (connect.configure.caller_format, connect.configure.agent_format, connect.configure.vad) == (None,) * 3


def test_a_call_is_opened_once() -> None:
    script = Script().open()
    assert script.do(e.CallOpened, listens=True, speaks=True) == ()
    assert script.ignored == "already_open"


def test_the_greeting_is_spoken_and_the_prompt_is_evaluated_meanwhile() -> None:
    script = Script(policy(greeting="Good morning to you. How can I help?"))
    script.do(e.CallOpened, listens=True, speaks=True)
    commands = script.do(e.InferenceReady, scores_end_of_turn=False)
    assert names(commands) == ["PhaseChanged", "Synthesize", "Synthesize", "PrimePrompt"]
    (prime,) = only(commands, PrimePrompt)
    assert [message.role for message in prime.messages] == [ChatRole.SYSTEM]
    script.sound(0)
    assert script.where() is Phase.RESPONDING


def test_a_second_ready_means_nothing() -> None:
    script = Script().open()
    script.do(e.InferenceReady, scores_end_of_turn=False)
    assert script.ignored == "already_connected"


def test_a_lost_node_is_looked_for_again_with_growing_waits() -> None:
    script = Script().open()
    delays = []
    for _ in range(6):
        commands = script.do(e.InferenceLost, reason=FailureReason.INFERENCE_LOST, detail="gone")
        delays += [connect.delay_ms for connect in only(commands, c.ConnectInference)]
    assert delays == [0, 100, 200, 400, 500, 500]
    assert script.where() is Phase.CONNECTING


def test_the_greeting_is_not_repeated_by_the_next_node() -> None:
    script = Script(policy(greeting="Hello there."))
    script.open()
    script.sound(0)
    script.synthesise(0)
    script.start(0)
    script.do(e.InferenceLost, reason=FailureReason.PEER_SILENT, detail="hung")
    assert "Synthesize" not in names(script.do(e.InferenceReady, scores_end_of_turn=False))


def test_a_loss_in_a_call_of_words_keeps_what_was_shown() -> None:
    script = Script().open(listens=False, speaks=False)
    script.do(e.CallerTyped, text="Hi")
    script.write("Hello there, my friend. And")
    commands = script.do(e.InferenceLost, reason=FailureReason.INFERENCE_LOST, detail="gone")
    assert "FlushRun" not in names(commands)
    assert [message.text for message in script.state.history] == ["Hi", "Hello there, my friend."]


def test_a_committed_turn_with_known_words_is_answered_by_the_next_node() -> None:
    script = Script().open().say("Can you help me?")
    commands = script.do(e.InferenceLost, reason=FailureReason.INFERENCE_LOST, detail="gone")
    assert "DropRun" in names(commands)
    assert "Generate" in names(script.do(e.InferenceReady, scores_end_of_turn=False))


def test_a_caller_who_speaks_while_the_node_is_lost_is_heard_by_the_next_one() -> None:
    script = Script().open().after(1_000)
    script.start_speaking()
    script.after(500).lose_node()
    assert script.all(Transcribe) == []
    script.ready()
    (asked,), turn = script.all(Transcribe), script.state.turn
    assert turn is not None
    assert (asked.start_offset_samples, asked.end_offset_samples) == (turn.start_offset_samples, 0)
    assert sound_kept_from(script.state) == turn.start_offset_samples
    script.after(50).start_speaking()
    assert script.state.turn is not None
    assert (script.state.turn.id, script.state.turn.speaking) == (turn.id, True)
    script.after(500).stop_speaking()
    script.transcribed("Are you open today?")
    script.wait(500)
    assert [message.text for message in script.all(Generate)[-1].messages][-1] == "Are you open today?"


def test_a_pause_that_was_being_judged_when_the_node_was_lost_is_judged_again() -> None:
    script = Script().open(scores=True).after(1_000)
    script.start_speaking()
    script.after(1_000).stop_speaking()
    before = script.all(Transcribe)[-1]
    script.after(10).lose_node()
    script.do(e.InferenceReady, scores_end_of_turn=True)
    again = script.all(Transcribe)[-1]
    assert (again.start_offset_samples, again.end_offset_samples) == (
        before.start_offset_samples,
        before.end_offset_samples,
    )
    assert again.revision > before.revision
    assert len(script.all(ScoreEndOfTurn)) == 2


def test_nothing_is_asked_again_of_a_turn_that_was_typed_or_is_known() -> None:
    script = Script().open()
    assert sound_kept_from(script.state) is None
    script.do(e.CallerTyped, text="Are you open?")
    assert sound_kept_from(script.state) is None
    script.lose_node()
    script.ready()
    assert script.all(Transcribe) == []
    assert len(script.all(Generate)) == 2


def test_no_node_in_time_ends_the_call() -> None:
    script = Script()
    script.do(e.CallOpened, listens=True, speaks=True)
    (end,) = only(script.wait(script.state.policy.deadlines.connect_ms), c.EndCall)
    assert end.cause is EndCause.INFERENCE_UNAVAILABLE
    assert end.failure is not None
    assert end.failure.reason is FailureReason.INFERENCE_LOST


def test_a_node_that_will_never_do_ends_the_call_at_once() -> None:
    script = Script().open()
    commands = script.do(e.InferenceLost, reason=FailureReason.MODEL_MISSING, detail="no such model")
    (end,) = only(commands, c.EndCall)
    assert end.cause is EndCause.INFERENCE_UNAVAILABLE


def test_before_it_is_opened_a_call_hears_and_loses_nothing() -> None:
    script = Script()
    script.do(e.InferenceLost, reason=FailureReason.INFERENCE_LOST, detail="gone")
    assert script.ignored == "not_connected"
    script.start_speaking()
    assert script.ignored == "not_open"
    script.do(e.Tick)
    assert script.ignored == "nothing_due"


def test_speech_before_a_node_is_there_is_not_heard() -> None:
    script = Script()
    script.do(e.CallOpened, listens=True, speaks=True)
    script.start_speaking()
    assert script.ignored == "not_connected"


def test_silence_on_both_sides_ends_the_call() -> None:
    script = Script(policy(limits=SHORT_CALL)).open()
    (end,) = only(script.wait(1_000), c.EndCall)
    assert end.cause is EndCause.IDLE


def test_a_typed_call_is_never_idle_but_has_a_longest_length() -> None:
    script = Script(policy(limits=SHORT_CALL)).open(listens=False, speaks=False)
    (end,) = only(script.wait(10_000), c.EndCall)
    assert end.cause is EndCause.MAX_LENGTH


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (e.CallerHungUp(at_ms=0), EndCause.CALLER_HUNG_UP),
        (e.EdgeLost(at_ms=0, detail="reset"), EndCause.EDGE_LOST),
        (e.ShutdownRequested(at_ms=0), EndCause.SHUTDOWN),
        (e.ShellFailed(at_ms=0, detail="KeyError in pump"), EndCause.INTERNAL),
    ],
)
def test_every_cause_ends_a_call_once_in_any_phase(event: e.SessionEvent, cause: EndCause) -> None:
    fresh, open_, processing, responding = Script(), Script().open(), Script().open(), Script().open()
    processing.say("Hello?")
    responding.say("Hello?").respond()
    for script in (fresh, open_, processing, responding):
        commands = script.feed(event)
        assert isinstance(commands[-1], c.EndCall)
        assert commands[-1].cause is cause
        assert script.feed(event) == ()
        assert script.ignored == "terminated"
        assert script.where() is Phase.TERMINATED


def test_a_heard_reply_is_flushed_when_the_call_ends_and_a_silent_one_dropped() -> None:
    heard = Script().open().say("Hello?").respond()
    assert "FlushRun" in names(heard.do(e.CallerHungUp))
    silent = Script().open().say("Hello?")
    assert "DropRun" in names(silent.do(e.CallerHungUp))
