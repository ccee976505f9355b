"""Operators and Prometheus looking at calls that run: the whole service, a node and an edge on real sockets."""

import asyncio
from pathlib import Path

from support.running_service import running_service
from support.served_node import served_node
from support.served_orchestrator import caller_of

from voice_contract import messages as m
from voice_contract.messages import EndCause


async def test_a_call_is_seen_while_it_runs_and_hung_up(tmp_path: Path) -> None:
    async with served_node() as node, running_service(tmp_path, node.address) as service:
        async with caller_of(service.edges) as caller:
            ended, run_id = await caller.until(m.RunAudioEnd)
            await caller.send(m.PlayoutPosition(played_samples=ended.total_samples), run_id)
            await caller.speak(0.6)
            await caller.speak(0.8, loud=False)
            await caller.until(m.TurnLatency)
            (session,) = (await service.ask.get("/v1/sessions")).json()["sessions"]
            assert (session["profile"], session["inference"], session["turns"]) == ("plain", node.address, 1)
            seen = await service.samples()
            assert seen["voice_sessions_active",] == 1
            assert seen["voice_sessions_started_total", "plain"] == 1
            assert seen["voice_turn_latency_seconds_count", "plain", "total"] == 1
            assert seen["voice_turns_total", "speech", "plain"] == 1
            assert seen["voice_records_open",] == 1
            assert seen["voice_nodes_healthy",] == 1
            assert seen["voice_queue_limit", "caller_sound_ms"] == 500
            assert seen["voice_loop_lag_seconds_count",] > 0
            response = await service.ask.delete(f"/v1/sessions/{session['session_id']}")
            assert response.status_code == 202
            assert (await caller.until(m.CallEnded))[0].cause is EndCause.SHUTDOWN
        async with asyncio.timeout(20):
            while (await service.samples())["voice_sessions_active",]:
                pass
        assert (await service.samples())["voice_sessions_ended_total", "shutdown"] == 1


async def test_a_refusal_is_counted(tmp_path: Path) -> None:
    async with (
        served_node() as node,
        running_service(tmp_path, node.address, sessions=1) as service,
        caller_of(service.edges) as first,
    ):
        await first.until(m.CallAccepted)
        async with caller_of(service.edges) as second:
            assert (await second.until(m.CallEnded))[0].cause is EndCause.REFUSED
        assert (await service.samples())["voice_sessions_refused_total", "capacity_exhausted"] == 1


async def test_a_service_that_drains_is_not_ready_and_still_answers(tmp_path: Path) -> None:
    async with (
        served_node() as node,
        running_service(tmp_path, node.address, drain_s=20.0) as service,
        caller_of(service.edges) as caller,
    ):
        await caller.until(m.CallAccepted)
        assert (await service.ask.get("/readyz")).status_code == 200
        service.stop.set()
        async with asyncio.timeout(20):
            while (await service.ask.get("/readyz")).status_code != 503:
                pass
        assert (await service.ask.get("/v1/health")).json()["accepting"] is False
        assert (await service.samples())["voice_accepting",] == 0
        await caller.send(m.HangUp())
        assert (await caller.until(m.CallEnded))[0].cause is EndCause.CALLER_HUNG_UP
