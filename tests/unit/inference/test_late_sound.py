"""What is too old, by two clocks that agree on nothing but their pace."""

from hypothesis import given
from hypothesis import strategies as st

from voice_inference.server.late_sound import SOUND_AGE_MS_MAX, WINDOW_US, LateSound

FRAME_US = 20_000
AGE_US = SOUND_AGE_MS_MAX * 1_000
S = 1_000_000
SETTLED_US = S
"""By then a stream's beginning, which is taken as sent again, is over."""

JITTER_US = st.lists(st.integers(0, 200_000), min_size=1, max_size=20)


class Stream:
    """Shows frames to a LateSound: `skew_us` is how far the node's clock is before the sender's."""

    def __init__(self, skew_us: int = 0) -> None:
        self.late = LateSound()
        self.skew_us = skew_us
        self.sent_us = 10 * S

    def send(self, delay_us: int = 0, *, every_us: int = FRAME_US, sound_us: int = FRAME_US) -> bool:
        """The next frame; whether it is late."""
        self.sent_us += every_us
        return self.late.is_late(self.sent_us, self.sent_us + self.skew_us + delay_us, sound_us)

    def run(self, length_us: int, delay_us: int = 0) -> list[bool]:
        return [self.send(delay_us) for _ in range(length_us // FRAME_US)]

    def burst(self, length_us: int) -> list[tuple[int, bool]]:
        """What was sent while the node stood still, taken at once after it: delays, and whether each frame is late."""
        delays = [length_us - FRAME_US * (number + 1) for number in range(length_us // FRAME_US)]
        return [(delay_us, self.send(delay_us)) for delay_us in delays]


@given(skew_us=st.integers(-(10**15), 10**15), jitter_us=JITTER_US)
def test_however_far_the_clocks_are_apart_sound_in_time_is_heard(skew_us: int, jitter_us: list[int]) -> None:
    stream = Stream(skew_us)
    assert not any(stream.send(jitter_us[number % len(jitter_us)]) for number in range(1_000))


@given(skew_us=st.integers(-(10**15), 10**15), stood_us=st.integers(0, 8 * S), jitter_us=JITTER_US)
def test_after_a_node_stood_still_what_is_older_goes_and_the_rest_is_heard(
    skew_us: int, stood_us: int, jitter_us: list[int]
) -> None:
    stream = Stream(skew_us)
    for number in range(SETTLED_US // FRAME_US):
        stream.send(jitter_us[number % len(jitter_us)])
    for delay_us, late in stream.burst(stood_us):
        assert late == (delay_us - min(jitter_us) > AGE_US)
    assert not any(stream.run(S, min(jitter_us)))


@given(
    drift_ppm=st.integers(-500, 500),
    jitter_us=JITTER_US,
)
def test_clocks_that_drift_for_hours_silence_nobody(drift_ppm: int, jitter_us: list[int]) -> None:
    late = LateSound()
    for number in range(3_000):
        sent_us = number * 5 * S  # every 5 s for four hours: 500 ppm are 7 s
        arrived_us = sent_us + sent_us * drift_ppm // 1_000_000 + jitter_us[number % len(jitter_us)]
        assert not late.is_late(sent_us, arrived_us, FRAME_US)


@given(jump_us=st.integers(AGE_US + 1, 3_600 * S))
def test_a_clock_that_jumps_silences_the_caller_for_ten_seconds_at_most(jump_us: int) -> None:
    stream = Stream()
    stream.run(2 * WINDOW_US)
    stream.skew_us = jump_us  # the sender's machine was paused: its clock stood still
    lost = sum(stream.run(3 * WINDOW_US)) * FRAME_US
    assert WINDOW_US - S <= lost <= 2 * WINDOW_US + FRAME_US


@given(
    seconds=st.integers(1, 60),
    pace_us=st.integers(0, 5_000),
    stood_us=st.integers(0, 5 * S),
    spoken_us=st.sampled_from((0, 20 * S)),
)
def test_sound_sent_again_is_heard_however_late_the_node_gets_to_it(
    seconds: int, pace_us: int, stood_us: int, spoken_us: int
) -> None:
    stream = Stream()
    stream.late.is_late(stream.sent_us, stream.sent_us)  # the session is opened
    for number in range(seconds * 50):
        delay_us = max(0, stood_us - number * pace_us)
        assert not stream.send(delay_us, every_us=pace_us)
    assert not any(stream.run(spoken_us))


def test_what_is_spoken_after_sound_was_sent_again_is_judged_as_ever() -> None:
    stream = Stream()
    for _ in range(500):
        stream.send(every_us=2_000)
    stream.run(SETTLED_US)
    assert [late for delay_us, late in stream.burst(S) if delay_us > AGE_US] == [True] * 24


def test_frames_that_come_ten_at_once_are_not_taken_for_sound_sent_again() -> None:
    stream = Stream()

    def frame_of_200_ms(delay_us: int) -> list[bool]:
        return [stream.send(delay_us, every_us=200_000), *(stream.send(delay_us, every_us=10) for _ in range(9))]

    for _ in range(10):
        frame_of_200_ms(0)
    assert all(frame_of_200_ms(AGE_US + 1))


@given(delays_us=st.lists(st.integers(0, 10 * S), min_size=2, max_size=50))
def test_events_without_sound_are_never_late_and_tell_how_quick_the_way_is(delays_us: list[int]) -> None:
    late = LateSound()
    for delay_us in delays_us:
        assert not late.is_late(0, delay_us)


def test_a_sender_whose_clock_stands_still_is_heard() -> None:
    late = LateSound()
    assert not any(late.is_late(0, number * FRAME_US, FRAME_US) for number in range(2_000))
