"""What the measured figures speak for: thread counts and session slots, with the reason. Pure."""

from collections.abc import Sequence
from typing import Final

from voice_inference.bench.findings import Advice, LevelTimes, ThreadTimes
from voice_inference.bench.node_process import placement_yaml
from voice_inference.placement.model import Placement

P95_RISE_MAX: Final = 2.0
"""Callers at once may wait so many times as long as one caller alone, at the 95th percentile."""

WORTH_A_THREAD: Final = 0.95
"""More threads must bring the time below this share of what fewer take: other engines want the cores too."""


def advise(placement: Placement, threads: Sequence[ThreadTimes], levels: Sequence[LevelTimes]) -> Advice:
    """The placement that fits the figures; what they do not tell stays as it is."""
    counts = {times.stage: best_threads(times) for times in threads}
    sessions, why = session_slots(levels)
    engines = placement.engines.model_copy(
        update={
            stage.value: engine.model_copy(update={"threads": counts[stage.value]})
            for stage, engine in placement.engines.by_stage()
            if stage.value in counts
        }
    )
    limits = placement.limits.model_copy(update={"sessions": sessions or placement.limits.sessions})
    return Advice(
        sessions=sessions,
        sessions_why=why,
        threads=counts,
        threads_why={times.stage: _threads_why(times, counts[times.stage]) for times in threads},
        placement=placement_yaml(placement.model_copy(update={"engines": engines, "limits": limits})),
    )


def best_threads(times: ThreadTimes) -> int:
    """The fewest threads that more do not clearly beat."""
    best, best_ms = times.took_ms[0]
    for count, took_ms in times.took_ms[1:]:
        if took_ms < WORTH_A_THREAD * best_ms:
            best, best_ms = count, took_ms
    return best


def session_slots(levels: Sequence[LevelTimes]) -> tuple[int | None, str]:
    """The most callers measured whose p95 stays within the rise of one caller's, and why; None without one caller."""
    ordered = sorted(levels, key=lambda level: level.callers)
    if not ordered or ordered[0].callers != 1 or ordered[0].p95_ms is None:
        return None, "one caller alone was not measured; add 1 to --callers"
    one_ms = ordered[0].p95_ms
    limit_ms = P95_RISE_MAX * one_ms
    most, why = 1, f"one caller waits {one_ms:.0f} ms at p95"
    for level in ordered[1:]:
        if level.refused or level.unanswered or level.p95_ms is None:
            lost = f"{level.refused} sessions refused, {level.unanswered} turns not answered"
            return most, f"{why}; with {level.callers} callers {lost}"
        if level.p95_ms > limit_ms:
            return most, f"{why}; {level.callers} callers wait {level.p95_ms:.0f} ms, more than {limit_ms:.0f} ms"
        most, why = (
            level.callers,
            f"{level.callers} callers wait {level.p95_ms:.0f} ms at p95, at most {limit_ms:.0f} ms",
        )
    return most, f"{why}; more were not measured"


def _threads_why(times: ThreadTimes, chosen: int) -> str:
    told = ", ".join(f"{count}: {took_ms:.0f} ms" for count, took_ms in times.took_ms)
    fewer = " (more threads gain less than 5 %)" if chosen < times.took_ms[-1][0] else ""
    return told + fewer
