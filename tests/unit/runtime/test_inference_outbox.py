"""What waits for the node: bounds, order, age."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.audio import FRAME_SAMPLES, VAD_WINDOW_SAMPLES
from voice_contract.messages import Audio, Heartbeat, Payload
from voice_orchestrator.runtime.inference_outbox import CALLER_SOUND_MS_MAX, CONTROL_MESSAGES_MAX, InferenceOutbox
from voice_orchestrator.runtime.ports import StreamLostError


def frame(number: int, frames: int = 1) -> Audio:
    return Audio(pcm=bytes(2 * FRAME_SAMPLES * frames), offset_samples=number * FRAME_SAMPLES)


def test_what_is_put_is_had_in_order() -> None:
    async def story() -> None:
        outbox = InferenceOutbox(virtual_clock())
        put: list[tuple[Payload, int]] = [(frame(0), 0), (Heartbeat(), 0), (frame(1), 0), (Heartbeat(), 7)]
        for payload, run_id in put:
            if isinstance(payload, Audio):
                outbox.put_audio(payload)
            else:
                outbox.put(payload, run_id)
        assert (outbox.waiting_ms, outbox.waiting_controls) == (40, 2)
        assert [await outbox.get() for _ in put] == put
        assert (outbox.waiting_ms, outbox.waiting_controls, outbox.dropped_samples) == (0, 0, 0)

    run_virtual(story())


@pytest.mark.parametrize("frames", [1, 3, 10])
def test_no_more_sound_waits_than_half_a_second_whatever_the_frames(frames: int) -> None:
    async def story() -> None:
        outbox = InferenceOutbox(virtual_clock())
        for number in range(60):
            outbox.put_audio(frame(number * frames, frames))
            assert outbox.waiting_ms <= CALLER_SOUND_MS_MAX
        waiting = outbox.waiting_ms * 16
        assert outbox.dropped_samples + waiting == 60 * frames * FRAME_SAMPLES
        first, _ = await outbox.get()
        assert isinstance(first, Audio)
        assert first.offset_samples == outbox.dropped_samples

    run_virtual(story())


def test_sound_that_waited_too_long_is_dropped_though_there_was_room() -> None:
    async def story() -> None:
        outbox = InferenceOutbox(virtual_clock())
        outbox.put_audio(frame(0, 2))
        await elapse(0.3)
        outbox.put_audio(frame(2, 2))
        await elapse(0.3)
        assert (await outbox.get())[0] == frame(2, 2)
        assert outbox.dropped_samples == 2 * FRAME_SAMPLES

    run_virtual(story())


def test_a_node_that_reads_nothing_is_given_up_when_the_rest_was_taken() -> None:
    async def story() -> None:
        outbox = InferenceOutbox(virtual_clock())
        for _ in range(CONTROL_MESSAGES_MAX + 1):
            outbox.put(Heartbeat(), 0)
        for _ in range(CONTROL_MESSAGES_MAX):
            await outbox.get()
        with pytest.raises(StreamLostError):
            await outbox.get()

    run_virtual(story())


def test_a_reader_is_woken() -> None:
    async def story() -> None:
        outbox = InferenceOutbox(virtual_clock())
        reading = asyncio.create_task(outbox.get())
        await elapse(0.1)
        outbox.put_audio(frame(0, 2))
        assert await reading == (frame(0, 2), 0)

    run_virtual(story())


@given(
    st.lists(st.tuples(st.integers(1, 2 * VAD_WINDOW_SAMPLES), st.booleans()), min_size=1, max_size=60),
    st.integers(0, 10_000),
)
def test_no_whole_window_waits_for_the_sound_after_it(pieces: list[tuple[int, bool]], origin: int) -> None:
    async def story() -> None:
        outbox = InferenceOutbox(virtual_clock())
        at = begin = sent = origin
        for length, lost in pieces:
            if lost:
                at = begin = at + 100
            outbox.put_audio(Audio(pcm=bytes(2 * length), offset_samples=at))
            at += length
            sent = max(sent, await taken_until(outbox))
            whole = begin + (at - begin) // VAD_WINDOW_SAMPLES * VAD_WINDOW_SAMPLES
            assert sent >= whole or whole == begin
        outbox.put(Heartbeat(), 0)
        assert await taken_until(outbox) in (0, at)
        assert (outbox.waiting_ms, outbox.dropped_samples) == (0, 0)

    run_virtual(story())


async def taken_until(outbox: InferenceOutbox) -> int:
    """Takes what would leave now; one past its last sample, 0 without any."""
    until = 0
    for _ in range(outbox.queued):
        payload, _ = await outbox.get()
        if isinstance(payload, Audio):
            assert payload.offset_samples >= until
            until = payload.offset_samples + len(payload.pcm) // 2
    return until


def test_the_frames_of_an_edge_become_a_message_for_every_window() -> None:
    async def story() -> None:
        outbox = InferenceOutbox(virtual_clock())
        for number in range(80):
            outbox.put_audio(frame(number))
            while outbox.queued:
                await outbox.get()
        assert outbox.taken == 80 * FRAME_SAMPLES // VAD_WINDOW_SAMPLES

    run_virtual(story())
