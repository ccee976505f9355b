"""What leaves for the edge, in which order and at which pace."""

import asyncio

import pytest
from support.mailbox_events import take_all
from support.pump_rig import Rig, with_rig
from support.virtual_time import elapse

from voice_contract.audio import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ
from voice_contract.messages import (
    Audio,
    CallEnded,
    EndCause,
    Heartbeat,
    Phase,
    PhaseChanged,
    PlayoutPause,
    RunAudioEnd,
    SegmentMark,
)
from voice_orchestrator.runtime.send_pump import CONTROL_EVENTS_MAX, LEAD_S
from voice_orchestrator.session import events

FRAME_S = FRAME_MS / 1_000
SPOKE = PhaseChanged(from_phase=Phase.ACTIVE, to_phase=Phase.RESPONDING)
ENDED = CallEnded(cause=EndCause.SHUTDOWN)
SLACK_S = 0.001


def test_the_first_frame_leaves_at_once_and_the_others_at_the_pace_of_speech() -> None:
    async def story(rig: Rig) -> None:
        await elapse(1.0)
        rig.speak(100)
        await elapse(3.0)
        times = rig.times()
        assert len(times) == 100
        assert times[0] == pytest.approx(1.0)
        for index, at_s in enumerate(times):
            heard_at_s = 1.0 + index * FRAME_S
            assert at_s == pytest.approx(max(1.0, heard_at_s - LEAD_S), abs=SLACK_S)
        assert LEAD_S <= 0.040

    with_rig(story)


def test_frames_that_had_to_wait_for_sound_are_not_caught_up_in_a_burst() -> None:
    async def story(rig: Rig) -> None:
        rig.speak(2)
        await elapse(1.0)
        rig.speak(10)
        await elapse(1.0)
        late = rig.times()[2:]
        assert late[0] == pytest.approx(1.0)
        assert late[-1] == pytest.approx(1.0 + 9 * FRAME_S - LEAD_S, abs=SLACK_S)

    with_rig(story)


def test_control_leaves_before_sound_that_was_ready_earlier() -> None:
    async def story(rig: Rig) -> None:
        rig.speak(3)
        rig.pump.put(SPOKE)
        rig.pump.put(Heartbeat())
        await elapse(0)
        assert rig.edge.names()[:3] == ["PhaseChanged", "Heartbeat", "Audio"]

    with_rig(story)


def test_control_overtakes_frames_that_wait_for_a_slow_edge() -> None:
    async def story(rig: Rig) -> None:
        rig.edge.taking.clear()
        rig.speak(3)
        await elapse(0.01)
        rig.pump.put(SPOKE)
        rig.edge.taking.set()
        await elapse(1.0)
        assert rig.edge.names() == ["Audio", "PhaseChanged", "Audio", "Audio"]

    with_rig(story)


def test_control_does_not_wait_for_the_time_of_the_next_frame() -> None:
    async def story(rig: Rig) -> None:
        rig.speak(50)
        await elapse(0.205)
        rig.pump.put(SPOKE)
        await elapse(0)
        assert rig.edge.sent[-1].payload == SPOKE
        assert rig.edge.sent[-1].at_s == pytest.approx(0.205)

    with_rig(story)


def test_a_pause_stops_frames_at_once_and_sound_goes_on_at_the_next_sample() -> None:
    async def story(rig: Rig) -> None:
        rig.speak(50)
        await elapse(0.3)
        before = len(rig.edge.frames())
        rig.pause()
        await elapse(2.0)
        assert len(rig.edge.frames()) == before
        assert isinstance(rig.edge.sent[-1].payload, PlayoutPause)
        assert rig.edge.sent[-1].at_s == pytest.approx(0.3)
        rig.resume()
        await elapse(0)
        assert rig.edge.names()[before + 1 : before + 3] == ["PlayoutResume", "Audio"]
        await elapse(2.0)
        assert [audio.offset_samples for _, audio in rig.edge.frames()] == [n * FRAME_SAMPLES for n in range(50)]

    with_rig(story)


def test_no_frame_leaves_after_a_pause_while_the_edge_is_slow() -> None:
    async def story(rig: Rig) -> None:
        rig.edge.taking.clear()
        rig.speak(50)
        await elapse(0.1)
        rig.pause()
        rig.edge.taking.set()
        await elapse(1.0)
        assert rig.edge.names() == ["Audio", "PlayoutPause"]

    with_rig(story)


def test_the_end_of_a_run_follows_its_last_frame_with_the_number_of_its_samples() -> None:
    async def story(rig: Rig) -> None:
        rig.speak(3, extra_samples=11, closes=True)
        await elapse(1.0)
        assert rig.edge.names() == ["Audio"] * 4 + ["SegmentMark", "RunAudioEnd"]
        assert [audio.offset_samples for _, audio in rig.edge.frames()] == [n * FRAME_SAMPLES for n in range(4)]
        assert {sent.run_id for sent in rig.edge.sent} == {1}
        assert rig.edge.all(RunAudioEnd) == [RunAudioEnd(total_samples=3 * FRAME_SAMPLES + 11)]

    with_rig(story)


def test_a_segment_is_marked_when_all_of_it_left_also_when_its_end_is_learned_later() -> None:
    async def story(rig: Rig) -> None:
        rig.speak(2)
        await elapse(1.0)
        assert rig.edge.all(SegmentMark) == []
        rig.buffer.end_segment(1, 0)
        rig.pump.wake()
        await elapse(0)
        assert rig.edge.all(SegmentMark) == [SegmentMark(segment_index=0, end_offset_samples=2 * FRAME_SAMPLES)]
        rig.buffer.append(1, 1, bytes(2 * FRAME_SAMPLES))
        rig.buffer.end_segment(1, 1)
        await elapse(1.0)
        rig.pump.wake()
        await elapse(1.0)
        assert [mark.end_offset_samples for mark in rig.edge.all(SegmentMark)] == [640, 960]

    with_rig(story)


def test_nothing_of_a_dropped_run_is_marked() -> None:
    async def story(rig: Rig) -> None:
        rig.buffer.append(1, 0, bytes(2 * FRAME_SAMPLES))
        rig.buffer.end_segment(1, 0)
        rig.buffer.release(1)
        assert rig.buffer.take() is not None
        assert rig.buffer.waiting_samples == 0
        rig.buffer.end(1)
        rig.pump.wake()
        await elapse(1.0)
        assert rig.edge.all(SegmentMark) == []

    with_rig(story)


def test_a_dropped_run_is_heard_no_more() -> None:
    async def story(rig: Rig) -> None:
        rig.speak(50, closes=True)
        await elapse(0.1)
        rig.buffer.end(1)
        before = len(rig.edge.sent)
        await elapse(2.0)
        assert len(rig.edge.sent) == before
        assert rig.edge.all(RunAudioEnd) == []

    with_rig(story)


def test_segments_are_reported_when_their_first_and_last_sample_leave() -> None:
    async def story(rig: Rig) -> None:
        rig.buffer.append(1, 0, bytes(2 * SAMPLE_RATE_HZ))
        rig.buffer.end_segment(1, 0)
        rig.buffer.append(1, 1, bytes(2 * SAMPLE_RATE_HZ))
        rig.buffer.end_segment(1, 1)
        rig.buffer.release(1)
        rig.pump.wake()
        await elapse(5.0)
        second_ms = 1_000 - int(LEAD_S * 1_000)
        reported = await take_all(rig.mailbox)
        assert [type(event).__name__ for event in reported] == ["SegmentStarted", "SegmentPlayed"] * 2
        assert [getattr(event, "segment_index", None) for event in reported] == [0, 0, 1, 1]
        assert [event.at_ms for event in reported] == pytest.approx(
            [0, second_ms - FRAME_MS, second_ms, second_ms + 1_000 - FRAME_MS], abs=1
        )

    with_rig(story)


def test_every_frame_names_the_segment_of_its_first_sample() -> None:
    async def story(rig: Rig) -> None:
        for index in range(2):
            rig.buffer.append(1, index, bytes(2 * 3 * FRAME_SAMPLES))
            rig.buffer.end_segment(1, index)
        rig.buffer.release(1)
        rig.pump.wake()
        await elapse(1.0)
        assert [audio.segment_index for _, audio in rig.edge.frames()] == [0, 0, 0, 1, 1, 1]

    with_rig(story)


def test_an_edge_that_is_gone_is_reported_once_and_gets_nothing_more() -> None:
    async def story(rig: Rig) -> None:
        rig.speak(50)
        await elapse(0.1)
        rig.edge.gone = "it hung"
        await elapse(1.0)
        sent = len(rig.edge.sent)
        assert rig.running.done()
        rig.edge.gone = None
        rig.pump.put(SPOKE)
        await rig.pump.finish(ENDED)
        assert len(rig.edge.sent) == sent
        lost = [event for event in await take_all(rig.mailbox) if isinstance(event, events.EdgeLost)]
        assert [event.detail for event in lost] == ["it hung"]

    with_rig(story)


def test_an_edge_that_reads_nothing_is_lost_before_control_fills_the_memory() -> None:
    async def story(rig: Rig) -> None:
        rig.edge.taking.clear()
        for _ in range(CONTROL_EVENTS_MAX + 2):
            rig.pump.put(Heartbeat())
            await elapse(0)
        rig.edge.taking.set()
        await elapse(1.0)
        (lost,) = await take_all(rig.mailbox)
        assert isinstance(lost, events.EdgeLost)
        assert len(rig.edge.sent) <= CONTROL_EVENTS_MAX + 1

    with_rig(story)


def test_the_last_event_leaves_after_all_control_and_no_sound_follows() -> None:
    async def story(rig: Rig) -> None:
        rig.speak(50)
        await elapse(0.1)
        frames = len(rig.edge.all(Audio))
        rig.pump.put(SPOKE)
        await rig.pump.finish(ENDED)
        await elapse(1.0)
        assert rig.edge.names()[frames:] == ["PhaseChanged", "CallEnded"]

    with_rig(story)


def test_a_pump_that_is_stopped_leaves_nobody_waiting_for_its_last_event() -> None:
    async def story(rig: Rig) -> None:
        rig.edge.taking.clear()
        rig.pump.put(SPOKE)
        await elapse(0)
        finishing = asyncio.create_task(rig.pump.finish(ENDED))
        await elapse(0)
        assert not finishing.done()
        rig.running.cancel()
        await finishing
        assert rig.edge.names() == ["PhaseChanged"]

    with_rig(story)
