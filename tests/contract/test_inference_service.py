"""Inference.Converse and Describe over real sockets: what the contract says, the node does."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.scripted_engines import ScriptedLlm
from support.served_node import CONFIGURE, Session, served_node, session_with

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.grpc_inference import GrpcConnector, GrpcStream, describe
from voice_orchestrator.runtime.ports import StreamLostError

HELLO = (m.ChatMessage(role=m.ChatRole.USER, text="Hello?"),)
GENERATE = m.Generate(messages=HELLO, max_tokens=20, temperature=0.0, top_p=1.0)


def final(start: int, end: int, revision: int = 1, utterance_id: int = 1) -> m.Transcribe:
    return m.Transcribe(
        utterance_id=utterance_id,
        revision=revision,
        kind=m.TranscribeKind.FINAL,
        start_offset_samples=start,
        end_offset_samples=end,
    )


async def test_speech_is_found_where_it_is() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(0.5, level=0)
        await session.speak(1.0, offset_s=0.5)
        await session.speak(0.5, offset_s=1.5, level=0)
        started, _ = await session.until(m.SpeechStarted)
        ended, _ = await session.until(m.SpeechEnded)
    assert abs(started.start_offset_samples - 8_000) <= 512
    assert abs(ended.end_offset_samples - 24_000) <= 512


async def test_a_stretch_of_sound_is_transcribed() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        await session.send(final(1_600, 9_600))
        words, _ = await session.until(m.Transcript)
        assert node.stt.heard == [8_000]
    assert (words.text, words.kind, words.utterance_id) == ("are you open today", m.TranscriptKind.FINAL, 1)
    assert words.timing.total_us >= 0
    assert words.no_speech_probability == 0.25
    assert words.continuation_probability == 0.125


async def test_a_newer_revision_supersedes_the_older() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        node.stt.gate.clear()
        await session.send(final(0, 8_000))
        await asyncio.to_thread(node.stt.began.wait, 5.0)
        await session.send(final(0, 16_000, revision=2))
        words, _ = await session.until(m.Transcript)
        assert words.revision == 2
        await session.send(final(0, 16_000, revision=2))
        refused, _ = await session.until(Failure)
    assert refused.reason is FailureReason.INVALID_MESSAGE


async def test_a_cancelled_transcription_is_never_answered() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        node.stt.gate.clear()
        await session.send(final(0, 8_000))
        await asyncio.to_thread(node.stt.began.wait, 5.0)
        await session.send(m.CancelTranscription(utterance_id=1))
        await session.send(final(0, 8_000, utterance_id=2))
        words, _ = await session.until(m.Transcript)
    assert words.utterance_id == 2


async def test_a_failed_transcription_names_its_utterance() -> None:
    async with served_node() as node, session_with(node) as session:
        node.stt.error = RuntimeError("engine broke")
        await session.speak(1.0)
        await session.send(final(0, 8_000, utterance_id=7))
        failure, run_id = await session.until(Failure)
    assert (failure.stage, failure.reason, failure.utterance_id, run_id) == (
        Stage.STT,
        FailureReason.ENGINE_ERROR,
        7,
        0,
    )


async def test_a_reply_streams_and_ends() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.send(m.PrimePrompt(messages=HELLO))
        await session.send(GENERATE, 3)
        ended, run_id = await session.until(m.GenerationEnded)
        text = "".join(e.payload.text for e in session.seen if isinstance(e.payload, m.Transcript))
        assert node.llm.primed == 1
    assert text == "Yes, of course we are."
    assert (run_id, ended.reason, ended.generated_tokens) == (3, m.FinishReason.STOP, 3)


async def test_a_cancelled_run_stops_and_says_so_last() -> None:
    async with served_node(llm=ScriptedLlm(endless=True)) as node, session_with(node) as session:
        await session.send(GENERATE, 3)
        await session.until(m.Transcript)
        await session.send(m.CancelRun(), 3)
        await session.until(m.RunStopped)
        assert node.llm.stopped == 1
        session.seen.clear()
        await session.until(m.Heartbeat)
        assert all(event.run_id == 0 for event in session.seen)


async def test_cancelling_a_run_that_never_was_is_confirmed_and_kills_its_late_commands() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.send(m.CancelRun(), 9)
        _, run_id = await session.until(m.RunStopped)
        await session.send(GENERATE, 9)
        await session.send(GENERATE, 10)
        _, ended_run = await session.until(m.GenerationEnded)
    assert (run_id, ended_run) == (9, 10)


async def test_segments_are_spoken_in_order_and_their_lengths_are_true() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.send(m.Synthesize(segment_index=0, text="one two three", speaking_rate=1.0), 1)
        await session.send(m.Synthesize(segment_index=1, text="four", speaking_rate=1.0), 1)
        first, _ = await session.until(m.SynthesisEnded)
        second, _ = await session.until(m.SynthesisEnded)
        sound = [e.payload for e in session.seen if isinstance(e.payload, m.Audio)]
    assert (first.segment_index, first.total_samples) == (0, 4_800)
    assert (second.segment_index, second.total_samples) == (1, 1_600)
    assert [audio.segment_index for audio in sound] == [0] * 3 + [1]
    assert [audio.offset_samples for audio in sound[:3]] == [0, 1_600, 3_200]
    assert (first.word_end_offset_samples, second.word_end_offset_samples) == ((1_600, 3_200, 4_800), (1_600,))


async def test_a_segment_out_of_order_is_refused() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.send(m.Synthesize(segment_index=1, text="two", speaking_rate=1.0), 1)
        failure, _ = await session.until(Failure)
    assert failure.reason is FailureReason.INVALID_MESSAGE


async def test_an_unknown_voice_is_a_missing_model() -> None:
    async with served_node() as node, session_with(node, replace(CONFIGURE, voice="nobody")) as session:
        await session.send(m.Synthesize(segment_index=0, text="one", speaking_rate=1.0), 1)
        failure, run_id = await session.until(Failure)
    assert (failure.reason, run_id) == (FailureReason.MODEL_MISSING, 1)


async def test_sound_stops_within_a_piece_of_a_cancel() -> None:
    async with served_node() as node, session_with(node) as session:
        node.tts.gate.clear()
        await session.send(m.Synthesize(segment_index=0, text="one two three", speaking_rate=1.0), 1)
        await session.send(m.CancelRun(), 1)
        await session.until(m.RunStopped)
        assert node.tts.spoken == []
        assert not [e for e in session.seen if isinstance(e.payload, m.Audio)]


async def test_more_sessions_than_slots_are_refused_with_a_reason() -> None:
    async with served_node(slots=1) as node, session_with(node):
        with pytest.raises(StreamLostError) as refused:
            async with session_with(node):
                pass
        assert refused.value.reason is FailureReason.CAPACITY_EXHAUSTED
        description = await describe(node.address, 2.0)
        assert (description.session_slots, description.free_session_slots) == (1, 0)


async def test_a_slot_is_free_again_when_its_session_is_over() -> None:
    async with served_node(slots=1) as node:
        async with session_with(node) as session:
            await session.send(m.SessionClose())
            assert await node.servicer.wait_idle(2.0)
        async with session_with(node):
            pass
        assert node.llm.forgotten[0] == "test-session"


async def test_a_session_that_vanishes_gives_its_slot_and_its_work_back() -> None:
    async with served_node(slots=1, llm=ScriptedLlm(endless=True)) as node:
        async with session_with(node) as session:
            await session.send(GENERATE, 1)
            await session.until(m.Transcript)
        assert await node.servicer.wait_idle(3.0)
        assert node.llm.stopped == 1


async def test_a_node_that_loads_is_busy_and_says_so() -> None:
    async with served_node(loaded=False) as node:
        assert not (await describe(node.address, 2.0)).ready
        with pytest.raises(StreamLostError, match="still loading") as refused:
            async with session_with(node):
                pass
        assert refused.value.reason is FailureReason.OVERLOADED


async def test_a_draining_node_takes_nobody_and_lets_the_present_finish() -> None:
    async with served_node() as node, session_with(node) as session:
        draining = asyncio.create_task(node.face.drain(5.0))
        await asyncio.sleep(0)
        with pytest.raises(StreamLostError) as refused:
            async with session_with(node):
                pass
        assert refused.value.reason is FailureReason.DRAINING
        await session.send(GENERATE, 1)
        await session.until(m.GenerationEnded)
        await session.send(m.SessionClose())
        await draining


async def test_health_says_serving_only_when_the_models_are_loaded() -> None:
    async def health(address: str) -> int:
        async with grpc.aio.insecure_channel(address) as channel:
            request = health_pb2.HealthCheckRequest(service="voice_agent.v1.Inference")
            stub: Any = health_pb2_grpc.HealthStub(channel)
            return int((await stub.Check(request, timeout=2.0)).status)

    async with served_node(loaded=False) as node:
        assert await health(node.address) == health_pb2.HealthCheckResponse.NOT_SERVING
        await node.face.set_serving()
        assert await health(node.address) == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_names_the_service() -> None:
    request: Any = reflection_pb2.ServerReflectionRequest(list_services="")
    async with served_node() as node, grpc.aio.insecure_channel(node.address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        call = stub.ServerReflectionInfo(iter([request]))
        answer = await call.read()
        assert "voice_agent.v1.Inference" in {service.name for service in answer.list_services_response.service}


async def test_the_first_event_must_configure_the_session() -> None:
    async with served_node() as node:
        stream = GrpcStream(node.address, "s", SessionClock())
        try:
            await stream.send(m.SessionClose())
            with pytest.raises(StreamLostError, match="first event must be session_configure"):
                await stream.receive()
        finally:
            await stream.close()


@pytest.mark.parametrize(
    ("payload", "run_id", "says"),
    [
        (m.CancelTranscription(utterance_id=0), 0, "utterance_id"),
        (m.Generate(messages=(), max_tokens=5, temperature=0.0, top_p=1.0), 1, "messages: at least one"),
        (m.Generate(messages=HELLO, max_tokens=5, temperature=0.0, top_p=1.0), 0, "run_id: required"),
        (m.Synthesize(segment_index=0, text="", speaking_rate=1.0), 1, "synthesize.text"),
        (m.SessionReady(), 0, "may not be sent by this peer"),
        (CONFIGURE, 0, "configured once"),
    ],
)  # fmt: skip
async def test_what_breaks_the_contract_ends_the_session_with_its_reason(
    payload: m.Payload, run_id: int, says: str
) -> None:
    async with served_node() as node, session_with(node) as session:
        await session.send(payload, run_id)
        failure, _ = await session.until(Failure)
        assert failure.reason is FailureReason.INVALID_MESSAGE
        assert says in failure.detail
        assert await node.servicer.wait_idle(2.0)


async def test_a_stream_whose_count_jumps_is_ended() -> None:
    async with served_node() as node, session_with(node) as session:
        session.stream._sequencer._last += 5
        await session.send(m.Heartbeat())
        failure, _ = await session.until(Failure)
    assert "does not follow" in failure.detail


async def test_an_orchestrator_that_falls_silent_is_let_go() -> None:
    async with served_node() as node, session_with(node) as session:
        failure, _ = await session.until(Failure)
        assert failure.reason is FailureReason.PEER_SILENT
        assert await node.servicer.wait_idle(2.0)


async def test_a_full_lane_is_overloaded_not_stuck() -> None:
    async with served_node(queue=1) as node, session_with(node) as session:
        await session.speak(1.0)
        node.stt.gate.clear()
        await session.send(final(0, 8_000))
        await asyncio.to_thread(node.stt.began.wait, 5.0)
        for utterance_id in (2, 3):
            await session.send(final(0, 8_000, utterance_id=utterance_id))
        failure, _ = await session.until(Failure)
        assert (failure.reason, failure.utterance_id) == (FailureReason.OVERLOADED, 3)


async def test_nobody_at_the_address_is_a_lost_node() -> None:
    async with served_node() as node:
        address = node.address
    with pytest.raises(StreamLostError, match="no inference node at"):
        await describe(address, 2.0)
    with pytest.raises(StreamLostError) as lost:
        await GrpcConnector(address, SessionClock()).open("s", CONFIGURE)
    assert lost.value.reason is FailureReason.INFERENCE_LOST


async def test_a_port_is_not_shared_by_two_nodes() -> None:
    async with served_node() as node:
        with pytest.raises(OSError, match=r"ailed to bind|cannot listen"):
            async with served_node(address=node.address):
                pass


async def test_the_node_counts_what_it_does() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.send(GENERATE, 1)
        await session.until(m.GenerationEnded)
        value = node.metrics.registry.get_sample_value
        assert value("voice_inference_sessions") == 1
        assert value("voice_inference_stage_run_seconds_count", {"stage": "llm"}) == 1


def test_sessions_keep_to_themselves() -> None:
    async def scenario() -> None:
        async with served_node() as node, session_with(node) as first, session_with(node) as second:
            await first.send(GENERATE, 1)
            await first.until(m.GenerationEnded)
            await second.until(m.Heartbeat)
            assert not [event for event in second.seen if event.run_id]
            assert isinstance(second, Session)

    asyncio.run(scenario())
