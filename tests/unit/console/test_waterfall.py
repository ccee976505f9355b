"""The latency of a turn as bars."""

from hypothesis import given
from hypothesis import strategies as st

from voice_contract.messages import TurnLatency
from voice_orchestrator.console.waterfall import BAR_CHARS, waterfall
from voice_orchestrator.reports.call_report import STAGES


def latency(*stages_ms: int) -> TurnLatency:
    names = (f"{stage}_ms" for stage in STAGES)
    spans = dict(zip(names, stages_ms, strict=True))
    return TurnLatency(utterance_id=3, total_ms=sum(stages_ms), **spans)


def bars(lines: list[str]) -> list[str]:
    """The part of every stage's line that is drawn."""
    return [line.partition(" ms  ")[2] for line in lines[1:]]


def test_the_heading_names_the_turn_and_its_total() -> None:
    heading = waterfall(latency(500, 100, 200, 50, 100, 50))[0]
    assert heading.startswith("turn 3: 1000 ms")


def test_every_stage_has_a_line_with_its_time_in_order() -> None:
    lines = waterfall(latency(500, 100, 200, 50, 100, 50))[1:]
    told = [line.partition(" ms")[0].rsplit(maxsplit=1) for line in lines]
    assert [(name.strip().replace(" ", "_"), int(took)) for name, took in told] == list(
        zip(STAGES, (500, 100, 200, 50, 100, 50), strict=True)
    )


def test_bars_follow_each_other_and_are_as_long_as_their_share_of_the_time() -> None:
    drawn = bars(waterfall(latency(500, 100, 200, 50, 100, 50)))
    assert drawn == [
        "█" * 20,
        " " * 20 + "█" * 4,
        " " * 24 + "█" * 8,
        " " * 32 + "█" * 2,
        " " * 34 + "█" * 4,
        " " * 38 + "█" * 2,
    ]


def test_a_stage_too_short_for_a_bar_is_still_seen_and_one_that_took_nothing_is_not() -> None:
    drawn = bars(waterfall(latency(5_100, 1, 0, 4_900, 0, 0)))
    assert drawn[1].strip() == "▏"
    assert drawn[2].strip() == ""


def test_a_turn_that_took_no_time_has_no_bars() -> None:
    lines = waterfall(latency(0, 0, 0, 0, 0, 0))
    assert len(lines) == 1 + len(STAGES)
    assert "".join(bars(lines)).strip() == ""


@given(st.lists(st.integers(0, 20_000), min_size=6, max_size=6))
def test_bars_never_overlap_and_together_are_the_whole_time(stages: list[int]) -> None:
    drawn = bars(waterfall(latency(*stages)))
    covered: list[int] = []
    for bar in drawn:
        covered += [column for column, char in enumerate(bar) if char == "█"]
    assert covered == list(range(BAR_CHARS if sum(stages) else 0))
