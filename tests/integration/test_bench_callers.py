"""Callers of `voice-inference bench` on the real servicer over scripted engines."""

import os

import numpy as np
from support.eventually import eventually
from support.served_node import ServedNode, served_node

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_inference.bench.crowd import level
from voice_inference.bench.findings import LevelTimes
from voice_inference.bench.speech import Speech

LOUD = np.full(8_000, 8_000, dtype=np.int16)
PAUSE = np.zeros(4_000, dtype=np.int16)
SHORT = Speech(source="half a second", clips=(LOUD,))
BROKEN = Speech(source="with a pause", clips=(np.concatenate([LOUD, PAUSE, LOUD]),))


async def measured(node: ServedNode, callers: int, speech: Speech = SHORT) -> LevelTimes:
    return await level(node.address, os.getpid(), callers, 0.2, speech)


async def test_every_caller_speaks_and_is_answered() -> None:
    async with served_node() as node:
        found = await measured(node, 3)
        await eventually(lambda: not node.servicer.sessions)
    assert (found.callers, found.refused, found.unanswered, found.why) == (3, 0, 0, ())
    assert found.answered >= 3
    assert found.p50_ms is not None
    assert found.p95_ms is not None
    # VAD reports a pause after 96 ms of it, in windows of 32 ms.
    assert 90 < found.p50_ms <= found.p95_ms
    assert node.llm.primed >= 3
    assert len(node.end_of_turn.judged) >= 3
    assert node.tts.spoken.count("Yes, of course we are.") == found.answered


async def test_a_pause_inside_a_turn_is_answered_once_at_its_end() -> None:
    async with served_node() as node:
        found = await measured(node, 1, BROKEN)
    assert (found.answered, found.unanswered) == (1, 0)
    assert max(node.stt.heard) >= 2 * len(LOUD) + len(PAUSE), "the turn was not transcribed from its beginning"
    assert len(node.stt.heard) >= 2


async def test_callers_beyond_the_slots_are_refused_with_the_nodes_reason() -> None:
    async with served_node(slots=1) as node:
        found = await measured(node, 3)
    assert (found.refused, found.answered >= 1) == (2, True)
    assert found.why == ("all 1 session slots are taken",)


async def test_turns_that_fail_are_counted_with_their_reason() -> None:
    async with served_node() as node:
        node.stt.error = VoiceAgentError(Failure(stage=Stage.STT, reason=FailureReason.OVERLOADED))
        found = await measured(node, 1)
    assert (found.answered, found.p95_ms) == (0, None)
    assert found.unanswered >= 1
    assert found.why == ("stt: overloaded",)


async def test_a_node_that_is_lost_is_a_reason_and_no_crash() -> None:
    async with served_node() as node:
        node.servicer.draining = True
        found = await measured(node, 2)
    assert (found.refused, found.answered) == (2, 0)
    assert found.why == ("the node is shutting down",)


async def test_a_node_without_a_judge_of_pauses_serves_too() -> None:
    async with served_node(scores=False) as node:
        found = await measured(node, 1)
        assert found.answered == 1
        assert node.end_of_turn.judged == []


async def test_without_a_node_everybody_is_refused() -> None:
    found = await level("127.0.0.1:1", os.getpid(), 2, 0.2, SHORT)
    assert (found.refused, found.answered, len(found.why)) == (2, 0, 1)
