"""What Edge.Call promises, over real sockets: a call, its refusals, its ends."""

import asyncio
import gc
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.eventually import eventually
from support.served_node import served_node
from support.served_orchestrator import Caller, ServedOrchestrator, caller_of, served_orchestrator

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import AudioEncoding, AudioFormat, EndCause, Phase
from voice_orchestrator.runtime.grpc_inference import GrpcStream
from voice_orchestrator.runtime.ports import EdgeGoneError

MULAW = AudioFormat(encoding=AudioEncoding.MULAW, sample_rate_hz=8_000)


async def greeted(caller: Caller) -> None:
    """Until the greeting was heard to its end and acknowledged."""
    ended, run_id = await caller.until(m.RunAudioEnd)
    await caller.send(m.PlayoutPosition(played_samples=ended.total_samples), run_id)


async def ended(caller: Caller) -> m.CallEnded:
    return (await caller.until(m.CallEnded))[0]


async def gone(orchestrator: ServedOrchestrator) -> None:
    """Until no session is left."""
    await eventually(lambda: not orchestrator.host.sessions() and not orchestrator.host.admission.taken)


async def test_a_call_that_is_over_leaves_no_stream_for_the_collector(tmp_path: Path) -> None:
    """Its connection would stay open, and nothing allocates in a process without calls."""
    async with served_node() as node, served_orchestrator(tmp_path, (node.address,)) as orchestrator:
        gc.collect()
        gc.disable()
        try:
            async with caller_of(orchestrator.address) as caller:
                await greeted(caller)
                await caller.speak(0.2)
                await caller.send(m.HangUp())
                await ended(caller)
                await gone(orchestrator)
            await eventually(lambda: not any(isinstance(found, GrpcStream) for found in gc.get_objects()))
        finally:
            gc.enable()


@pytest.mark.parametrize("format_", [AudioFormat(), MULAW])
async def test_a_caller_is_greeted_understood_and_answered(tmp_path: Path, format_: AudioFormat) -> None:
    async with (
        served_node() as node,
        served_orchestrator(tmp_path, (node.address,)) as orchestrator,
        caller_of(orchestrator.address, format_=format_) as caller,
    ):
        accepted = (await caller.until(m.CallAccepted))[0]
        assert (accepted.caller_format, accepted.agent_format) == (format_, format_)
        await greeted(caller)
        live = orchestrator.host.sessions()
        assert [(each.profile, each.inference, each.peer) for each in live] == [("plain", node.address, "127.0.0.1")]
        await caller.speak(0.6)
        await caller.speak(0.6, loud=False)
        assert await final_words(caller) == node.stt.text
        await greeted(caller)
        assert caller.all(m.SegmentMark)
        assert [each.total_ms for each in caller.all(m.TurnLatency)] != []
        assert len({(each.session_id) for each in caller.seen}) == 1
        await caller.send(m.HangUp())
        assert (await ended(caller)).cause is EndCause.CALLER_HUNG_UP
        await gone(orchestrator)
    (folder,) = orchestrator.data.iterdir()
    assert (folder / "journal.jsonl").stat().st_size > 1_000


async def final_words(caller: Caller) -> str:
    """The caller's words as they are told in the end."""
    while True:
        words, _ = await caller.until(m.Transcript)
        if words.speaker is m.Speaker.CALLER and words.kind is m.TranscriptKind.FINAL:
            return words.text


async def test_an_unknown_profile_is_refused_by_name_and_not_to_be_tried_again(tmp_path: Path) -> None:
    async with (
        served_node() as node,
        served_orchestrator(tmp_path, (node.address,)) as orchestrator,
        caller_of(orchestrator.address, profile="../plain") as caller,
    ):
        refused = await ended(caller)
        assert refused.cause is EndCause.REFUSED
        assert refused.failure is not None
        assert refused.failure.reason is FailureReason.PROFILE_INVALID
        assert refused.retry_after_ms is None


async def test_the_limit_is_exact_and_says_when_to_try_again(tmp_path: Path) -> None:
    async with (
        served_node(slots=9) as node,
        served_orchestrator(tmp_path, (node.address,), slots=2) as orchestrator,
        caller_of(orchestrator.address) as first,
        caller_of(orchestrator.address) as second,
    ):
        await first.until(m.CallAccepted)
        await second.until(m.CallAccepted)
        async with caller_of(orchestrator.address) as third:
            refused = await ended(third)
            assert refused.failure is not None
            assert refused.failure.reason is FailureReason.CAPACITY_EXHAUSTED
            assert refused.retry_after_ms is not None
        await second.send(m.HangUp())
        await ended(second)
        await eventually(lambda: orchestrator.host.admission.taken == 1)
        async with caller_of(orchestrator.address) as fourth:
            await fourth.until(m.CallAccepted)


async def test_a_call_is_refused_for_the_nodes_too(tmp_path: Path) -> None:
    async with (
        served_node(slots=1) as node,
        served_orchestrator(tmp_path, (node.address,)) as orchestrator,
        caller_of(orchestrator.address) as first,
    ):
        await first.until(m.PhaseChanged)
        async with caller_of(orchestrator.address) as second:
            refused = await ended(second)
            assert refused.failure is not None
            assert refused.failure.reason is FailureReason.CAPACITY_EXHAUSTED


async def test_without_a_node_a_call_is_refused_at_once(tmp_path: Path) -> None:
    async with (
        served_orchestrator(tmp_path, ("127.0.0.1:1",)) as orchestrator,
        caller_of(orchestrator.address) as caller,
    ):
        refused = await ended(caller)
        assert refused.failure is not None
        assert refused.failure.reason is FailureReason.INFERENCE_LOST
        assert not orchestrator.host.accepting


async def test_an_edge_that_goes_without_a_word_ends_its_session(tmp_path: Path) -> None:
    async with served_node() as node, served_orchestrator(tmp_path, (node.address,)) as orchestrator:
        async with caller_of(orchestrator.address) as caller:
            await greeted(caller)
        await gone(orchestrator)
        (folder,) = orchestrator.data.iterdir()
        assert "EdgeLost" in (folder / "journal.jsonl").read_text()


async def test_an_edge_that_says_nothing_is_cut(tmp_path: Path) -> None:
    async with (
        served_node() as node,
        served_orchestrator(tmp_path, (node.address,)) as orchestrator,
        caller_of(orchestrator.address, opens=False) as caller,
    ):
        with pytest.raises(EdgeGoneError, match=r"closed the stream|sent nothing"):
            await caller.until(m.CallAccepted)
        assert orchestrator.host.admission.taken == 0


async def test_an_edge_that_breaks_the_contract_is_told_and_cut(tmp_path: Path) -> None:
    async with (
        served_node() as node,
        served_orchestrator(tmp_path, (node.address,)) as orchestrator,
        caller_of(orchestrator.address) as caller,
    ):
        await greeted(caller)
        await caller.send(m.Audio(pcm=b"abc", offset_samples=0))
        failure = (await caller.until(Failure))[0]
        assert failure.reason is FailureReason.INVALID_MESSAGE
        await gone(orchestrator)


async def test_a_drain_lets_calls_finish_takes_no_new_ones_and_ends_the_rest(tmp_path: Path) -> None:
    async with (
        served_node() as node,
        served_orchestrator(tmp_path, (node.address,)) as orchestrator,
        caller_of(orchestrator.address) as staying,
    ):
        await greeted(staying)
        draining = asyncio.create_task(orchestrator.host.drain(0.5))
        await asyncio.sleep(0)
        async with caller_of(orchestrator.address) as late:
            refused = await ended(late)
            assert refused.failure is not None
            assert refused.failure.reason is FailureReason.DRAINING
        assert (await ended(staying)).cause is EndCause.SHUTDOWN
        assert await draining == 1


async def test_an_operator_hangs_up(tmp_path: Path) -> None:
    async with (
        served_node() as node,
        served_orchestrator(tmp_path, (node.address,)) as orchestrator,
        caller_of(orchestrator.address) as caller,
    ):
        await greeted(caller)
        (live,) = orchestrator.host.sessions()
        assert orchestrator.host.find(live.session_id) is not None
        assert live.phase in (Phase.ACTIVE, Phase.RESPONDING)
        assert not orchestrator.host.hang_up("nobody")
        assert orchestrator.host.hang_up(live.session_id)
        assert (await ended(caller)).cause is EndCause.SHUTDOWN
        await gone(orchestrator)


async def test_health_follows_what_the_server_says(tmp_path: Path) -> None:
    async with (
        served_node() as node,
        served_orchestrator(tmp_path, (node.address,)) as orchestrator,
        grpc.aio.insecure_channel(orchestrator.address) as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="voice_agent.v1.Edge")
        assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await orchestrator.server.set_serving(True)
        assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
