"""Scores of pauses over real sockets, and what waits for what before the engines that hear."""

import asyncio
from dataclasses import replace

from support.eventually import eventually
from support.served_node import CONFIGURE, ServedNode, served_node, session_with

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.grpc_inference import GrpcStream, describe


def score(start: int, end: int, revision: int = 1, utterance_id: int = 1) -> m.ScoreEndOfTurn:
    return m.ScoreEndOfTurn(
        utterance_id=utterance_id, revision=revision, start_offset_samples=start, end_offset_samples=end
    )


def words(end: int, utterance_id: int, kind: m.TranscribeKind = m.TranscribeKind.FINAL) -> m.Transcribe:
    return m.Transcribe(
        utterance_id=utterance_id, revision=1, kind=kind, start_offset_samples=0, end_offset_samples=end
    )


async def scores_end_of_turn(node: ServedNode) -> bool:
    """What the node says of itself when it takes a session, and in its description."""
    stream = GrpcStream(node.address, "another-session", SessionClock())
    try:
        await stream.send(CONFIGURE)
        ready = (await stream.receive()).payload
    finally:
        await stream.close()
    assert isinstance(ready, m.SessionReady)
    described = {engine.stage for engine in (await describe(node.address, 2.0)).engines}
    assert ready.scores_end_of_turn == (Stage.END_OF_TURN in described)
    return ready.scores_end_of_turn


async def test_a_pause_is_scored_from_the_sound_of_its_turn() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        await session.send(score(1_600, 9_600))
        scored, run_id = await session.until(m.EndOfTurnScored)
        assert node.end_of_turn.judged == [8_000]
    assert (scored.utterance_id, scored.revision, scored.probability, run_id) == (1, 1, 0.75, 0)


async def test_a_newer_score_supersedes_the_older() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        node.end_of_turn.gate.clear()
        await session.send(score(0, 8_000))
        await asyncio.to_thread(node.end_of_turn.began.wait, 5.0)
        await session.send(score(0, 16_000, revision=2))
        scored, _ = await session.until(m.EndOfTurnScored)
        assert scored.revision == 2
        await session.send(score(0, 16_000, revision=1))
        refused, _ = await session.until(Failure)
    assert (refused.reason, refused.stage) == (FailureReason.INVALID_MESSAGE, Stage.END_OF_TURN)
    assert refused.utterance_id == 1
    assert refused.detail == "score_end_of_turn.revision: 1 does not follow 2"


async def test_a_cancelled_score_is_never_answered() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        node.end_of_turn.gate.clear()
        await session.send(score(0, 8_000))
        await asyncio.to_thread(node.end_of_turn.began.wait, 5.0)
        await session.send(m.CancelTranscription(utterance_id=1))
        await session.send(score(0, 8_000, utterance_id=2))
        scored, _ = await session.until(m.EndOfTurnScored)
    assert scored.utterance_id == 2


async def test_a_score_does_not_wait_for_words() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        node.stt.gate.clear()
        await session.send(words(8_000, utterance_id=1))
        await session.send(score(0, 8_000))
        await session.until(m.EndOfTurnScored)
        assert node.stt.heard == []


async def test_a_failed_score_names_its_utterance() -> None:
    async with served_node() as node, session_with(node) as session:
        node.end_of_turn.error = RuntimeError("engine broke")
        await session.speak(1.0)
        await session.send(score(0, 8_000, utterance_id=7))
        failure, _ = await session.until(Failure)
    assert (failure.stage, failure.reason, failure.utterance_id) == (Stage.END_OF_TURN, FailureReason.ENGINE_ERROR, 7)


async def test_a_node_with_the_engine_says_so() -> None:
    async with served_node() as node:
        assert await scores_end_of_turn(node)


async def test_a_node_without_the_engine_says_so_before_and_when_asked() -> None:
    async with served_node(scores=False) as node:
        assert not await scores_end_of_turn(node)
        async with session_with(node) as session:
            await session.speak(1.0)
            await session.send(score(0, 8_000, utterance_id=4))
            failure, _ = await session.until(Failure)
    assert (failure.stage, failure.reason, failure.utterance_id) == (Stage.END_OF_TURN, FailureReason.ENGINE_ERROR, 4)
    assert "no end_of_turn engine" in failure.detail


async def test_final_words_go_before_partial_ones_of_every_session_that_wait() -> None:
    async with served_node() as node, session_with(node) as first, session_with(node) as second:
        await first.speak(1.0)
        await second.speak(1.0)
        node.stt.gate.clear()
        await first.send(words(1_600, utterance_id=1))
        await asyncio.to_thread(node.stt.began.wait, 5.0)
        await first.send(words(3_200, 2, m.TranscribeKind.PARTIAL))
        await second.send(words(4_800, 2, m.TranscribeKind.PARTIAL))
        await first.send(words(6_400, utterance_id=3))
        await second.send(words(8_000, utterance_id=3))
        assert node.servicer.pipeline is not None
        lane = node.servicer.pipeline.stt_lane
        await eventually(lambda: lane.depth == 4)
        node.stt.gate.set()
        for session in (first, second):
            while (await session.until(m.Transcript))[0].utterance_id != 2:
                pass
    assert node.stt.heard[0] == 1_600
    assert set(node.stt.heard[1:3]) == {6_400, 8_000}
    assert set(node.stt.heard[3:]) == {3_200, 4_800}


async def test_final_words_take_the_place_of_partial_ones_of_their_turn_at_once() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        node.stt.gate.clear()
        await session.send(words(3_200, 1, m.TranscribeKind.PARTIAL))
        await asyncio.to_thread(node.stt.began.wait, 5.0)
        await session.send(replace(words(8_000, 1), revision=2))
        heard, _ = await session.until(m.Transcript)
    assert (heard.kind, heard.revision) == (m.TranscriptKind.FINAL, 2)
    assert node.stt.heard == [8_000]
