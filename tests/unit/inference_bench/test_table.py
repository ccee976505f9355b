"""The findings as people read them."""

from dataclasses import replace

from voice_inference.bench.findings import (
    Advice,
    EngineTimes,
    Findings,
    LevelTimes,
    LlmTime,
    MachineFacts,
    StartUp,
    SttTime,
    ThreadTimes,
    TtsTime,
    VadTime,
)
from voice_inference.bench.table import lines_of

LEVEL = LevelTimes(
    callers=4, refused=2, answered=17, unanswered=1, p50_ms=612.4, p95_ms=901.7, stt_ms=231.0, first_text_ms=88.0,
    node_rss_mb=640.0, node_cores=1.2, bench_cores=0.15, why=("all 2 session slots are taken",),
)  # fmt: skip
FINDINGS = Findings(
    machine=MachineFacts(
        cpu="A Processor", cores=2, memory_mb=8_000, available_mb=6_000, load=0.1, versions={"numpy": "2.4.6"}
    ),
    placement="some/placement.yaml",
    speech="6 sentences",
    engines=EngineTimes(
        vad=(VadTime(batch=16, call_us=800, window_us=50, windows_per_s=20_000, session_second_ms=1.56),),
        stt=(SttTime(length_s=5.0, took_ms=300, real_time_factor=0.06),),
        end_of_turn_ms=24.0,
        llm=LlmTime(cold_first_ms=380, cached_first_ms=76, prompt_tokens=120, tokens_per_s=116),
        tts=TtsTime(first_clause_ms=87, real_time_factor=0.045),
    ),
    threads=(ThreadTimes(stage="stt", placed_threads=2, took_ms=((1, 309.0), (2, 296.0))),),
    start_up=StartUp(import_s=0.5, serving_s=3.1, rss_mb=594, torch_loaded=False),
    session_slots=2,
    levels=(LEVEL,),
    advice=Advice(
        sessions=4, sessions_why="because", threads={"stt": 1}, threads_why={"stt": "so"},
        placement="engines:\n  a: b\n",
    ),
)  # fmt: skip


def text(findings: Findings = FINDINGS) -> str:
    return "\n".join(lines_of(findings))


def test_every_figure_is_there() -> None:
    for shown in ("A Processor, 2 cores", "50 µs", "20,000 windows/s", "300 ms", "24 ms", "380 ms", "116 tokens/s",
                  "87 ms", "1: 309  2: 296", "3.10 s", "594 MB", "without torch", "some/placement.yaml"):  # fmt: skip
        assert shown in text()


def test_a_level_is_one_row_with_its_reasons_below() -> None:
    row, why = (line.split() for line in text().splitlines() if line.split()[:1] in (["4"], ["all"]))
    assert row == ["4", "17", "612", "902", "231", "88", "2", "1", "640", "1.20", "0.15"]
    assert why == ["all", "2", "session", "slots", "are", "taken"]


def test_what_was_not_measured_is_a_dash() -> None:
    silent = replace(LEVEL, p50_ms=None, p95_ms=None, stt_ms=None, first_text_ms=None)
    row = next(line.split() for line in text(replace(FINDINGS, levels=(silent,))).splitlines() if " 17 " in line)
    assert row[2:6] == ["-"] * 4


def test_what_the_placement_lacks_is_left_out() -> None:
    engines = replace(FINDINGS.engines, end_of_turn_ms=None)
    assert "end of turn" not in text(replace(FINDINGS, engines=engines, threads=()))
    assert "end of turn" in text()


def test_a_busy_machine_is_said() -> None:
    assert "other processes were busy" not in text()
    assert "other processes were busy" in text(replace(FINDINGS, machine=replace(FINDINGS.machine, load=1.5)))


def test_the_recommended_placement_can_be_copied() -> None:
    assert text().endswith("engines:\n  a: b")
