"""Worker threads behind a queue ordered by deadline."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from support.eventually import WAIT_S, eventually
from support.gate import Gate

from voice_contract.failures import FailureReason, Stage, VoiceAgentError
from voice_inference.engines.base import Cancelled, CancelToken
from voice_inference.lanes import STREAM_BUFFER_ITEMS, GiveWay, JobTiming, Lane

QUEUE_MAX = 3


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    lane = Lane("test", threads=1, queue_max=QUEUE_MAX, stage=Stage.TTS)
    yield lane
    await asyncio.to_thread(lane.close)


class Occupied:
    """A lane whose only worker stands before a gate."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.gate = Gate()
        self._jobs: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> "Occupied":
        self.add(self.gate.pass_through)
        await self.gate.reached()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gate.open()
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*self._jobs, return_exceptions=True)

    def add(
        self, work: Callable[[], Any], *, deadline_s: float = 0.0, cancel: CancelToken | None = None
    ) -> asyncio.Task[Any]:
        job = asyncio.ensure_future(self.lane.run(work, deadline_s=deadline_s, cancel=cancel or CancelToken()))
        self._jobs.append(job)
        return job

    async def queued(self, count: int) -> None:
        await eventually(lambda: self.lane.depth == count)


async def test_work_gives_its_result(lane: Lane) -> None:
    assert await lane.run(lambda: 6 * 7, deadline_s=0.0, cancel=CancelToken()) == 42


async def test_work_that_raises_raises_at_its_caller_and_leaves_the_lane_working(lane: Lane) -> None:
    def fail() -> int:
        raise ValueError("no such voice")

    with pytest.raises(ValueError, match="no such voice"):
        await lane.run(fail, deadline_s=0.0, cancel=CancelToken())
    assert await lane.run(lambda: 1, deadline_s=0.0, cancel=CancelToken()) == 1


async def test_what_is_due_first_is_done_first_and_ties_go_by_arrival(lane: Lane) -> None:
    done: list[str] = []
    async with Occupied(lane) as occupied:
        for name, deadline_s in (("late", 9.0), ("first", 1.0), ("second", 1.0)):
            occupied.add(partial(done.append, name), deadline_s=deadline_s)
        await occupied.queued(3)
    assert done == ["first", "second", "late"]


async def test_a_job_more_than_the_queue_holds_is_refused_as_overloaded(lane: Lane) -> None:
    async with Occupied(lane) as occupied:
        waiting = [occupied.add(lambda: "done") for _ in range(QUEUE_MAX)]
        await occupied.queued(QUEUE_MAX)
        with pytest.raises(VoiceAgentError) as refusal:
            await lane.run(lambda: "never", deadline_s=-1.0, cancel=CancelToken())
        assert (refusal.value.failure.stage, refusal.value.failure.reason) == (Stage.TTS, FailureReason.OVERLOADED)
        assert str(refusal.value) == f"lane test already has {QUEUE_MAX} jobs waiting"
    assert [job.result() for job in waiting] == ["done"] * QUEUE_MAX


async def test_a_cancelled_job_leaves_the_queue(lane: Lane) -> None:
    done: list[str] = []
    cancel = CancelToken()
    async with Occupied(lane) as occupied:
        cancelled = occupied.add(lambda: done.append("cancelled"), cancel=cancel)
        occupied.add(lambda: done.append("wanted"), deadline_s=5.0)
        await occupied.queued(2)
        cancel.cancel()
        assert lane.depth == 1
        with pytest.raises(Cancelled):
            await cancelled
    assert done == ["wanted"]


async def test_a_caller_that_goes_away_takes_its_job_out_of_the_queue(lane: Lane) -> None:
    done: list[str] = []
    cancel = CancelToken()
    async with Occupied(lane) as occupied:
        left = occupied.add(lambda: done.append("left"), cancel=cancel)
        await occupied.queued(1)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert lane.depth == 0
    assert cancel.cancelled
    assert done == []


async def test_work_cancelled_before_it_was_asked_for_is_never_executed(lane: Lane) -> None:
    done: list[str] = []
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        await lane.run(lambda: done.append("executed"), deadline_s=0.0, cancel=cancel)
    assert done == []


async def test_depth_and_busy_say_what_waits_and_what_runs(lane: Lane) -> None:
    assert (lane.depth, lane.busy) == (0, 0)
    async with Occupied(lane) as occupied:
        occupied.add(lambda: None)
        await occupied.queued(1)
        assert (lane.depth, lane.busy) == (1, 1)


async def test_two_workers_work_at_the_same_time() -> None:
    lane = Lane("pair", threads=2, queue_max=1, stage=Stage.STT)
    gates = (Gate(), Gate())
    jobs = []
    for gate in gates:
        jobs.append(asyncio.ensure_future(lane.run(gate.pass_through, deadline_s=0.0, cancel=CancelToken())))
        await gate.reached()
    assert lane.busy == 2
    for gate in gates:
        gate.open()
    await asyncio.gather(*jobs)
    assert await asyncio.to_thread(lane.close)


async def test_the_times_of_a_job_are_in_order(lane: Lane) -> None:
    timing = JobTiming()
    await lane.run(lambda: None, deadline_s=0.0, cancel=CancelToken(), timing=timing)
    assert await asyncio.to_thread(lane.close)
    assert 0 < timing.queued_at_us <= timing.began_at_us <= timing.first_at_us <= timing.ended_at_us


# --- streams


async def collect(lane: Lane, work: Callable[[], Iterator[int]], cancel: CancelToken | None = None) -> list[int]:
    return [item async for item in lane.stream(work, deadline_s=0.0, cancel=cancel or CancelToken())]


async def test_a_stream_gives_its_items_in_order_however_many_there_are(lane: Lane) -> None:
    assert await collect(lane, lambda: iter(range(5 * STREAM_BUFFER_ITEMS))) == list(range(5 * STREAM_BUFFER_ITEMS))
    assert await collect(lane, lambda: iter(())) == []


async def test_a_stream_that_fails_gives_what_it_made_and_then_its_error(lane: Lane) -> None:
    def work() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    stream = lane.stream(work, deadline_s=0.0, cancel=CancelToken())
    assert [await anext(stream), await anext(stream)] == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        await anext(stream)


async def test_a_slow_consumer_holds_the_worker_back(lane: Lane) -> None:
    made: list[int] = []

    def work() -> Iterator[int]:
        for number in range(10 * STREAM_BUFFER_ITEMS):
            made.append(number)
            yield number

    leads: list[int] = []
    async for item in lane.stream(work, deadline_s=0.0, cancel=CancelToken()):
        await asyncio.to_thread(lambda: None)
        leads.append(len(made) - 1 - item)
    assert len(leads) == 10 * STREAM_BUFFER_ITEMS
    assert max(leads) <= STREAM_BUFFER_ITEMS + 1


async def test_a_consumer_that_leaves_early_cancels_the_work(lane: Lane) -> None:
    cancel = CancelToken()

    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    stream = lane.stream(endless, deadline_s=0.0, cancel=cancel)
    assert isinstance(stream, AsyncGenerator)
    async for item in stream:
        if item == 3:
            break
    await stream.aclose()
    assert cancel.cancelled
    assert await collect(lane, lambda: iter((7,))) == [7]


async def test_a_stream_cancelled_while_its_buffer_is_full_frees_its_worker_though_nobody_reads(lane: Lane) -> None:
    cancel = CancelToken()
    made: list[int] = []

    def work() -> Iterator[int]:
        for number in range(10 * STREAM_BUFFER_ITEMS):
            made.append(number)
            yield number

    stream = lane.stream(work, deadline_s=0.0, cancel=cancel)
    assert await anext(stream) == 0
    await eventually(lambda: len(made) > STREAM_BUFFER_ITEMS + 1)
    cancel.cancel()
    async with asyncio.timeout(WAIT_S):
        assert await collect(lane, lambda: iter((7,))) == [7]
    with pytest.raises(Cancelled):
        [item async for item in stream]
    assert len(made) == STREAM_BUFFER_ITEMS + 2


async def test_a_stream_read_to_its_end_does_not_cancel_its_token(lane: Lane) -> None:
    cancel = CancelToken()
    await collect(lane, lambda: iter((1, 2)), cancel)
    assert not cancel.cancelled


async def test_a_stream_that_waits_in_the_queue_can_be_cancelled(lane: Lane) -> None:
    cancel = CancelToken()
    async with Occupied(lane) as occupied:
        reading = asyncio.ensure_future(collect(lane, lambda: iter((1,)), cancel))
        await occupied.queued(1)
        cancel.cancel()
        with pytest.raises(Cancelled):
            await reading
        assert lane.depth == 0


# --- giving way


class Numbers:
    """A stream's work: numbers, the second half of them made behind a gate; unless it is `hasty`, it would give way
    behind each of them. `log` tells what was made, and its end.
    """

    def __init__(self, count: int, log: list[str], *, hasty: bool = False) -> None:
        self.gate = Gate()
        self._count, self._log, self._hasty = count, log, hasty

    def __call__(self) -> Iterator[int | GiveWay]:
        try:
            for number in range(self._count):
                if number == self._count // 2:
                    self.gate.pass_through()
                self._log.append(str(number))
                yield number
                if not self._hasty:
                    yield GiveWay()
        finally:
            self._log.append("closed")


async def drained(stream: AsyncIterator[int]) -> list[int]:
    return [item async for item in stream]


@pytest.mark.parametrize(
    ("hasty", "order"),
    [
        (False, ["0", "1", "2", "3", "earlier", "4", "5", "closed", "as early", "later"]),
        (True, ["0", "1", "2", "3", "4", "5", "closed", "earlier", "as early", "later"]),
    ],
)
async def test_a_stream_that_would_gives_way_to_work_that_is_due_earlier_and_loses_nothing(
    lane: Lane, *, hasty: bool, order: list[str]
) -> None:
    log: list[str] = []
    numbers = Numbers(6, log, hasty=hasty)
    reading = asyncio.ensure_future(drained(lane.stream(numbers, deadline_s=5.0, cancel=CancelToken())))
    await numbers.gate.reached()
    others = [
        asyncio.ensure_future(lane.run(partial(log.append, name), deadline_s=deadline_s, cancel=CancelToken()))
        for name, deadline_s in (("later", 6.0), ("as early", 5.0), ("earlier", 4.0))
    ]
    await eventually(lambda: lane.depth == len(others))
    numbers.gate.open()
    assert await reading == list(range(6))
    await asyncio.gather(*others)
    assert log == order


async def test_streams_that_give_way_one_to_the_other_lose_nothing(lane: Lane) -> None:
    count = 5 * STREAM_BUFFER_ITEMS
    ended: list[float] = []
    found: dict[float, list[int]] = {}

    def work(deadline_s: float) -> Iterator[int | GiveWay]:
        for number in range(count):
            yield GiveWay()
            yield number
        ended.append(deadline_s)

    async def read(group: asyncio.TaskGroup, deadline_s: float) -> None:
        items = found.setdefault(deadline_s, [])
        async for item in lane.stream(partial(work, deadline_s), deadline_s=deadline_s, cancel=CancelToken()):
            items.append(item)
            # The work is at most a full buffer ahead, so that most of it is to come.
            if item == STREAM_BUFFER_ITEMS and deadline_s > 1.0:
                group.create_task(read(group, deadline_s - 1.0))

    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        group.create_task(read(group, 3.0))
    assert found == {deadline_s: list(range(count)) for deadline_s in (3.0, 2.0, 1.0)}
    assert ended == [1.0, 2.0, 3.0]


async def test_what_only_gives_way_reaches_nobody_and_is_no_first_result(lane: Lane) -> None:
    timing = JobTiming()
    first_at_us: list[int] = []

    def work() -> Iterator[int | GiveWay]:
        for number in range(3):
            yield GiveWay()
            first_at_us.append(timing.first_at_us)
            yield number

    stream = lane.stream(work, deadline_s=0.0, cancel=CancelToken(), timing=timing)
    assert await drained(stream) == [0, 1, 2]
    assert first_at_us[0] == 0
    assert first_at_us[1] == first_at_us[2] > 0


class GivenWay:
    """A stream that has given way to a job that stands before a gate on the only worker."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.log: list[str] = []
        self.cancel = CancelToken()
        self.numbers = Numbers(4, self.log)
        self.stream = lane.stream(self.numbers, deadline_s=5.0, cancel=self.cancel)
        self._gate = Gate()
        self._job: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "GivenWay":
        assert await anext(self.stream) == 0
        await self.numbers.gate.reached()
        self._job = asyncio.ensure_future(self.lane.run(self._gate.pass_through, deadline_s=1.0, cancel=CancelToken()))
        await eventually(lambda: self.lane.depth == 1)
        self.numbers.gate.open()
        await self._gate.reached()
        assert self.lane.depth == 1
        assert self.log == ["0", "1", "2"]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gate.open()
        assert self._job is not None
        async with asyncio.timeout(WAIT_S):
            await self._job


async def test_a_stream_cancelled_while_it_has_given_way_ends_and_its_work_is_closed(lane: Lane) -> None:
    async with GivenWay(lane) as given:
        given.cancel.cancel()
        assert lane.depth == 0
        assert given.log == ["0", "1", "2", "closed"]
        assert [await anext(given.stream), await anext(given.stream)] == [1, 2]
        with pytest.raises(Cancelled):
            await anext(given.stream)
    assert await collect(lane, lambda: iter((7,))) == [7]
    assert given.log == ["0", "1", "2", "closed"]


async def test_a_consumer_that_leaves_while_its_stream_has_given_way_takes_it_out_of_the_queue(lane: Lane) -> None:
    async with GivenWay(lane) as given:
        assert isinstance(given.stream, AsyncGenerator)
        await given.stream.aclose()
        assert given.cancel.cancelled
        assert lane.depth == 0
        assert given.log[-1] == "closed"


async def test_closing_ends_a_stream_that_has_given_way(lane: Lane) -> None:
    async with GivenWay(lane) as given:
        assert not lane.close(timeout_s=0.0)
        with pytest.raises(Cancelled):
            await drained(given.stream)
        assert given.log == ["0", "1", "2", "closed"]


async def test_a_stream_that_gives_way_in_the_moment_its_lane_is_closed_is_not_taken_up_again(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "presses", lambda deadline_s: True)
    gate, closed = Gate(), list[str]()

    def work() -> Iterator[int | GiveWay]:
        try:
            yield 0
            gate.pass_through()
            while True:
                yield GiveWay()
        finally:
            closed.append("closed")

    stream = lane.stream(work, deadline_s=5.0, cancel=CancelToken())
    assert await anext(stream) == 0
    await gate.reached()
    assert not lane.close(timeout_s=0.0)
    gate.open()
    with pytest.raises(Cancelled):
        await anext(stream)
    assert closed == ["closed"]
    assert await asyncio.to_thread(lane.close, WAIT_S)


async def test_a_lane_says_whether_work_waits_that_is_due_before(lane: Lane) -> None:
    assert not lane.presses(9.0)
    async with Occupied(lane) as occupied:
        assert not lane.presses(9.0), "what is being done does not wait"
        occupied.add(lambda: None, deadline_s=3.0)
        occupied.add(lambda: None, deadline_s=2.0)
        await occupied.queued(2)
        assert [lane.presses(deadline_s) for deadline_s in (1.0, 2.0, 2.5, 9.0)] == [False, False, True, True]


async def test_it_is_told_when_work_was_added_and_not_when_it_was_refused() -> None:
    told: list[bool] = []
    gate = Gate()
    lane = Lane(
        "test", threads=1, queue_max=1, stage=Stage.TTS, on_queued=lambda: told.append(not began or lane.presses(9.0))
    )
    began: list[asyncio.Task[Any]] = []
    jobs: list[asyncio.Task[Any]] = [
        asyncio.ensure_future(lane.run(gate.pass_through, deadline_s=0.0, cancel=CancelToken()))
    ]
    await gate.reached()
    began += jobs
    jobs.append(asyncio.ensure_future(drained(lane.stream(lambda: iter((1,)), deadline_s=1.0, cancel=CancelToken()))))
    await eventually(lambda: lane.depth == 1)
    assert told == [True, True], "it can be seen in the queue by then"
    with pytest.raises(VoiceAgentError):
        await lane.run(lambda: None, deadline_s=0.0, cancel=CancelToken())
    assert len(told) == 2
    gate.open()
    await asyncio.gather(*jobs)
    assert await asyncio.to_thread(lane.close, WAIT_S)


# --- closing


async def test_closing_abandons_what_waits_and_refuses_what_comes() -> None:
    lane = Lane("test", threads=1, queue_max=QUEUE_MAX, stage=Stage.TTS)
    cancel = CancelToken()
    async with Occupied(lane) as occupied:
        waiting = occupied.add(lambda: "never", cancel=cancel)
        await occupied.queued(1)
        assert not lane.close(timeout_s=0.0), "a worker is still busy"
        with pytest.raises(Cancelled):
            await waiting
        assert cancel.cancelled
        with pytest.raises(VoiceAgentError) as refusal:
            await lane.run(lambda: "never", deadline_s=0.0, cancel=CancelToken())
        assert refusal.value.failure.reason is FailureReason.DRAINING
    assert await asyncio.to_thread(lane.close, WAIT_S)


def test_a_result_for_a_loop_that_is_gone_is_dropped() -> None:
    gate = Gate()
    lane = Lane("test", threads=1, queue_max=1, stage=Stage.TTS)

    async def leave() -> None:
        job = asyncio.ensure_future(lane.run(gate.pass_through, deadline_s=0.0, cancel=CancelToken()))
        await gate.reached()
        job.cancel()

    asyncio.run(leave())
    gate.open()
    assert lane.close(WAIT_S)
    assert lane.busy == 0
