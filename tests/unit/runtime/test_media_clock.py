"""When a sample of the caller's was spoken, told from when frames arrive."""

import random

from hypothesis import given
from hypothesis import strategies as st

from voice_contract.audio import FRAME_MS, FRAME_SAMPLES, SAMPLES_PER_MS
from voice_orchestrator.runtime.media_clock import MediaClock

START_MS = 1_000
MINUTE_FRAMES = 60_000 // FRAME_MS


def listen(clock: MediaClock, delays_ms: list[float], *, rate: float = 1.0) -> None:
    """Frames spoken from START_MS on at `rate` of the true speed, each delayed on its way."""
    for number, delay_ms in enumerate(delays_ms, start=1):
        clock.arrived(number * FRAME_SAMPLES, START_MS + number * FRAME_MS * rate + delay_ms)


def test_nothing_was_spoken_before_anything_came() -> None:
    assert MediaClock().spoken_at_ms(16_000) == 0


def test_a_sample_of_an_undelayed_stream_was_spoken_at_its_own_time() -> None:
    clock = MediaClock()
    listen(clock, [0.0] * 10)
    assert clock.spoken_at_ms(0) == START_MS
    assert clock.spoken_at_ms(2_500 * SAMPLES_PER_MS) == START_MS + 2_500


def test_a_sample_is_never_spoken_before_the_session_began() -> None:
    clock = MediaClock()
    clock.arrived(FRAME_SAMPLES * 100, 5.0)
    assert clock.spoken_at_ms(0) == 0


def test_one_frame_without_delay_corrects_those_that_were_late() -> None:
    clock = MediaClock()
    listen(clock, [80.0, 60.0, 90.0, 0.0])
    assert clock.spoken_at_ms(0) == START_MS


@given(st.lists(st.floats(0, 120), min_size=100, max_size=100), st.integers(0, 99))
def test_delays_move_the_estimate_by_no_more_than_the_drift_it_allows(delays: list[float], prompt: int) -> None:
    delays[prompt] = 0.0
    clock = MediaClock()
    listen(clock, delays)
    assert START_MS - 1 <= clock.spoken_at_ms(0) <= START_MS + 1


def test_a_single_stall_does_not_move_the_estimate() -> None:
    clock = MediaClock()
    listen(clock, [0.0] * 50 + [400.0] * 20)
    assert clock.spoken_at_ms(0) == START_MS


def test_an_edge_whose_clock_is_slow_is_followed() -> None:
    clock = MediaClock()
    slow = 1.0001
    jitter = random.Random(1)
    delays = [jitter.choice([0.0, 5.0, 20.0]) for _ in range(10 * MINUTE_FRAMES)]
    listen(clock, delays, rate=slow)
    last = len(delays)
    spoken_ms = START_MS + last * FRAME_MS * slow
    assert abs(clock.spoken_at_ms(last * FRAME_SAMPLES) - spoken_ms) <= 2


def test_an_edge_whose_clock_is_fast_is_followed() -> None:
    clock = MediaClock()
    fast = 0.9999
    listen(clock, [0.0] * (10 * MINUTE_FRAMES), rate=fast)
    last = 10 * MINUTE_FRAMES
    assert abs(clock.spoken_at_ms(last * FRAME_SAMPLES) - (START_MS + last * FRAME_MS * fast)) <= 2
