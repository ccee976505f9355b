"""What interruptions, tools and failures of a session become in traces."""

from collections.abc import Callable

import pytest
from support.session_script import SLOTS, Script, policy
from support.traced_script import answered, asked, named, one, speculated, times, traces_of

from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import FinishReason
from voice_orchestrator.session import events as e
from voice_orchestrator.traces import names


def say_line(script: Script) -> None:
    """A line of the profile is heard to its end."""
    assert script.state.run is not None
    for segment in range(len(script.state.run.segments)):
        script.synthesise(segment)
    script.start(0)
    script.after(1_000).finish()


# --- interruptions


def test_a_reply_that_is_interrupted_says_by_what() -> None:
    script = answered().after(500)
    script.start_speaking()
    script.wait(1_600)
    interrupted = script.now_ms
    script.report(1, 9_000)
    script.wait(100)
    trace = traces_of(script)[0]
    playout = one(trace, "playout")
    assert trace.attributes[names.END_REASON] == "interrupted"
    assert playout.attributes[names.INTERRUPTION_CAUSE] == "duration"
    assert playout.attributes[names.PLAYED_MS] == 562
    assert playout.end_ms < interrupted
    (pause,) = playout.children
    assert pause.name == "paused"
    assert pause.start_ms == 3_070
    assert pause.attributes[names.INTERRUPTION_OUTCOME] == "confirmed"


def test_a_pause_that_was_taken_back_is_only_a_pause() -> None:
    script = answered().after(500)
    script.start_speaking()
    script.after(300).stop_speaking()
    script.after(100).transcribed("uh-huh")
    script.after(600).finish()
    (trace, noise) = traces_of(script)[::-1]
    playout = one(trace, "playout")
    (pause,) = playout.children
    assert times(pause) == (3_070, 3_470)
    assert pause.attributes[names.INTERRUPTION_CAUSE] == "backchannel"
    assert names.INTERRUPTION_CAUSE not in playout.attributes
    assert trace.attributes[names.END_REASON] == "completed"
    assert noise.attributes[names.ANSWERED] is False
    assert names.END_REASON not in noise.attributes


def test_a_turn_that_goes_on_over_its_answer_stays_one_trace() -> None:
    script = answered()
    script.do(e.SpeechStarted, offset_samples=40_000, spoken_at_ms=2_560)
    script.report(1, 100)
    script.wait(600)
    script.stop_speaking()
    script.after(100).transcribed("Are you open today or tomorrow?")
    script.wait(500)
    script.respond().after(1_000).finish()
    (trace,) = traces_of(script)
    assert trace.attributes[names.TURN] == 1
    assert [span.attributes[names.RUN] for span in named(trace, "playout")] == [1, 2]
    assert one(trace, "endpointing").start_ms > 2_570


# --- tools


def with_tool() -> Script:
    """The model asks for a tool at 2,300 ms."""
    script = Script(policy(tools=SLOTS)).open()
    script.after(1_000).start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.after(150).transcribed("Is Friday free?")
    script.wait(150)
    script.ask_tool()
    script.after(20).finish_writing(FinishReason.TOOLS)
    return script


def test_a_tool_is_a_span_between_two_of_the_model() -> None:
    script = with_tool()
    script.after(180).do(e.ToolReturned, call_id=1, result="nine, ten")
    script.after(50).respond().after(1_000).finish()
    (trace,) = traces_of(script)
    tool = one(trace, "execute_tool slots")
    assert times(tool) == (2_300, 2_500)
    assert tool.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.conversation.id": "call-1",
        "gen_ai.tool.name": "slots",
        "gen_ai.tool.call.id": "call-1-1",
        "gen_ai.tool.type": "function",
        "voice_agent.run.id": 1,
    }
    assert [times(chat) for chat in named(trace, "chat")] == [(2_300, 2_320), (2_500, 2_550)]
    assert one(trace, "playout")


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (
            lambda script: script.do(e.ToolFailed, call_id=1, reason=FailureReason.TOOL_FAILED, detail="no"),
            "tool_failed",
        ),
        (lambda script: script.wait(SLOTS.timeout_ms), "deadline_exceeded"),
    ],
)
def test_a_tool_that_fails_is_an_error_of_the_tool_alone(fail: Callable[[Script], object], reason: str) -> None:
    script = with_tool()
    fail(script)
    script.respond().after(1_000).finish()
    (trace,) = traces_of(script)
    assert one(trace, "execute_tool slots").error == reason
    assert trace.error == ""


def test_a_trace_waits_for_the_tool_of_its_turn() -> None:
    script = with_tool()
    script.do(e.CallerTyped, text="Never mind.")
    assert traces_of(script) == []
    script.after(700).do(e.ToolReturned, call_id=1, result="nine, ten")
    (trace,) = traces_of(script)
    assert trace.attributes[names.TURN] == 1
    assert one(trace, "execute_tool slots").end_ms == script.now_ms == trace.end_ms


# --- failures


def test_a_reply_that_fails_is_an_error_even_when_the_caller_hears_an_apology() -> None:
    script = asked().after(30)
    script.fail(Stage.LLM)
    say_line(script)
    (trace,) = traces_of(script)
    failed = one(trace, "unheard_run")
    assert failed.error == one(failed, "chat").error == trace.error == "engine_error"
    assert one(failed, "chat").end_ms == 2_330
    assert trace.attributes[names.RUN_KIND] == "recovery"


def test_a_voice_that_fails_half_way_is_an_error() -> None:
    script = asked()
    script.write("Yes, of course we are. ")
    script.write("Come by at noon.", end=True)
    script.synthesise(0)
    script.start(0)
    script.after(40).fail(Stage.TTS)
    script.after(900).finish()
    (trace,) = traces_of(script)
    assert [span.error for span in named(trace, "text_to_speech")] == ["", "engine_error"]
    assert trace.error == "engine_error"
    assert one(trace, "playout").error == ""


def test_words_that_cannot_be_had_are_an_error_of_the_turn() -> None:
    script = Script().open().after(1_000)
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.after(90).do(e.TranscriptionFailed, utterance_id=1, reason=FailureReason.ENGINE_ERROR, detail="it broke")
    script.wait(500)
    say_line(script)
    (trace,) = traces_of(script)
    assert one(trace, "speech_to_text").error == trace.error == "engine_error"
    assert times(one(trace, "speech_to_text")) == (2_000, 2_090)


def test_a_reply_begun_early_that_failed_is_not_an_error_of_a_turn_that_was_answered() -> None:
    script = speculated()
    script.after(20).fail(Stage.LLM)
    script.wait(500)
    script.respond().after(1_000).finish()
    (trace,) = traces_of(script)
    assert one(trace, "unheard_run").error == "engine_error"
    assert one(trace, "unheard_run").attributes[names.SPECULATION] == "failed"
    assert trace.error == ""


def test_work_on_a_node_that_is_lost_failed_with_it() -> None:
    script = asked().after(30)
    script.lose_node()
    script.after(200).ready()
    script.wait(100)
    script.respond().after(1_000).finish()
    (trace,) = traces_of(script)
    (chat,) = one(trace, "unheard_run").children
    assert chat.error == "inference_lost"
    assert trace.error == ""
    assert trace.attributes[names.ANSWERED] is True
