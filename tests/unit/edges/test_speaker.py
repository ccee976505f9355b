"""The caller's loudspeaker: which sample is heard at which position of the call."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.edges.speaker import Speaker


def sound(samples: int, first: int = 1) -> NDArray[np.int16]:
    """Sound in which every sample is its own number."""
    return np.arange(first, first + samples).astype(np.int16)


def agent(recording: StereoRecording) -> list[int]:
    return [int(value) for value in recording.samples()[:, 1]]


def test_sound_that_finds_silence_is_heard_from_the_moment_it_came() -> None:
    recording = StereoRecording()
    speaker = Speaker(recording)
    speaker.push(1, sound(3), now=10)
    speaker.advance(100)
    assert agent(recording) == [0] * 10 + [1, 2, 3]
    span = speaker.runs[1]
    assert (span.start_samples, span.end_samples, span.played_samples) == (10, 13, 3)
    assert speaker.idle


def test_sound_that_finds_sound_follows_it_without_a_gap() -> None:
    recording = StereoRecording()
    speaker = Speaker(recording)
    speaker.push(1, sound(5), now=10)
    speaker.push(1, sound(5, first=6), now=12)
    speaker.advance(100)
    assert agent(recording)[10:] == list(range(1, 11))


def test_only_what_is_due_was_played() -> None:
    speaker = Speaker(None)
    speaker.push(1, sound(100), now=0)
    assert speaker.played(1) == 0
    speaker.advance(40)
    assert speaker.played(1) == 40
    assert not speaker.idle
    speaker.advance(40)
    speaker.advance(30)
    assert speaker.played(1) == 40
    speaker.advance(100)
    assert speaker.played(1) == 100
    assert speaker.idle


def test_sound_goes_on_at_the_very_sample_where_it_was_paused() -> None:
    recording = StereoRecording()
    speaker = Speaker(recording)
    speaker.push(1, sound(10), now=0)
    speaker.pause(now=4)
    speaker.advance(50)
    assert speaker.played(1) == 4
    speaker.resume(now=60)
    speaker.advance(200)
    assert agent(recording) == [1, 2, 3, 4] + [0] * 56 + [5, 6, 7, 8, 9, 10]


def test_sound_that_comes_during_a_pause_waits_for_its_end() -> None:
    recording = StereoRecording()
    speaker = Speaker(recording)
    speaker.pause(now=0)
    speaker.push(1, sound(3), now=5)
    speaker.resume(now=20)
    speaker.advance(30)
    assert agent(recording) == [0] * 20 + [1, 2, 3]


def test_a_flush_says_how_much_was_heard_and_drops_the_rest() -> None:
    recording = StereoRecording()
    speaker = Speaker(recording)
    speaker.push(1, sound(10), now=0)
    assert speaker.flush(1, now=7) == 7
    assert speaker.idle
    speaker.advance(100)
    assert agent(recording) == list(range(1, 8))


def test_a_flush_of_one_run_leaves_the_next() -> None:
    recording = StereoRecording()
    speaker = Speaker(recording)
    speaker.push(1, sound(10), now=0)
    speaker.push(2, sound(3, first=50), now=0)
    assert speaker.flush(1, now=4) == 4
    speaker.advance(100)
    assert agent(recording) == [1, 2, 3, 4, 50, 51, 52]


def test_a_run_that_was_flushed_while_paused_does_not_silence_the_next() -> None:
    speaker = Speaker(None)
    speaker.push(1, sound(10), now=0)
    speaker.pause(now=4)
    assert speaker.flush(1, now=9) == 4
    speaker.push(2, sound(5), now=20)
    speaker.advance(25)
    assert speaker.played(2) == 5
    assert speaker.runs[2].start_samples == 20


def test_nothing_was_played_of_a_run_that_never_came() -> None:
    speaker = Speaker(None)
    assert speaker.played(9) == 0
    assert speaker.flush(9, now=5) == 0


@dataclass(slots=True)
class SampleBySample:
    """The same loudspeaker, told one sample at a time."""

    now: int = 0
    paused: bool = False
    waiting: list[tuple[int, int]] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    played: dict[int, int] = field(default_factory=dict)

    def until(self, now: int) -> None:
        while self.now < now:
            value = 0
            if self.waiting and not self.paused:
                run_id, value = self.waiting.pop(0)
                self.played[run_id] = self.played.get(run_id, 0) + 1
            self.heard.append(value)
            self.now += 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["push", "push", "advance", "pause", "resume", "flush"]),
        st.integers(0, 40),
        st.integers(1, 60),
    ),
    max_size=25,
)


@given(STEPS)
def test_every_sample_is_heard_at_its_exact_position_through_pauses_and_flushes(
    steps: list[tuple[str, int, int]],
) -> None:
    recording, slow = StereoRecording(), SampleBySample()
    speaker = Speaker(recording)
    now, run_id, next_value = 0, 1, 1
    for step, pause, size in steps:
        now += pause
        slow.until(now)
        match step:
            case "push":
                speaker.push(run_id, sound(size, next_value), now)
                slow.waiting += [(run_id, value) for value in range(next_value, next_value + size)]
                next_value += size
            case "advance":
                speaker.advance(now)
            case "pause":
                speaker.pause(now)
                slow.paused = True
            case "resume":
                speaker.resume(now)
                slow.paused = False
            case _:
                assert speaker.flush(run_id, now) == slow.played.get(run_id, 0)
                slow.waiting = [item for item in slow.waiting if item[0] != run_id]
                slow.paused = False
                run_id += 1
    now += 2_000
    slow.until(now)
    speaker.advance(now)
    heard = agent(recording)
    assert heard == slow.heard[: len(heard)]
    assert not any(slow.heard[len(heard) :])
    assert {run: played.played_samples for run, played in speaker.runs.items()} == slow.played
    for played in speaker.runs.values():
        inside = np.array(heard[played.start_samples : played.end_samples])
        assert np.count_nonzero(inside) == played.played_samples
        assert inside[0] != 0
        assert inside[-1] != 0


def test_a_run_counts_as_heard_while_its_sound_is_no_older_than_two_frames() -> None:
    speaker = Speaker(None)
    assert speaker.heard_for(50) is None
    speaker.push(1, sound(1_000), now=100)
    assert speaker.heard_for(700) == 600
    assert speaker.heard_for(1_100 + 639) == 1_639
    assert speaker.heard_for(1_100 + 640) is None


def test_a_paused_run_is_not_heard_and_a_new_one_counts_from_its_own_beginning() -> None:
    speaker = Speaker(None)
    speaker.push(1, sound(10_000), now=0)
    speaker.pause(1_000)
    assert speaker.heard_for(3_000) is None
    speaker.resume(3_000)
    assert speaker.heard_for(4_000) == 4_000
    speaker.flush(1, 4_500)
    speaker.push(2, sound(1_000), now=5_000)
    assert speaker.heard_for(5_500) == 500
