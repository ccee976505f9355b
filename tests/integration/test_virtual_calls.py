"""Whole calls on virtual time: runtime, edge and recording are real, the node is scripted."""

import asyncio

import numpy as np
import pytest
from support.scripted_inference import AGENT_LEVEL, Behaviour, ScriptedInference, ScriptedStream
from support.session_script import policy
from support.virtual_call import VirtualCall, make_call, speech
from support.virtual_time import run_virtual

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import BargeIn, BargeInOutcome, EndCause, Phase, PhaseChanged, Transcript, TurnLatency
from voice_orchestrator.runtime.ports import StreamLostError
from voice_orchestrator.session.policy import CallLimits, InterruptionPolicy, StageDeadlines, TurnTakingPolicy

GREETED = policy(greeting="Good morning to you.")


def phases(call: VirtualCall) -> list[Phase]:
    return [event.payload.to_phase for _, event in call.heard.events if isinstance(event.payload, PhaseChanged)]


def outcomes(call: VirtualCall) -> list[BargeInOutcome]:
    return [event.payload.outcome for _, event in call.heard.events if isinstance(event.payload, BargeIn)]


def agent_spans_ms(call: VirtualCall) -> list[tuple[int, int]]:
    """Where the agent is heard in the recording, from its samples alone."""
    loud = np.concatenate([[False], call.agent == AGENT_LEVEL, [False]])
    edges = np.flatnonzero(loud[1:] != loud[:-1])
    return [(int(start) // 16, int(end) // 16) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def test_a_call_with_two_turns_is_greeted_answered_and_hung_up() -> None:
    call = run_virtual(make_call(GREETED, (speech(1.0, 0.3), speech(1.2))))
    assert call.outcome is not None
    assert call.outcome.cause is EndCause.CALLER_HUNG_UP
    assert [file.answered for file in call.edge.files] == [True, True]
    answered = [Phase.PROCESSING, Phase.RESPONDING, Phase.ACTIVE]
    assert phases(call) == [
        Phase.CONNECTING,
        Phase.ACTIVE,
        Phase.RESPONDING,
        Phase.ACTIVE,
        *answered,
        *answered,
        Phase.TERMINATED,
    ]
    assert call.heard.names()[0] == "CallAccepted"
    assert call.heard.names()[-1] == "CallEnded"
    assert call.heard.names().count("CallEnded") == 1


def test_the_recording_holds_every_sample_of_the_reply_without_a_gap() -> None:
    call = run_virtual(make_call(policy(), (speech(1.0),)))
    (span,) = agent_spans_ms(call)
    words = len(["Yes,", "of", "course", "we", "are.", "Come", "by", "at", "noon."])
    assert span[1] - span[0] == words * 300


def test_the_latency_that_is_told_is_the_one_in_the_recording() -> None:
    call = run_virtual(make_call(policy(), (speech(1.0),)))
    (latency,) = [event.payload for _, event in call.heard.events if isinstance(event.payload, TurnLatency)]
    began_ms = call.edge.files[0].start_samples // 16
    measured_ms = agent_spans_ms(call)[0][0] - (began_ms + 1_000)
    assert abs(latency.total_ms - measured_ms) <= 40
    assert latency.endpointing_ms in range(495, 520)


def test_caller_speech_stops_the_agent_and_history_holds_what_was_heard() -> None:
    long = Behaviour(replies=["One two three four five six seven eight nine ten. " * 3, "Fine."])
    call = run_virtual(make_call(policy(), (speech(1.0), speech(1.0)), ScriptedInference(long), overlap_s=2.0))
    assert outcomes(call) == [BargeInOutcome.PAUSED, BargeInOutcome.CONFIRMED]
    first = next(run for run in call.log.runs.values() if run.turn_id == 1)
    heard_words = len(first.heard.split())
    span = agent_spans_ms(call)[0]
    assert heard_words == (span[1] - span[0]) // 300
    onset_ms = call.edge.files[1].start_samples // 16
    assert span[1] - onset_ms <= 150


def test_a_cough_pauses_the_agent_who_goes_on_at_the_same_sample() -> None:
    node = ScriptedInference(Behaviour(transcripts=["Hello?", ""], replies=["One two three four five six seven."]))
    call = run_virtual(make_call(policy(), (speech(1.0), speech(0.2)), node, overlap_s=0.5, answer_wait_s=5.0))
    assert outcomes(call) == [BargeInOutcome.PAUSED, BargeInOutcome.REJECTED]
    spans = agent_spans_ms(call)
    assert len(spans) == 2
    assert sum(end - start for start, end in spans) == 7 * 300


def test_a_pause_inside_a_sentence_is_one_turn() -> None:
    call = run_virtual(make_call(policy(), (speech(1.0, 0.4, 1.0),)))
    finals = [
        event.payload
        for _, event in call.heard.events
        if isinstance(event.payload, Transcript) and event.payload.kind.value == "final" and event.payload.utterance_id
    ]
    assert len(finals) == 1


def test_speech_that_resumes_before_the_agent_is_heard_kills_the_silent_reply() -> None:
    slow = ScriptedInference(Behaviour(synthesis_s=1.0))
    call = run_virtual(make_call(policy(), (speech(1.0, 0.8, 1.0),), slow))
    assert slow.streams[0].kinds().count("CancelRun") == 1
    assert call.outcome is not None
    assert call.outcome.counters.get("agent_samples_dropped", 0) >= 0
    assert len(agent_spans_ms(call)) == 1


def test_no_node_ends_the_call_after_its_deadline_with_a_reason() -> None:
    refusals = [StreamLostError(FailureReason.INFERENCE_LOST, "nobody there") for _ in range(100)]
    call = run_virtual(make_call(policy(), (speech(1.0),), ScriptedInference(refusals=refusals)))
    assert call.outcome is not None
    assert call.outcome.cause is EndCause.INFERENCE_UNAVAILABLE
    assert [file.answered for file in call.edge.files] == []


def test_a_node_that_cannot_serve_ends_the_call_at_once() -> None:
    node = ScriptedInference(refusals=[StreamLostError(FailureReason.MODEL_MISSING, "no such model")])
    call = run_virtual(make_call(policy(), (speech(1.0),), node), at_most_s=5.0)
    assert call.outcome is not None
    assert call.outcome.failure is not None
    assert call.outcome.failure.reason is FailureReason.MODEL_MISSING


def lost_after(seconds: float) -> ScriptedInference:
    node = ScriptedInference()

    def on_open(stream: ScriptedStream) -> None:
        if len(node.streams) == 1:
            asyncio.get_running_loop().call_later(seconds, stream.lose)

    node.on_open = on_open
    return node


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.2, 1.55, 1.7, 2.0, 3.0, 5.0])
def test_a_call_survives_the_loss_of_its_node_at_any_moment(seconds: float) -> None:
    node = lost_after(seconds)
    call = run_virtual(make_call(policy(), (speech(1.0), speech(1.0)), node, answer_wait_s=6.0))
    assert call.outcome is not None
    assert call.outcome.cause is EndCause.CALLER_HUNG_UP
    assert len(node.streams) == 2
    assert call.edge.files[1].answered


def test_a_node_that_falls_silent_counts_as_lost() -> None:
    node = ScriptedInference()

    def on_open(stream: ScriptedStream) -> None:
        if len(node.streams) == 1:
            asyncio.get_running_loop().call_later(0.5, setattr, stream, "silent", True)

    node.on_open = on_open
    call = run_virtual(make_call(policy(), (speech(1.0), speech(1.0)), node, answer_wait_s=6.0))
    assert len(node.streams) == 2
    failures = [event.payload for _, event in call.heard.events if isinstance(event.payload, Failure)]
    assert failures[0].reason is FailureReason.PEER_SILENT


def test_a_node_that_breaks_the_contract_ends_the_call() -> None:
    node = ScriptedInference()
    node.on_open = lambda stream: stream.say(speech_event())
    call = run_virtual(make_call(policy(), (speech(1.0),), node))
    assert call.outcome is not None
    assert call.outcome.failure is not None
    assert call.outcome.failure.reason is FailureReason.INVALID_MESSAGE


def speech_event() -> PhaseChanged:
    return PhaseChanged(from_phase=Phase.ACTIVE, to_phase=Phase.PROCESSING)


def test_a_failed_voice_ends_the_turn_not_the_call() -> None:
    broken = Failure(stage=Stage.TTS, reason=FailureReason.ENGINE_ERROR, detail="voice broke")
    node = ScriptedInference(Behaviour(fail_synthesis=broken))
    call = run_virtual(make_call(policy(), (speech(1.0),), node, answer_wait_s=3.0))
    assert call.outcome is not None
    assert call.outcome.cause is EndCause.CALLER_HUNG_UP
    assert not call.edge.files[0].answered
    assert [failure.stage for failure in call.log.runs[1].failures] == [Stage.TTS]


def test_a_model_that_never_answers_is_replaced_by_the_recovery_line() -> None:
    node = ScriptedInference(Behaviour(answers_generate=False))
    slow = policy(deadlines=StageDeadlines(first_token_ms=1_000))
    call = run_virtual(make_call(slow, (speech(1.0),), node))
    assert "Sorry, I lost my train of thought." in call.log.runs[2].text
    assert call.edge.files[0].answered


def test_a_call_longer_than_its_limit_is_ended_once() -> None:
    short = policy(limits=CallLimits(call_ms=1_500))
    call = run_virtual(make_call(short, (speech(5.0),)))
    assert call.outcome is not None
    assert call.outcome.cause is EndCause.MAX_LENGTH
    assert call.heard.names().count("CallEnded") == 1


def test_many_causes_at_once_end_a_call_once() -> None:
    box: list[VirtualCall] = []

    async def everything_at_once() -> None:
        await asyncio.sleep(1.6)
        box[0].runtime.request_shutdown()
        box[0].runtime.request_shutdown()
        box[0].node.streams[0].lose(FailureReason.MODEL_MISSING)
        box[0].edge._end.close()

    call = run_virtual(make_call(policy(), (speech(1.0),), during=everything_at_once(), call_box=box))
    assert call.outcome is not None
    assert call.outcome.cause is EndCause.SHUTDOWN
    assert call.heard.names().count("CallEnded") <= 1


def test_the_node_is_told_that_the_session_is_over_and_its_stream_closed() -> None:
    call = run_virtual(make_call(policy(), (speech(1.0),)))
    stream = call.node.streams[-1]
    assert stream.kinds()[-1] == "SessionClose"
    assert stream.closed


def test_an_agent_that_may_not_be_interrupted_is_not() -> None:
    stubborn = policy(interruptions=InterruptionPolicy(enabled=False))
    node = ScriptedInference(Behaviour(replies=["One two three four five six seven.", "Fine."]))
    call = run_virtual(make_call(stubborn, (speech(1.0), speech(1.0)), node, overlap_s=0.5))
    assert outcomes(call) == []
    assert agent_spans_ms(call)[0][1] - agent_spans_ms(call)[0][0] == 7 * 300


def test_partial_words_are_shown_while_the_caller_speaks() -> None:
    talkative = policy(turn_taking=TurnTakingPolicy(partial_interval_ms=300))
    call = run_virtual(make_call(talkative, (speech(2.0),)))
    assert call.log.stt_partials >= 3


def test_a_cancelled_session_says_goodbye_and_leaves_nothing_behind() -> None:
    box: list[VirtualCall] = []

    async def scenario() -> VirtualCall:
        task = asyncio.create_task(make_call(policy(), (speech(3.0),), call_box=box))
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return box[0]

    call = run_virtual(scenario())
    assert call.node.streams[0].kinds()[-1] == "SessionClose"


def test_a_defect_in_a_pump_ends_the_call_with_a_failure() -> None:
    class Broken(ScriptedInference):
        async def open(self, session_id: str, configure: object) -> ScriptedStream:
            raise KeyError("a defect")

    call = run_virtual(make_call(policy(), (speech(1.0),), Broken()))
    assert call.outcome is not None
    assert call.outcome.cause is EndCause.INTERNAL
    assert call.outcome.failure is not None
    assert call.outcome.failure.detail == "KeyError in inference_link"
