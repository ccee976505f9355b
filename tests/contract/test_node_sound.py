"""What a node does with the caller's sound when something is wrong with itself, over real sockets."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from support.scripted_engines import LoudnessVad
from support.served_node import CONFIGURE, ServedNode, Session, served_node, session_with

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage
from voice_inference.engines.base import FloatSamples
from voice_inference.server import converse
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.grpc_inference import open_stream
from voice_orchestrator.runtime.ports import StreamLostError

FRAME_SAMPLES = 320
FRAME_US = 20_000
LOUD = (6_000).to_bytes(2, "little", signed=True) * FRAME_SAMPLES
WINDOW_SAMPLES = LoudnessVad.window_samples


class ToldClock(SessionClock):
    """An orchestrator's clock that says what a test says."""

    at_us = 3_600_000_000

    def monotonic_us(self) -> int:
        return self.at_us


@dataclass(slots=True)
class Speaker:
    """Sends speech in frames that say when they were sent; `node_us` holds the clock of the node that gets them."""

    session: Session
    clock: ToldClock
    node_us: list[int]
    frames: int = 0

    async def say(self, count: int, *, every_us: int = FRAME_US, stood_us: int = 0) -> None:
        """The next frames; the node gets to all of them `stood_us` after the last was sent. Returns when it has."""
        self.node_us[0] = self.clock.at_us + count * every_us + stood_us
        for _ in range(count):
            self.clock.at_us += every_us
            await self.session.send(m.Audio(pcm=LOUD, offset_samples=self.frames * FRAME_SAMPLES))
            self.frames += 1
        await self.session.send(m.CancelRun(), 1)
        await self.session.until(m.RunStopped)

    async def noticed(self, count: int) -> list[m.SpeechStarted | m.SpeechEnded]:
        """The first onsets and ends of speech that the node told."""
        seen = self.session.seen
        while True:
            found = [each.payload for each in seen if isinstance(each.payload, m.SpeechStarted | m.SpeechEnded)]
            if len(found) >= count:
                return found
            seen.append(await self.session.stream.receive())


@asynccontextmanager
async def speaker_to(node: ServedNode, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Speaker]:
    """The way of the stream's first event is longer than that of any sound: what comes after is not late by it."""
    clock = ToldClock()
    node_us = [clock.at_us + 2_000_000]
    monkeypatch.setattr(converse, "monotonic_us", lambda: node_us[0])
    stream = await open_stream(node.address, "s", CONFIGURE, clock)
    try:
        yield Speaker(Session(stream), clock, node_us)
    finally:
        await stream.close()


def dropped_ms(node: ServedNode) -> int:
    dropped_s = node.metrics.registry.get_sample_value("voice_inference_sound_dropped_seconds_total")
    assert dropped_s is not None
    return round(dropped_s * 1_000)


async def test_sound_older_than_half_a_second_is_dropped_and_the_rest_stays_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with served_node() as node, speaker_to(node, monkeypatch) as speaker:
        await speaker.say(50)
        assert dropped_ms(node) == 0
        await speaker.say(50)  # the node stood still: a second of sound lay in its sockets
        assert dropped_ms(node) == 480
        match await speaker.noticed(3):
            case [m.SpeechStarted() as first, m.SpeechEnded() as ended, m.SpeechStarted() as second]:
                assert first.start_offset_samples == 0
                assert abs(ended.end_offset_samples - 50 * FRAME_SAMPLES) <= WINDOW_SAMPLES
                assert abs(second.start_offset_samples - 74 * FRAME_SAMPLES) <= WINDOW_SAMPLES
            case other:
                pytest.fail(f"{other}")


async def test_sound_that_is_sent_again_is_heard_however_old_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served_node() as node, speaker_to(node, monkeypatch) as speaker:
        await speaker.say(500, every_us=2_000, stood_us=800_000)
        assert dropped_ms(node) == 0
        await speaker.say(50)
        assert dropped_ms(node) == 0


class BrokenVad(LoudnessVad):
    """Fails from the first window on."""

    def score(
        self, windows: FloatSamples, states: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        raise RuntimeError("no such tensor")


async def test_a_session_whose_voice_activity_detection_breaks_is_given_up() -> None:
    async with served_node(vad=BrokenVad()) as node, session_with(node) as session:
        await session.speak(0.1)
        failure, run_id = await session.until(Failure)
        assert (failure.stage, failure.reason, failure.utterance_id, run_id) == (
            Stage.VAD, FailureReason.ENGINE_ERROR, 0, 0,
        )  # fmt: skip
        with pytest.raises(StreamLostError):
            await session.until(Failure)
        assert await node.servicer.wait_idle(2.0)
        labels = {"stage": "vad", "reason": "engine_error"}
        assert node.metrics.registry.get_sample_value("voice_inference_failures_total", labels) == 1
        assert "no such tensor" not in failure.detail


@pytest.mark.parametrize("request_of", [m.Transcribe, m.ScoreEndOfTurn])
async def test_a_refused_request_names_its_utterance_and_the_session_goes_on(
    request_of: type[m.Transcribe | m.ScoreEndOfTurn],
) -> None:
    where = {"utterance_id": 7, "start_offset_samples": 0, "end_offset_samples": 8_000}
    kind = {"kind": m.TranscribeKind.FINAL} if request_of is m.Transcribe else {}
    async with served_node() as node, session_with(node) as session:
        await session.speak(1.0)
        for _ in range(2):
            await session.send(request_of(revision=2, **where, **kind))  # type: ignore[arg-type]
        failure, _ = await session.until(Failure)
        assert (failure.reason, failure.utterance_id) == (FailureReason.INVALID_MESSAGE, 7)
        assert "2 does not follow 2" in failure.detail
        await session.send(request_of(revision=3, **where, **kind))  # type: ignore[arg-type]
        await session.until(m.Transcript if request_of is m.Transcribe else m.EndOfTurnScored)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((1_600, 4_800), (1_600, 4_800)),
        ((1_600, 0), (1_600, 8_000)),
        ((1_600, 160_000), (1_600, 8_000)),
        ((16_000, 0), (16_000, 16_000)),
        ((16_000, 32_000), (16_000, 16_000)),
    ],
)
async def test_a_transcript_tells_the_sound_it_was_made_of(asked: tuple[int, int], told: tuple[int, int]) -> None:
    request = m.Transcribe(
        utterance_id=1,
        revision=1,
        kind=m.TranscribeKind.FINAL,
        start_offset_samples=asked[0],
        end_offset_samples=asked[1],
    )
    async with served_node() as node, session_with(node) as session:
        await session.speak(0.5)
        await session.send(request)
        words, _ = await session.until(m.Transcript)
        assert (words.start_offset_samples, words.end_offset_samples) == told
        assert node.stt.heard == [told[1] - told[0]]
