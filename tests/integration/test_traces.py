"""Traces of calls on real sockets: the whole service, a node, an edge, and a receiver that may not be there."""

from collections import Counter
from pathlib import Path

import pytest
from support.otlp_receiver import otlp_receiver
from support.running_service import running_service
from support.served_node import served_node
from support.served_orchestrator import Caller, caller_of

from voice_contract import messages as m
from voice_contract.messages import EndCause

NOBODY = "127.0.0.1:1"


async def heard(caller: Caller) -> None:
    """What the agent says is heard to its end."""
    ended, run_id = await caller.until(m.RunAudioEnd)
    await caller.send(m.PlayoutPosition(played_samples=ended.total_samples), run_id)
    await caller.until(m.RunHeard)


async def whole_call(address: str) -> tuple[Caller, m.TurnLatency]:
    """A caller is greeted, asks, is answered and hangs up."""
    async with caller_of(address) as caller:
        await heard(caller)
        await caller.speak(0.6)
        await caller.speak(0.6, loud=False)
        latency, _ = await caller.until(m.TurnLatency)
        await heard(caller)
        await caller.send(m.HangUp())
        assert (await caller.until(m.CallEnded))[0].cause is EndCause.CALLER_HUNG_UP
        return caller, latency


async def test_the_turn_of_a_call_arrives_complete_when_the_service_ends(tmp_path: Path) -> None:
    async with otlp_receiver() as (receiver, address):
        async with (
            served_node() as node,
            running_service(tmp_path, node.address, traces=f"http://{address}") as service,
        ):
            caller, latency = await whole_call(service.edges)
        greeting, turn = receiver.traces()
    session_id = caller.seen[0].session_id
    assert greeting.attributes["voice_agent.run.kind"] == "greeting"
    assert greeting.names() == ["text_to_speech", "playout"]
    assert turn.name == "invoke_agent plain"
    assert turn.attributes["gen_ai.conversation.id"] == session_id
    assert turn.attributes["gen_ai.agent.invocation.end_reason"] == "completed"
    assert turn.attributes["voice_agent.latency.total_ms"] == latency.total_ms
    in_call = Counter(turn.names())
    assert in_call.keys() == {
        "caller_speech", "endpointing", "speech_to_text", "end_of_turn", "chat", "text_to_speech", "playout",
    }  # fmt: skip
    assert in_call["chat"] == in_call["playout"] == 1
    assert turn.find("chat").attributes["server.port"] == int(node.address.rpartition(":")[2])
    silence = turn.find("playout").span.start_time_unix_nano - turn.find("caller_speech").span.end_time_unix_nano
    assert silence == latency.total_ms * 1_000_000
    assert node.stt.text not in repr(receiver.spans)


@pytest.mark.parametrize("there", [False, True], ids=["gone", "silent"])
async def test_a_receiver_that_takes_nothing_changes_no_call(tmp_path: Path, there: bool) -> None:
    async with otlp_receiver() as (receiver, address):
        receiver.answers.clear()
        async with (
            served_node() as node,
            running_service(tmp_path, node.address, traces=address if there else NOBODY) as service,
        ):
            await whole_call(service.edges)
            seen = await service.samples()
            assert seen["voice_sessions_ended_total", "caller_hung_up"] == 1
            assert seen["voice_trace_spans_total", "exported"] == 0
        assert receiver.spans == []


async def test_without_the_option_there_is_nothing_of_it(tmp_path: Path) -> None:
    async with served_node() as node, running_service(tmp_path, node.address) as service:
        assert not any(name.startswith("voice_trace") for name, *_ in await service.samples())
