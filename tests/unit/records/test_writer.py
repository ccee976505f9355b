"""The thread that writes: in order, within its bounds, whatever one of its jobs does."""

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import structlog
from support.eventually import eventually

from voice_orchestrator.records.writer import JOBS_WAITING_MAX, RecordWriter


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


async def test_work_is_done_in_order_on_one_other_thread() -> None:
    writer, done = RecordWriter(), list[tuple[int, str]]()

    def work(index: int) -> None:
        done.append((index, threading.current_thread().name))

    for index in range(200):
        assert writer.offer(partial(work, index), 1)
    assert await writer.close(20)
    assert done == [(index, "record_writer") for index in range(200)]
    assert writer.waiting_bytes == 0


async def test_what_waits_is_bounded_but_an_end_is_always_taken() -> None:
    writer, go, done = RecordWriter(waiting_bytes_max=100), threading.Event(), list[str]()
    writer.post(lambda: done.append(f"first {go.wait(20)}"))
    assert writer.offer(lambda: done.append("small"), 60)
    assert not writer.offer(lambda: done.append("refused"), 41)
    assert writer.offer(lambda: done.append("fits"), 40)
    assert writer.post(lambda: done.append("end"))
    go.set()
    await eventually(lambda: not writer.waiting_bytes)
    assert writer.offer(lambda: done.append("later"), 100)
    assert await writer.close(20)
    assert done == ["first True", "small", "fits", "end", "later"]


async def test_no_more_pieces_of_work_wait_than_may_but_for_ends() -> None:
    writer, go = RecordWriter(), threading.Event()
    writer.post(lambda: go.wait(20))
    await eventually(lambda: not writer.waiting_jobs)
    assert [writer.offer(str, 0) for _ in range(JOBS_WAITING_MAX + 3)] == [True] * JOBS_WAITING_MAX + [False] * 3
    assert writer.post(str)
    go.set()
    await eventually(lambda: not writer.waiting_jobs)
    assert writer.offer(str, 0)
    assert await writer.close(20)


async def test_a_defect_costs_one_job_and_is_logged_without_what_people_said(logged: list[Any]) -> None:
    writer, done = RecordWriter(), list[str]()

    def broken() -> None:
        words = "my secret words"
        raise RuntimeError(words)

    writer.post(broken)
    writer.post(lambda: done.append("next"))
    assert await writer.close(20)
    assert done == ["next"]
    assert [(entry["event"], entry["error"]) for entry in logged] == [("record_job_failed", "RuntimeError")]
    assert "secret" not in str(logged)


async def test_a_job_that_does_not_end_does_not_hold_up_the_process() -> None:
    writer, go, done = RecordWriter(), threading.Event(), list[bool]()
    writer.post(lambda: done.append(go.wait(20)))
    assert not await writer.close(0.01)
    assert not writer.post(lambda: None)
    assert not writer.offer(lambda: None, 0)
    go.set()
    assert await writer.close(20)
    assert done == [True]


async def test_a_writer_that_was_never_used_has_no_thread() -> None:
    before = threading.active_count()
    writer = RecordWriter()
    assert threading.active_count() == before
    assert await writer.close(1)
