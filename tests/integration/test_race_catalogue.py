"""Races that live below the reducer: pumps, buffers and links, on virtual time; see tests/golden/races for the rest."""

import pytest
from support.caller_line import Line, on_the_line
from support.scripted_inference import Behaviour, ScriptedInference
from support.session_script import policy

from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import (
    AudioFormat,
    CallEnded,
    CallOpen,
    EndCause,
    HangUp,
    PlayoutFlush,
    RunHeard,
    SessionClose,
    TurnLatency,
)
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import AwayPolicy, CallLimits

LONG = "One two three four five six seven eight nine ten eleven twelve."


def test_r7_the_flush_of_one_reply_leaves_the_next_whole() -> None:
    async def story(line: Line) -> None:
        await line.speak(1.0)
        await line.listen(2.0)
        await line.speak(1.6)
        await line.listen(5.0)

    node = ScriptedInference(Behaviour(transcripts=["Hello?", "Wait, stop."], replies=[LONG, "All right, I wait."]))
    line, _ = on_the_line(policy(), story, node)
    flushed = [
        (index, sent.run_id) for index, sent in enumerate(line.edge.sent) if isinstance(sent.payload, PlayoutFlush)
    ]
    assert [run_id for _, run_id in flushed] == [1]
    after = [sent for sent in line.edge.sent[flushed[0][0] :] if sent.run_id == 1]
    assert [type(sent.payload).__name__ for sent in after] == ["PlayoutFlush", "RunHeard"]
    assert line.samples_of(2) == 4 * 300 * 16
    assert line.edge.all(RunHeard)[-1] == RunHeard(text="All right, I wait.", interrupted=False)


def test_r19_sound_that_stops_in_the_middle_of_speech_ends_the_turn() -> None:
    async def story(line: Line) -> None:
        await line.speak(1.0)
        await line.edge_is_mute(3.0)

    line, _ = on_the_line(policy(), story)
    assert [failure.reason for failure in line.edge.all(Failure)] == [FailureReason.CALLER_SOUND_LOST]
    assert "Generate" in line.node.streams[0].kinds()
    assert line.samples_of(1) > 0


def test_r22_a_shutdown_while_the_agent_speaks_ends_the_call_politely() -> None:
    async def story(line: Line) -> None:
        await line.speak(1.0)
        await line.listen(1.5)
        assert line.samples_of(1) > 0
        line.runtime.request_shutdown()

    line, outcome = on_the_line(policy(), story)
    assert outcome.cause is EndCause.SHUTDOWN
    assert line.edge.names()[-1] == "CallEnded"
    assert line.edge.all(CallEnded) == [CallEnded(cause=EndCause.SHUTDOWN)]
    assert line.node.streams[0].closed


def test_r23_a_call_is_not_opened_twice_on_one_stream() -> None:
    async def story(line: Line) -> None:
        line.edge.say(CallOpen(profile="test", caller_format=AudioFormat(), agent_format=AudioFormat()))
        await line.listen(0.5)

    line, outcome = on_the_line(policy(greeting="Good morning."), story)
    assert outcome.cause is EndCause.EDGE_LOST
    assert outcome.failure is not None
    assert "CallOpen does not come from an edge" in outcome.failure.detail
    assert len(line.node.streams) <= 1
    assert len(line.edge.all(CallEnded)) == 1


@pytest.mark.parametrize("after_s", [0.55, 0.7, 0.9])
def test_r24_a_node_that_dies_while_it_works_is_let_go_and_the_turn_is_answered_by_the_next(after_s: float) -> None:
    async def story(line: Line) -> None:
        await line.speak(1.0)
        await line.listen(after_s)
        line.node.streams[0].lose()
        await line.listen(6.0)

    node = ScriptedInference(Behaviour(token_s=0.2))
    line, _ = on_the_line(policy(), story, node)
    assert len(line.node.streams) == 2
    assert line.node.streams[0].closed
    assert line.edge.all(RunHeard)[-1] == RunHeard(text="Yes, of course we are. Come by at noon.", interrupted=False)
    assert line.samples_of(1) == 0


def test_r25_an_edge_that_goes_while_it_is_sent_to_ends_the_call_once() -> None:
    async def story(line: Line) -> None:
        await line.speak(1.0)
        await line.listen(1.5)
        line.edge.gone = "connection reset"
        await line.keep_silent(1.0)

    line, outcome = on_the_line(policy(), story)
    assert outcome.cause is EndCause.EDGE_LOST
    assert line.node.streams[0].kinds()[-1] == SessionClose.__name__
    assert line.node.streams[0].closed


def test_r25_a_hang_up_in_the_same_moment_as_the_loss_is_a_hang_up() -> None:
    async def story(line: Line) -> None:
        await line.speak(1.0)
        await line.listen(1.5)
        line.edge.say(HangUp())
        line.edge.leave()
        await line.keep_silent(0.2)

    _, outcome = on_the_line(policy(), story)
    assert outcome.cause is EndCause.CALLER_HUNG_UP


@pytest.mark.parametrize("pace_s", [0.0196, 0.0204])
def test_r27_an_edge_whose_clock_is_off_by_two_percent_is_answered_and_told_a_latency_that_adds_up(
    pace_s: float,
) -> None:
    async def story(line: Line) -> None:
        await line.speak(1.0, pace_s=pace_s)
        await line.keep_silent(20.0, pace_s=pace_s)
        await line.speak(1.0, pace_s=pace_s)
        await line.keep_silent(3.0, pace_s=pace_s)

    line, _ = on_the_line(policy(limits=CallLimits(idle_ms=60_000)), story)
    latencies = line.edge.all(TurnLatency)
    assert len(latencies) == 2
    for latency in latencies:
        assert latency.endpointing_ms in range(450, 700)
        assert min(latency.transcription_ms, latency.delivery_ms) >= 0
    times = [transition.state.now_ms for _, transition in line.journal.records]
    assert times == sorted(times)


def test_r27_frames_that_come_twice_make_one_turn() -> None:
    async def story(line: Line) -> None:
        await line.speak(1.0, twice=True)
        await line.keep_silent(2.5, twice=True)

    line, _ = on_the_line(policy(), story)
    assert line.node.streams[0].kinds().count("Generate") == 1


def test_r30_minutes_of_silence_bring_the_core_nothing_but_its_own_prompts() -> None:
    async def story(line: Line) -> None:
        await line.keep_silent(1.0)
        began = len(line.journal.records)
        await line.keep_silent(300.0)
        assert len(line.journal.records) - began == 0

    quiet = policy(limits=CallLimits(idle_ms=600_000), away=AwayPolicy(prompts=()))
    line, outcome = on_the_line(quiet, story)
    assert [type(event) for event, _ in line.journal.records] == [e.CallOpened, e.InferenceReady, e.ShutdownRequested]
    assert outcome.counters == {"agent_samples_dropped": 0, "caller_samples_dropped": 0}
