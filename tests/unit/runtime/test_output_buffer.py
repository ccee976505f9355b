"""The fence between inference and the caller: which sample leaves, when, and what is known of its segment."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_contract.audio import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_BYTES
from voice_orchestrator.runtime.output_buffer import HELD_SAMPLES_MAX, Frame, OutputBuffer, RunEnd

RUN = 3


def pcm(samples: int, first: int = 0) -> bytes:
    """Sound in which every sample is its own number."""
    return np.arange(first, first + samples).astype(np.uint16).tobytes()


def drain(buffer: OutputBuffer) -> tuple[list[Frame], list[RunEnd]]:
    """Everything that may leave now."""
    frames: list[Frame] = []
    ends: list[RunEnd] = []
    while (item := buffer.take()) is not None:
        if isinstance(item, Frame):
            frames.append(item)
        else:
            ends.append(item)
    return frames, ends


def heard(frames: list[Frame]) -> bytes:
    return b"".join(frame.pcm for frame in frames)


def test_sound_that_was_not_released_stays() -> None:
    buffer = OutputBuffer()
    buffer.append(RUN, 0, pcm(1_000))
    assert buffer.take() is None
    buffer.release(RUN)
    assert isinstance(buffer.take(), Frame)


def test_a_run_may_be_released_before_its_first_sample() -> None:
    buffer = OutputBuffer()
    buffer.release(RUN)
    assert buffer.take() is None
    buffer.append(RUN, 0, pcm(FRAME_SAMPLES))
    sound = pcm(FRAME_SAMPLES)
    assert buffer.take() == Frame(run_id=RUN, segment_index=0, offset_samples=0, pcm=sound, started=(0,), played=())


def test_a_pause_holds_everything_and_release_goes_on_at_the_next_sample() -> None:
    buffer = OutputBuffer()
    buffer.append(RUN, 0, pcm(2 * FRAME_SAMPLES))
    buffer.release(RUN)
    first = buffer.take()
    buffer.pause(RUN)
    assert buffer.take() is None
    buffer.release(RUN)
    second = buffer.take()
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert heard([first, second]) == pcm(2 * FRAME_SAMPLES)


def test_a_piece_shorter_than_a_frame_leaves_only_when_the_run_is_closed() -> None:
    buffer = OutputBuffer()
    buffer.append(RUN, 0, pcm(FRAME_SAMPLES + 5))
    buffer.release(RUN)
    frames, _ = drain(buffer)
    assert [len(frame.pcm) for frame in frames] == [FRAME_BYTES]
    buffer.close(RUN)
    frames, ends = drain(buffer)
    assert [len(frame.pcm) for frame in frames] == [5 * SAMPLE_BYTES]
    assert ends == [RunEnd(run_id=RUN, total_samples=FRAME_SAMPLES + 5)]


def test_a_closed_run_ends_once() -> None:
    buffer = OutputBuffer()
    buffer.append(RUN, 0, pcm(10))
    buffer.close(RUN)
    assert buffer.take() is None
    buffer.release(RUN)
    assert drain(buffer)[1] == [RunEnd(run_id=RUN, total_samples=10)]
    assert drain(buffer) == ([], [])


def test_nothing_leaves_after_the_end_whatever_still_comes() -> None:
    buffer = OutputBuffer()
    buffer.append(RUN, 0, pcm(1_000))
    buffer.release(RUN)
    buffer.take()
    buffer.end(RUN)
    assert buffer.append(RUN, 0, pcm(500))
    buffer.end_segment(RUN, 0)
    buffer.release(RUN)
    buffer.close(RUN)
    assert buffer.take() is None
    assert buffer.dropped_samples == 1_000 - FRAME_SAMPLES + 500


def test_sound_of_an_older_run_is_dropped_and_counted_while_a_newer_one_plays() -> None:
    buffer = OutputBuffer()
    buffer.append(RUN, 0, pcm(400))
    buffer.append(RUN + 1, 0, pcm(FRAME_SAMPLES))
    buffer.release(RUN + 1)
    buffer.append(RUN, 0, pcm(100))
    frames, _ = drain(buffer)
    assert [frame.run_id for frame in frames] == [RUN + 1]
    assert buffer.dropped_samples == 500


def test_sound_after_the_close_is_dropped_and_counted() -> None:
    buffer = OutputBuffer()
    buffer.append(RUN, 0, pcm(FRAME_SAMPLES))
    buffer.close(RUN)
    buffer.append(RUN, 0, pcm(7))
    buffer.release(RUN)
    assert drain(buffer)[1] == [RunEnd(run_id=RUN, total_samples=FRAME_SAMPLES)]
    assert buffer.dropped_samples == 7


def test_more_sound_than_may_wait_is_refused_and_what_was_taken_still_plays() -> None:
    buffer = OutputBuffer()
    assert buffer.append(RUN, 0, pcm(HELD_SAMPLES_MAX))
    assert not buffer.append(RUN, 0, pcm(1))
    buffer.release(RUN)
    assert isinstance(buffer.take(), Frame)
    assert buffer.append(RUN, 0, pcm(FRAME_SAMPLES, HELD_SAMPLES_MAX))
    frames, _ = drain(buffer)
    assert heard(frames) == pcm(HELD_SAMPLES_MAX, FRAME_SAMPLES)


def test_a_segment_starts_with_the_frame_that_holds_its_first_sample_and_is_played_with_its_last() -> None:
    buffer = OutputBuffer()
    half = FRAME_SAMPLES // 2
    buffer.append(RUN, 0, pcm(FRAME_SAMPLES + half))
    buffer.end_segment(RUN, 0)
    buffer.append(RUN, 1, pcm(FRAME_SAMPLES))
    buffer.end_segment(RUN, 1)
    buffer.close(RUN)
    buffer.release(RUN)
    frames, _ = drain(buffer)
    assert [(frame.started, frame.played) for frame in frames] == [((0,), ()), ((1,), (0,)), ((), (1,))]


def test_a_segment_that_begins_with_a_frame_has_not_started_with_the_one_before() -> None:
    buffer = OutputBuffer()
    for index in range(2):
        buffer.append(RUN, index, pcm(FRAME_SAMPLES))
        buffer.end_segment(RUN, index)
    buffer.release(RUN)
    frames, _ = drain(buffer)
    assert [(frame.started, frame.played) for frame in frames] == [((0,), (0,)), ((1,), (1,))]


def test_segments_shorter_than_a_frame_start_and_end_in_it() -> None:
    buffer = OutputBuffer()
    for index in range(3):
        buffer.append(RUN, index, pcm(50))
        buffer.end_segment(RUN, index)
    buffer.close(RUN)
    buffer.release(RUN)
    (frame,), _ = drain(buffer)
    assert (frame.started, frame.played) == ((0, 1, 2), (0, 1, 2))


def test_a_segment_whose_end_is_known_late_is_played_at_that_moment() -> None:
    buffer = OutputBuffer()
    buffer.append(RUN, 0, pcm(FRAME_SAMPLES))
    buffer.release(RUN)
    frames, _ = drain(buffer)
    assert frames[0].played == ()
    assert buffer.end_segment(RUN, 0) == (0,)
    assert buffer.end_segment(RUN, 0) == ()


@pytest.mark.parametrize("told", [True, False])
def test_a_segment_that_has_not_left_is_not_played_when_its_end_is_known(told: bool) -> None:
    buffer = OutputBuffer()
    buffer.append(RUN, 0, pcm(FRAME_SAMPLES))
    if told:
        buffer.release(RUN)
        buffer.pause(RUN)
    assert buffer.end_segment(RUN, 0) == ()


@dataclass(slots=True)
class Story:
    """What was done to one run and what came of it."""

    given: bytearray = field(default_factory=bytearray)
    frames: list[Frame] = field(default_factory=list)
    ends: list[RunEnd] = field(default_factory=list)
    lengths: dict[int, int] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)
    played: list[int] = field(default_factory=list)


def tell(buffer: OutputBuffer, steps: list[tuple[str, int]], story: Story) -> None:
    """Does `steps`; nothing may leave outside `release` and `pause`."""
    segment, released, closed = 0, False, False
    for step, size in steps:
        match step:
            case "append" if not closed:
                sound = pcm(size, len(story.given) // SAMPLE_BYTES)
                assert buffer.append(RUN, segment, sound)
                story.given += sound
                story.lengths[segment] = story.lengths.get(segment, 0) + size
            case "end_segment" if segment in story.lengths:
                story.played += buffer.end_segment(RUN, segment)
                segment += 1
            case "release":
                buffer.release(RUN)
                released = True
            case "pause":
                buffer.pause(RUN)
                released = False
            case "close":
                buffer.close(RUN)
                closed = True
            case "take":
                for _ in range(size):
                    item = buffer.take()
                    assert item is None or released, "sound left though it was held"
                    if isinstance(item, Frame):
                        story.frames.append(item)
                        story.started += item.started
                        story.played += item.played
                    elif item is not None:
                        story.ends.append(item)
            case _:
                pass


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "append", "end_segment", "release", "pause", "take", "take"]),
        st.integers(1, 900),
    ),
    max_size=40,
)


@given(STEPS, st.booleans())
def test_no_sample_is_lost_repeated_or_reordered(steps: list[tuple[str, int]], finishes: bool) -> None:
    buffer, story = OutputBuffer(), Story()
    ending = [("end_segment", 1), ("close", 1), ("release", 1), ("take", 10_000)] if finishes else []
    tell(buffer, [*steps, *ending], story)
    left = heard(story.frames)
    assert bytes(story.given).startswith(left)
    assert [frame.offset_samples for frame in story.frames] == [
        len(heard(story.frames[:index])) // SAMPLE_BYTES for index in range(len(story.frames))
    ]
    assert all(len(frame.pcm) == FRAME_BYTES for frame in story.frames[:-1])
    assert story.started == sorted(set(story.started))
    assert story.played == sorted(set(story.played))
    if finishes:
        assert left == bytes(story.given)
        assert [end.total_samples for end in story.ends] == [len(story.given) // SAMPLE_BYTES]
        assert story.started == story.played == list(story.lengths)
    else:
        assert story.ends == []
        assert not story.frames or len(story.frames[-1].pcm) == FRAME_BYTES


@given(STEPS, STEPS)
def test_nothing_of_a_run_leaves_after_its_end(before: list[tuple[str, int]], after: list[tuple[str, int]]) -> None:
    buffer, kept, refused = OutputBuffer(), Story(), Story()
    tell(buffer, before, kept)
    buffer.end(RUN)
    tell(buffer, after, refused)
    assert refused.frames == []
    assert refused.ends == []
    assert refused.played == []
    unheard = len(kept.given) + len(refused.given) - len(heard(kept.frames))
    assert buffer.dropped_samples == unheard // SAMPLE_BYTES
