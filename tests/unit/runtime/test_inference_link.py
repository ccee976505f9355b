"""What a node says is an event of the session."""

import asyncio

import pytest
from support.mailbox_events import take_all
from support.memory_edge import MemoryEdge
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.sequencing import EventSequencer
from voice_orchestrator.runtime.inference_link import InferenceLink
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.media_clock import MediaClock
from voice_orchestrator.runtime.output_buffer import OutputBuffer
from voice_orchestrator.runtime.send_pump import SendPump
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import ConnectInference

CONFIGURE = m.SessionConfigure(
    caller_format=m.AudioFormat(), agent_format=m.AudioFormat(), language="en", voice="", vad=None
)
TIMING = m.WorkTiming(queued_us=1, first_result_us=2, total_us=3)


class TalkingNode:
    """Implements InferenceConnector and InferenceStream: says what it is given."""

    def __init__(self, ready: m.SessionReady) -> None:
        self.ready = ready
        self.address = "talking"
        self._sequencer = EventSequencer("test", lambda: 0)
        self.says: asyncio.Queue[m.Event] = asyncio.Queue(100)

    async def open(self, session_id: str, configure: m.SessionConfigure) -> "TalkingNode":
        del session_id, configure
        return self

    async def send(self, payload: m.Payload, run_id: int = 0) -> None:
        del payload, run_id

    async def receive(self) -> m.Event:
        return await self.says.get()

    async def close(self) -> None:
        pass

    def say(self, payload: m.Payload, run_id: int = 0) -> None:
        self.says.put_nowait(self._sequencer.make(payload, run_id))


def told_by(*said: tuple[m.Payload, int], ready: m.SessionReady | None = None) -> list[events.SessionEvent]:
    """What the session is told when a node says so much, the first word of it being that the node is ready."""

    async def story() -> list[events.SessionEvent]:
        clock, mailbox, media, buffer = virtual_clock(), Mailbox(), MediaClock(), OutputBuffer()
        node = TalkingNode(ready or m.SessionReady())
        pump = SendPump(MemoryEdge(clock), buffer, mailbox, clock)
        link = InferenceLink("test", node, mailbox, clock, media, buffer, pump)
        linking = asyncio.create_task(link.run())
        link.connect(ConnectInference(configure=CONFIGURE, delay_ms=0))
        for payload, run_id in said:
            node.say(payload, run_id)
        await elapse(0.0001)
        told = await take_all(mailbox)
        linking.cancel()
        await asyncio.wait((linking,))
        return told

    return run_virtual(story())


@pytest.mark.parametrize("scores", [False, True])
def test_what_the_node_can_do_is_told_when_it_is_ready(scores: bool) -> None:
    told = told_by(ready=m.SessionReady(scores_end_of_turn=scores))
    assert told == [events.InferenceReady(at_ms=0, scores_end_of_turn=scores)]


@pytest.mark.parametrize(
    ("payload", "run_id", "event"),
    [
        (
            m.EndOfTurnScored(utterance_id=3, revision=2, probability=0.25, timing=TIMING),
            0,
            events.EndOfTurnScored(at_ms=0, utterance_id=3, revision=2, probability=0.25, timing=TIMING),
        ),
        (
            Failure(stage=Stage.END_OF_TURN, reason=FailureReason.ENGINE_ERROR, detail="broke", utterance_id=3),
            0,
            events.EndOfTurnFailed(at_ms=0, utterance_id=3, reason=FailureReason.ENGINE_ERROR, detail="broke"),
        ),
        (
            Failure(stage=Stage.STT, reason=FailureReason.OVERLOADED, detail="busy", utterance_id=3),
            0,
            events.TranscriptionFailed(at_ms=0, utterance_id=3, reason=FailureReason.OVERLOADED, detail="busy"),
        ),
        (
            Failure(stage=Stage.LLM, reason=FailureReason.ENGINE_ERROR, detail="broke", utterance_id=3),
            4,
            events.RunFailed(at_ms=0, run_id=4, stage=Stage.LLM, reason=FailureReason.ENGINE_ERROR, detail="broke"),
        ),
        (
            m.ToolRequested(call_index=1, name="look_up", arguments='{"n":1}'),
            4,
            events.ToolRequested(at_ms=0, run_id=4, call_index=1, name="look_up", arguments='{"n":1}'),
        ),
        (
            m.SynthesisEnded(segment_index=0, total_samples=320, timing=TIMING, word_end_offset_samples=(100, 320)),
            4,
            events.SegmentSynthesised(
                at_ms=0, run_id=4, segment_index=0, total_samples=320, word_ends=(100, 320), timing=TIMING
            ),
        ),
        (
            m.Transcript(
                speaker=m.Speaker.CALLER,
                kind=m.TranscriptKind.PARTIAL,
                text="are you",
                utterance_id=3,
                revision=2,
                mean_log_probability=-0.5,
                no_speech_probability=0.125,
                continuation_probability=0.25,
                timing=TIMING,
            ),
            0,
            events.CallerTranscribed(
                at_ms=0,
                utterance_id=3,
                revision=2,
                kind=m.TranscribeKind.PARTIAL,
                text="are you",
                mean_log_probability=-0.5,
                no_speech_probability=0.125,
                continuation_probability=0.25,
                timing=TIMING,
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_node_says_is_an_event_of_the_session(payload: m.Payload, run_id: int, event: object) -> None:
    assert told_by((payload, run_id))[1:] == [event]


@pytest.mark.parametrize("payload", [m.Heartbeat(), m.RunStopped()], ids=lambda value: type(value).__name__)
def test_some_of_it_is_no_event(payload: m.Payload) -> None:
    assert told_by((payload, 0))[1:] == []


def test_a_failure_of_nothing_in_particular_loses_the_node() -> None:
    failure = Failure(stage=Stage.SESSION, reason=FailureReason.DRAINING, detail="going away")
    (_, lost) = told_by((failure, 0))
    assert lost == events.InferenceLost(at_ms=0, reason=FailureReason.DRAINING, detail="going away")


def test_a_node_that_sends_what_is_not_its_to_send_is_lost() -> None:
    (_, lost) = told_by((m.HangUp(), 0))
    assert isinstance(lost, events.InferenceLost)
    assert lost.reason is FailureReason.INVALID_MESSAGE
    assert "HangUp" in lost.detail
