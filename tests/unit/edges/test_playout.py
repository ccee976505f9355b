"""The agent's side of an edge: what it does with sound and what it reports of it."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import pytest
from support.memory_edge import MemoryEdge
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from voice_contract.messages import (
    Audio,
    Event,
    Heartbeat,
    Payload,
    PlayoutFlush,
    PlayoutPause,
    PlayoutPosition,
    PlayoutResume,
    RunAudioEnd,
)
from voice_contract.sequencing import EventSequencer
from voice_orchestrator.edges.playout import Playout
from voice_orchestrator.edges.speaker import Speaker
from voice_orchestrator.runtime.ports import EdgeGoneError

SECOND = SAMPLE_RATE_HZ
RUN = 4


@dataclass(slots=True, kw_only=True)
class Rig:
    """A playout and the stream it reports to."""

    stream: MemoryEdge
    speaker: Speaker
    playout: Playout
    sequencer: EventSequencer

    async def accept(self, payload: Payload, run_id: int = RUN) -> None:
        event: Event = self.sequencer.make(payload, run_id)
        await self.playout.accept(event)

    async def hear(self, samples: int, run_id: int = RUN) -> None:
        await self.accept(Audio(pcm=bytes(2 * samples), offset_samples=0), run_id)

    async def wait(self, seconds: float) -> None:
        await elapse(seconds)
        await self.playout.tick()

    def reports(self) -> list[tuple[int, int]]:
        """Run and samples of every report."""
        return [
            (sent.run_id, sent.payload.played_samples)
            for sent in self.stream.sent
            if isinstance(sent.payload, PlayoutPosition)
        ]


def with_rig(story: Callable[[Rig], Coroutine[None, None, None]]) -> None:
    """Tells a story on virtual time."""

    async def told() -> None:
        clock = virtual_clock()
        stream, speaker = MemoryEdge(clock), Speaker(None)
        playout = Playout(stream, speaker, clock.now_s)
        sequencer = EventSequencer("test", clock.monotonic_us)
        await story(Rig(stream=stream, speaker=speaker, playout=playout, sequencer=sequencer))

    run_virtual(told())


def test_a_run_is_reported_when_its_last_sample_was_played_and_once() -> None:
    async def story(rig: Rig) -> None:
        await rig.hear(SECOND)
        await rig.accept(RunAudioEnd(total_samples=SECOND))
        await rig.wait(0.99)
        assert rig.reports() == []
        assert not rig.playout.idle
        await rig.wait(0.02)
        assert rig.reports() == [(RUN, SECOND)]
        assert rig.playout.idle
        await rig.wait(5.0)
        assert rig.reports() == [(RUN, SECOND)]

    with_rig(story)


def test_a_run_whose_end_is_told_late_is_reported_at_that_moment() -> None:
    async def story(rig: Rig) -> None:
        await rig.hear(FRAME_SAMPLES)
        await rig.wait(1.0)
        assert rig.reports() == []
        await rig.accept(RunAudioEnd(total_samples=FRAME_SAMPLES))
        assert rig.reports() == [(RUN, FRAME_SAMPLES)]

    with_rig(story)


def test_a_flush_is_answered_at_once_with_what_was_heard() -> None:
    async def story(rig: Rig) -> None:
        await rig.hear(SECOND)
        await rig.accept(RunAudioEnd(total_samples=SECOND))
        await elapse(0.25)
        await rig.accept(PlayoutFlush())
        ((run_id, played),) = rig.reports()
        assert run_id == RUN
        assert played == pytest.approx(SECOND // 4, abs=1)
        await rig.wait(5.0)
        assert len(rig.reports()) == 1

    with_rig(story)


def test_a_flush_at_the_very_end_of_a_run_is_one_report() -> None:
    async def story(rig: Rig) -> None:
        await rig.hear(SECOND)
        await rig.accept(RunAudioEnd(total_samples=SECOND))
        await elapse(1.5)
        await rig.accept(PlayoutFlush())
        await rig.wait(1.0)
        assert rig.reports() == [(RUN, SECOND)]

    with_rig(story)


def test_a_flush_of_a_run_that_never_came_is_answered_with_nothing() -> None:
    async def story(rig: Rig) -> None:
        await rig.accept(PlayoutFlush(), 9)
        assert rig.reports() == [(9, 0)]

    with_rig(story)


def test_a_pause_delays_the_report_by_its_length() -> None:
    async def story(rig: Rig) -> None:
        await rig.hear(SECOND)
        await rig.accept(RunAudioEnd(total_samples=SECOND))
        await elapse(0.5)
        await rig.accept(PlayoutPause())
        await rig.wait(10.0)
        assert rig.reports() == []
        await rig.accept(PlayoutResume())
        await rig.wait(0.49)
        assert rig.reports() == []
        await rig.wait(0.02)
        assert rig.reports() == [(RUN, SECOND)]

    with_rig(story)


def test_runs_that_follow_each_other_are_reported_one_by_one() -> None:
    async def story(rig: Rig) -> None:
        for run_id in (1, 2):
            await rig.hear(SECOND, run_id)
            await rig.accept(RunAudioEnd(total_samples=SECOND), run_id)
        await rig.wait(1.01)
        assert rig.reports() == [(1, SECOND)]
        await rig.wait(1.0)
        assert rig.reports() == [(1, SECOND), (2, SECOND)]

    with_rig(story)


def test_what_is_not_about_sound_is_not_looked_at() -> None:
    async def story(rig: Rig) -> None:
        await rig.accept(Heartbeat(), 0)
        assert rig.stream.sent == []
        assert rig.playout.idle

    with_rig(story)


def test_a_session_that_has_gone_is_told_to_whoever_feeds_the_playout() -> None:
    async def story(rig: Rig) -> None:
        rig.stream.gone = "closed"
        with pytest.raises(EdgeGoneError):
            await rig.accept(PlayoutFlush())

    with_rig(story)


def test_sound_of_a_run_that_was_flushed_is_counted_and_not_heard() -> None:
    async def story(rig: Rig) -> None:
        await rig.hear(SECOND)
        await rig.wait(0.5)
        await rig.accept(PlayoutFlush())
        assert rig.playout.late_samples == 0
        await rig.hear(2 * FRAME_SAMPLES)
        await rig.hear(FRAME_SAMPLES, run_id=RUN - 1)
        await rig.hear(FRAME_SAMPLES, run_id=RUN + 1)
        await rig.wait(1.0)
        assert rig.playout.late_samples == 3 * FRAME_SAMPLES
        assert rig.speaker.played(RUN) == SECOND // 2
        assert rig.speaker.played(RUN + 1) == FRAME_SAMPLES

    with_rig(story)
