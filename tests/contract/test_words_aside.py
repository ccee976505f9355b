"""Words for display over real sockets: what they make way for, and what is expected of the words that follow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from support.eventually import WAIT_S, eventually
from support.served_node import ServedNode, Session, served_node, session_with

from voice_contract import messages as m
from voice_contract.failures import Failure, Stage
from voice_inference import core_turns
from voice_inference.clock import monotonic_us
from voice_inference.server.pipeline import Pipeline

PARTIAL, FINAL = m.TranscribeKind.PARTIAL, m.TranscribeKind.FINAL


def words(
    kind: m.TranscribeKind, end: int, *, start: int = 0, utterance_id: int = 1, revision: int = 1
) -> m.Transcribe:
    return m.Transcribe(
        utterance_id=utterance_id,
        revision=revision,
        kind=kind,
        start_offset_samples=start,
        end_offset_samples=end,
    )


async def begun(node: ServedNode) -> None:
    """Returns when a transcription is being made."""
    assert await asyncio.to_thread(node.stt.began.wait, WAIT_S)
    node.stt.began.clear()


def pipeline_of(node: ServedNode) -> Pipeline:
    assert node.servicer.pipeline is not None
    return node.servicer.pipeline


# --- what words for display make way for


@pytest.mark.parametrize("same_session", [True, False])
async def test_words_for_display_make_way_for_final_ones_of_any_session_and_are_made_again(
    *, same_session: bool
) -> None:
    async with served_node() as node, session_with(node) as first, session_with(node) as second:
        asking = first if same_session else second
        await first.speak(1.0)
        await second.speak(1.0)
        node.stt.gate.clear()
        await first.send(words(PARTIAL, 3_200, utterance_id=1))
        await begun(node)
        # Nobody opens the gate: only what is cancelled comes through it, and what follows.
        await asking.send(words(FINAL, 8_000, utterance_id=2))
        final, _ = await asking.until(m.Transcript)
        partial, _ = await first.until(m.Transcript)
    assert (final.kind, final.utterance_id) == (m.TranscriptKind.FINAL, 2)
    assert (partial.kind, partial.utterance_id, partial.end_offset_samples) == (m.TranscriptKind.PARTIAL, 1, 3_200)
    assert node.stt.heard == [8_000, 3_200]
    assert not pipeline_of(node).aside


async def test_final_words_make_way_for_nothing() -> None:
    async with served_node() as node, session_with(node) as first, session_with(node) as second:
        await first.speak(1.0)
        await second.speak(1.0)
        node.stt.gate.clear()
        await first.send(words(FINAL, 3_200))
        await begun(node)
        await second.send(words(FINAL, 8_000))
        await eventually(lambda: pipeline_of(node).stt_lane.depth == 1)
        assert not node.stt.gate.is_set(), "the first one was cancelled"
        node.stt.gate.set()
        await second.until(m.Transcript)
    assert node.stt.heard == [3_200, 8_000]


async def test_words_for_display_that_are_given_up_are_not_made_again() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        node.stt.gate.clear()
        await session.send(words(PARTIAL, 3_200, utterance_id=1))
        await begun(node)
        await session.send(m.CancelTranscription(utterance_id=1))
        await session.send(words(PARTIAL, 8_000, utterance_id=2))
        partial, _ = await session.until(m.Transcript)
        assert not pipeline_of(node).aside
    assert partial.utterance_id == 2
    assert node.stt.heard == [8_000]


async def test_words_for_display_that_fail_are_not_made_again() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        node.stt.error = RuntimeError("engine broke")
        await session.send(words(PARTIAL, 3_200, utterance_id=7))
        failure, _ = await session.until(Failure)
        assert not pipeline_of(node).aside
    assert (failure.stage, failure.utterance_id) == (Stage.STT, 7)
    assert node.stt.heard == [3_200]


@asynccontextmanager
async def shared_cores(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[ServedNode, Session]]:
    """A node whose transcriptions and judgements want the same two cores, and a session with a second of sound."""
    monkeypatch.setattr(core_turns, "WAIT_S_MAX", WAIT_S)
    async with served_node() as node:
        node.servicer.pipeline = replace(pipeline_of(node), threads={Stage.STT: 2, Stage.END_OF_TURN: 2})
        async with session_with(node) as session:
            await session.speak(1.0)
            yield node, session


async def judging(node: ServedNode, session: Session) -> None:
    """Has a pause judged; returns when the judgement holds the cores, until its gate is opened."""
    node.end_of_turn.gate.clear()
    await session.send(m.ScoreEndOfTurn(utterance_id=1, revision=1, start_offset_samples=0, end_offset_samples=8_000))
    assert await asyncio.to_thread(node.end_of_turn.began.wait, WAIT_S)


async def test_words_for_display_make_way_for_the_judgement_of_a_pause_on_the_same_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with shared_cores(monkeypatch) as (node, session):
        node.stt.gate.clear()
        await session.send(words(PARTIAL, 3_200))
        await begun(node)
        await judging(node, session)
        await eventually(lambda: pipeline_of(node).stt_lane.busy == 1)
        assert node.stt.heard == [], "it waits for its turn"
        node.end_of_turn.gate.set()
        await session.until(m.EndOfTurnScored)
        partial, _ = await session.until(m.Transcript)
    assert partial.kind is m.TranscriptKind.PARTIAL
    assert node.stt.heard == [3_200]


@pytest.mark.parametrize("kind", [PARTIAL, FINAL])
async def test_a_wait_for_the_cores_is_told_as_a_wait(monkeypatch: pytest.MonkeyPatch, kind: m.TranscribeKind) -> None:
    async with shared_cores(monkeypatch) as (node, session):
        await judging(node, session)
        await session.send(words(kind, 3_200))
        await eventually(lambda: pipeline_of(node).stt_lane.busy == 1)
        waits_us = monotonic_us()
        for revision in range(5):  # some milliseconds
            said = (m.ChatMessage(role=m.ChatRole.USER, text="Are you open?"),)
            await session.send(m.ScoreWords(utterance_id=1, revision=revision + 1, messages=said))
            await session.until(m.WordsScored)
        waited_us = monotonic_us() - waits_us
        node.end_of_turn.gate.set()
        transcript, _ = await session.until(m.Transcript)
    assert transcript.timing.queued_us >= waited_us


async def test_what_was_made_in_vain_is_told_as_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shared_cores(monkeypatch) as (node, session):
        node.stt.gate.clear()
        await session.send(words(PARTIAL, 3_200))
        await begun(node)
        began_us = monotonic_us()
        await judging(node, session)
        made_in_vain_us = monotonic_us() - began_us
        node.end_of_turn.gate.set()
        partial, _ = await session.until(m.Transcript)
    assert partial.timing.queued_us >= made_in_vain_us


# --- what is expected


async def heard(session: Session, node: ServedNode, asked: m.Transcribe, text: str) -> str:
    """Has `asked` answered with `text`; what the engine was told to expect."""
    node.stt.text = text
    await session.send(asked)
    answer, _ = await session.until(m.Transcript)
    assert (answer.text, answer.utterance_id, answer.revision) == (text, asked.utterance_id, asked.revision)
    return node.stt.expected[-1]


async def test_what_was_heard_last_is_expected_of_sound_that_begins_where_that_began() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        assert await heard(session, node, words(PARTIAL, 3_200), "are you") == ""
        assert await heard(session, node, words(PARTIAL, 6_400, revision=2), "are you open") == "are you"
        assert await heard(session, node, words(FINAL, 8_000, revision=3), "are you open today") == "are you open"
        # An utterance that goes on is another one from the same place.
        assert await heard(session, node, words(FINAL, 9_600, utterance_id=2), "today or") == "are you open today"


async def test_nothing_is_expected_of_sound_that_begins_elsewhere() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        assert await heard(session, node, words(FINAL, 8_000, start=1_600), "are you open") == ""
        assert await heard(session, node, words(PARTIAL, 9_600, start=3_200, utterance_id=2), "today") == ""
        # Only what was heard last counts.
        assert await heard(session, node, words(FINAL, 9_600, start=1_600, utterance_id=3), "well") == ""


async def test_nothing_is_expected_of_one_caller_that_another_said() -> None:
    async with served_node() as node, session_with(node) as first, session_with(node) as second:
        await first.speak(1.0)
        await second.speak(1.0)
        assert await heard(first, node, words(FINAL, 8_000), "are you open") == ""
        assert await heard(second, node, words(FINAL, 8_000), "my name is Anna") == ""


async def test_words_that_were_given_up_or_failed_are_not_expected() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        assert await heard(session, node, words(PARTIAL, 3_200), "are you") == ""
        node.stt.text = "something else"
        node.stt.gate.clear()
        node.stt.began.clear()
        await session.send(words(PARTIAL, 4_800, utterance_id=2))
        await begun(node)
        await session.send(m.CancelTranscription(utterance_id=2))
        node.stt.error = RuntimeError("engine broke")
        await session.send(words(FINAL, 6_400, utterance_id=3))
        await session.until(Failure)
        assert node.stt.heard == [3_200, 6_400]
        node.stt.error = None
        assert await heard(session, node, words(FINAL, 8_000, utterance_id=4), "are you open") == "are you"
