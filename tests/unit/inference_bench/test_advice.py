"""What the figures speak for."""

from dataclasses import replace

import pytest
import yaml
from support.placements import placement

from voice_inference.bench.advice import advise, best_threads, session_slots
from voice_inference.bench.findings import LevelTimes, ThreadTimes
from voice_inference.placement.model import Placement


def level(callers: int, p95_ms: float | None, *, refused: int = 0, unanswered: int = 0) -> LevelTimes:
    return LevelTimes(
        callers=callers, refused=refused, answered=5, unanswered=unanswered, p50_ms=p95_ms, p95_ms=p95_ms, stt_ms=1.0,
        first_text_ms=1.0, node_rss_mb=1.0, node_cores=1.0, bench_cores=0.1,
    )  # fmt: skip


def threads(stage: str, *took_ms: float) -> ThreadTimes:
    return ThreadTimes(stage=stage, placed_threads=2, took_ms=tuple(enumerate(took_ms, 1)))


@pytest.mark.parametrize(
    ("took_ms", "best"),
    [((300.0,), 1), ((300.0, 290.0), 1), ((300.0, 200.0), 2), ((300.0, 200.0, 195.0, 150.0), 4), ((200.0, 300.0), 1)],
)
def test_a_thread_must_be_worth_it(took_ms: tuple[float, ...], best: int) -> None:
    assert best_threads(threads("stt", *took_ms)) == best


@pytest.mark.parametrize(
    ("levels", "slots", "why"),
    [
        ([level(1, 500), level(2, 700), level(4, 1_000), level(8, 1_001)], 4, "8 callers wait 1001 ms, more than 1000"),
        ([level(2, 700), level(1, 500)], 2, "more were not measured"),
        ([level(1, 500), level(2, 1_500), level(4, 900)], 1, "2 callers wait 1500 ms"),
        (
            [level(1, 500), level(2, 700), level(4, 800, refused=1)],
            2,
            "with 4 callers 1 sessions refused, 0 turns not answered",
        ),
        ([level(1, 500), level(2, 700, unanswered=2)], 1, "0 sessions refused, 2 turns not answered"),
        ([level(1, 500), level(2, None)], 1, "2 callers"),
        ([level(2, 500)], None, "add 1 to --callers"),
        ([level(1, None)], None, "one caller alone"),
        ([], None, "one caller alone"),
    ],
)
def test_slots_are_the_most_callers_who_wait_twice_as_long_at_most(
    levels: list[LevelTimes], slots: int | None, why: str
) -> None:
    found, told = session_slots(levels)
    assert found == slots
    assert why in told


def test_the_advice_is_a_placement_that_can_be_used() -> None:
    placed = placement(llm={"options": {"context_tokens": 2048}}, stt={"threads": 2})
    found = advise(placed, [threads("stt", 300, 290), threads("tts", 100, 60)], [level(1, 500), level(2, 600)])
    written = Placement.model_validate(yaml.safe_load(found.placement))
    assert (written.engines.stt.threads, written.engines.tts.threads, written.limits.sessions) == (1, 2, 2)
    assert written.engines.llm == placed.engines.llm
    assert written.engines.vad == placed.engines.vad
    assert found.threads == {"stt": 1, "tts": 2}
    assert found.threads_why["stt"].startswith("1: 300 ms, 2: 290 ms")


def test_what_was_not_measured_stays_as_it_is() -> None:
    placed = placement(tts={"threads": 3})
    placed = placed.model_copy(update={"limits": placed.limits.model_copy(update={"sessions": 7})})
    written = Placement.model_validate(yaml.safe_load(advise(placed, [], []).placement))
    assert written == placed


def test_one_refused_caller_ends_the_count() -> None:
    many = [level(1, 500), level(2, 500), level(4, 500)]
    assert session_slots(many)[0] == 4
    assert session_slots([*many[:2], replace(many[2], refused=1)])[0] == 2
