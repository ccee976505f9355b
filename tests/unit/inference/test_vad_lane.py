"""One thread that scores the windows of all sessions together."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.eventually import WAIT_S, eventually
from support.fake_vad import BROKEN, FakeVad, window
from support.gate import Gate

from voice_inference.vad_lane import FEW_SESSIONS, WINDOWS_WAITING_MAX, VadLane


class Listener:
    """One session: what the lane told it."""

    def __init__(self, lane: VadLane) -> None:
        self.scores: list[tuple[int, float]] = []
        self.errors: list[Exception] = []
        self.stream = lane.open(
            lambda start, probability: self.scores.append((start, round(probability, 3))), self.errors.append
        )

    async def heard(self, count: int) -> None:
        await eventually(lambda: len(self.scores) >= count)


@pytest.fixture
def engine() -> FakeVad:
    return FakeVad()


@pytest.fixture
async def lane(engine: FakeVad) -> AsyncIterator[VadLane]:
    lane = VadLane(engine, asyncio.get_running_loop())
    yield lane
    assert await asyncio.to_thread(lane.close, WAIT_S)


async def hold(lane: VadLane, engine: FakeVad) -> Gate:
    """Keeps the worker busy with a session of its own until the gate is opened."""
    gate = engine.gate = Gate()
    Listener(lane).stream.submit(0, window(0.0))
    await gate.reached()
    engine.batches.clear()
    engine.states.clear()
    return gate


async def test_windows_are_scored_in_order_and_with_their_positions(lane: VadLane) -> None:
    session = Listener(lane)
    for number in range(5):
        session.stream.submit(4 * number, window(number / 10))
    await session.heard(5)
    assert session.scores == [(0, 0.0), (4, 0.1), (8, 0.2), (12, 0.3), (16, 0.4)]


async def test_one_window_of_every_session_that_has_any_is_scored_together(lane: VadLane, engine: FakeVad) -> None:
    first, second, silent = Listener(lane), Listener(lane), Listener(lane)
    gate = await hold(lane, engine)
    first.stream.submit(0, window(0.1))
    first.stream.submit(4, window(0.2))
    second.stream.submit(0, window(0.3))
    assert lane.depth == 3
    gate.open()
    await first.heard(2)
    await second.heard(1)
    assert engine.batches == [[0.1, 0.3], [0.2]]
    assert (first.scores, second.scores, silent.scores) == ([(0, 0.1), (4, 0.2)], [(0, 0.3)], [])
    assert lane.depth == 0


async def test_windows_of_many_sessions_that_come_one_after_the_other_are_scored_together(engine: FakeVad) -> None:
    lane = VadLane(engine, asyncio.get_running_loop(), join_s=0.3)
    sessions = [Listener(lane) for _ in range(FEW_SESSIONS + 1)]
    for session in sessions:
        session.stream.submit(0, window(0.5))
    for session in sessions:
        await session.heard(1)
    assert engine.batches == [[0.5] * len(sessions)]
    assert await asyncio.to_thread(lane.close, WAIT_S)


async def test_many_sessions_with_several_windows_each_have_all_of_them_scored_in_order(engine: FakeVad) -> None:
    lane = VadLane(engine, asyncio.get_running_loop(), join_s=0.3)
    sessions = [Listener(lane) for _ in range(FEW_SESSIONS + 1)]
    for number in range(3):
        for session in sessions[number:]:
            session.stream.submit(4 * number, window(number / 10))
    await sessions[-1].heard(3)
    assert [len(batch) for batch in engine.batches] == [len(sessions), len(sessions) - 1, len(sessions) - 2]
    assert sessions[-1].scores == [(0, 0.0), (4, 0.1), (8, 0.2)]
    assert lane.depth == 0
    assert await asyncio.to_thread(lane.close, WAIT_S)


async def test_a_session_that_fails_over_an_error_does_not_harm_the_others(lane: VadLane, engine: FakeVad) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
    mistake = ValueError("mistake")

    def fail(error: Exception) -> None:
        raise mistake

    failing, other = lane.open(lambda start, probability: None, fail), Listener(lane)
    gate = await hold(lane, engine)
    failing.submit(0, window(BROKEN))
    other.stream.submit(0, window(0.2))
    gate.open()
    await eventually(lambda: bool(other.errors))
    assert errors == [mistake]


@pytest.mark.parametrize("more", [0, 1])
async def test_only_a_window_among_many_sessions_waits_for_others(engine: FakeVad, more: int) -> None:
    lane = VadLane(engine, asyncio.get_running_loop(), join_s=10 * WAIT_S)
    sessions = [Listener(lane) for _ in range(FEW_SESSIONS + more)]
    sessions[0].stream.submit(0, window(0.5))
    if not more:
        await sessions[0].heard(1)
    assert await asyncio.to_thread(lane.close, WAIT_S), "a lane that is closed waits for nobody"
    assert len(engine.batches) == 1 - more


async def test_a_session_that_fails_over_its_score_does_not_harm_the_others(lane: VadLane, engine: FakeVad) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
    mistake = ValueError("mistake")

    def fail(start_samples: int, probability: float) -> None:
        raise mistake

    failing, other = lane.open(fail, errors.append), Listener(lane)
    gate = await hold(lane, engine)
    failing.submit(0, window(0.1))
    other.stream.submit(0, window(0.2))
    gate.open()
    await other.heard(1)
    assert engine.batches == [[0.1, 0.2]]
    assert errors == [mistake]


async def test_every_session_keeps_its_own_state(lane: VadLane, engine: FakeVad) -> None:
    old = Listener(lane)
    old.stream.submit(0, window(0.1))
    await old.heard(1)
    new = Listener(lane)
    gate = await hold(lane, engine)
    old.stream.submit(4, window(0.2))
    new.stream.submit(0, window(0.3))
    gate.open()
    await new.heard(1)
    assert engine.states == [[1, 0]]


async def test_a_session_too_far_behind_loses_its_oldest_windows_and_they_are_counted(
    lane: VadLane, engine: FakeVad
) -> None:
    slow, other = Listener(lane), Listener(lane)
    gate = await hold(lane, engine)
    for number in range(WINDOWS_WAITING_MAX + 3):
        slow.stream.submit(number, window(0.5))
    other.stream.submit(0, window(0.1))
    gate.open()
    await slow.heard(WINDOWS_WAITING_MAX)
    assert [start for start, _ in slow.scores] == list(range(3, WINDOWS_WAITING_MAX + 3))
    assert (slow.stream.dropped_windows, other.stream.dropped_windows) == (3, 0)
    assert other.scores == [(0, 0.1)]


async def test_an_error_reaches_every_session_of_the_batch_and_the_lane_goes_on(lane: VadLane, engine: FakeVad) -> None:
    first, second, silent = Listener(lane), Listener(lane), Listener(lane)
    gate = await hold(lane, engine)
    first.stream.submit(0, window(0.1))
    second.stream.submit(0, window(BROKEN))
    gate.open()
    await eventually(lambda: bool(first.errors and second.errors))
    assert first.errors == second.errors
    assert str(first.errors[0]) == "broken window"
    assert silent.errors == []
    first.stream.submit(4, window(0.3))
    await first.heard(1)
    assert first.scores == [(4, 0.3)]


async def test_a_closed_session_hears_nothing_more(lane: VadLane, engine: FakeVad) -> None:
    gone, other = Listener(lane), Listener(lane)
    gate = engine.gate = Gate()
    gone.stream.submit(0, window(0.1))
    await gate.reached()
    gone.stream.submit(4, window(0.2))
    gone.stream.close()
    gone.stream.submit(8, window(0.3))
    gone.stream.close()
    gate.open()
    other.stream.submit(0, window(0.4))
    await other.heard(1)
    assert gone.scores == []
    assert engine.batches == [[0.1], [0.4]]


async def test_a_closed_lane_scores_nothing_more(engine: FakeVad) -> None:
    lane = VadLane(engine, asyncio.get_running_loop())
    session = Listener(lane)
    gate = await hold(lane, engine)
    session.stream.submit(0, window(0.1))
    assert not lane.close(timeout_s=0.0), "the worker is still busy"
    gate.open()
    assert await asyncio.to_thread(lane.close, WAIT_S)
    assert session.scores == []
    assert engine.batches == []


def test_a_score_for_a_loop_that_is_gone_is_dropped(engine: FakeVad) -> None:
    gate = engine.gate = Gate()

    async def leave() -> tuple[VadLane, Listener]:
        lane = VadLane(engine, asyncio.get_running_loop())
        session = Listener(lane)
        session.stream.submit(0, window(0.1))
        await gate.reached()
        return lane, session

    lane, session = asyncio.run(leave())
    gate.open()
    assert lane.close(WAIT_S)
    assert session.scores == []
