"""Does the bench of how fast the product answers see what it is there to see."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fast_rows.clips import Clip, conversations, load_clips
from fast_rows.naive import NaiveTurn, first_sentence
from fast_rows.product import Made
from fast_rows.row import Row, figure, markdown, table
from fast_rows.talked_over import SPEECH_KINDS, events_of, pauses_ms
from fast_rows.talked_over import rows_of as onset_rows
from fast_rows.unheard import runs_of, unheard
from fast_rows.voice_to_voice import STAGES, Answers, crowd_rows, one_caller_rows
from measure_conversation import MANIFEST

RATE_HZ = 16_000


def clip(name: str = "a.wav", start_s: float = 0.5, end_s: float = 1.5) -> Clip:
    return Clip(path=Path(name), speech_start_s=start_s, speech_end_s=end_s)


def latency(endpointing_ms: int, **others: int) -> dict[str, Any]:
    stages = dict.fromkeys(STAGES, 0) | {"endpointing": endpointing_ms} | others
    return {"turn": 1, "total_ms": sum(stages.values()), "stages_ms": stages}


def call(
    folder: Path, agent: list[tuple[float, float]], starts_ms: list[int | None], turns: list[dict[str, Any]]
) -> Made:
    """A call of 10 s in which the agent sounds in the stretches `agent`, seconds."""
    samples = np.zeros((10 * RATE_HZ, 2), dtype=np.int16)
    for begin_s, end_s in agent:
        samples[round(begin_s * RATE_HZ) : round(end_s * RATE_HZ), 1] = 5_000
    soundfile.write(folder / "recording.wav", samples, RATE_HZ)
    report = {"files": [{"start_ms": start_ms} for start_ms in starts_ms], "turns": turns}
    engines = {"stt": {"queued_ms": 7.0}, "tts": [{"queued_ms": 3.0}, {"queued_ms": 900.0}]}
    record = {"turns": [{"engines": engines}, {}]}
    (folder / "report.json").write_text(json.dumps(record), encoding="utf-8")
    return Made(folder=folder, report=report, record=folder)


def test_a_row_says_whether_its_bar_was_kept() -> None:
    kept, missed = (Row(what="x", value=value, unit="ms", bar_max=100.0) for value in (100.0, 100.1))
    assert kept.met is True
    assert missed.met is False
    assert Row(what="x", value=None, unit="ms", bar_max=100.0).met is False
    assert Row(what="x", value=1.0, unit="ms").met is None


def test_the_table_names_what_was_missed() -> None:
    lines = table([Row(what="start", value=4.5, unit="s", bar_max=4.0), Row(what="told", value=1_234.0, unit="MB")])
    missed, told = lines.splitlines()[1:]
    assert missed.split() == ["start", "4.50", "s", "4.00", "NO"]
    assert told.split() == ["told", "1,234", "MB"]
    assert figure(None, "ms") == "-"


def test_the_page_of_results_has_the_same_rows() -> None:
    lines = markdown([Row(what="  start", value=4.5, unit="s", bar_max=4.0), Row(what="told", value=1.0, unit="MB")])
    assert lines.splitlines()[2:] == [
        "| &nbsp;&nbsp;start | 4.50 s | 4.00 s | **no** |  |",
        "| told | 1.00 MB |  |  |  |",
    ]


def test_latency_is_from_the_last_speech_sample_to_the_first_agent_sound(tmp_path: Path) -> None:
    answers = Answers()
    # The greeting sounds before; 2.0 + 1.5 s is the end of speech, and the agent begins at 4.1 s.
    made = call(tmp_path, [(0.2, 1.0), (4.1, 5.0)], [2_000], [latency(500, synthesis=70, first_clause=20)])
    answers.take(made, [clip()])
    assert answers.latencies_ms == [pytest.approx(600, abs=0.1)]
    assert answers.rest_ms == [90]
    assert answers.queued_ms == {"stt": [7.0], "llm": [], "tts": [3.0]}


def test_an_answer_before_the_caller_has_finished_is_no_latency(tmp_path: Path) -> None:
    answers = Answers()
    answers.take(call(tmp_path, [(3.0, 3.2), (4.1, 5.0)], [2_000], []), [clip()])
    assert (answers.latencies_ms, answers.cut) == ([], 1)


def test_an_answer_belongs_to_the_turn_before_the_next_one_begins(tmp_path: Path) -> None:
    answers = Answers()
    made = call(tmp_path, [(6.5, 7.0)], [1_000, 4_500, None], [])
    answers.take(made, [clip(), clip(), clip()])
    assert answers.latencies_ms == [pytest.approx(500, abs=0.1)]
    assert answers.unanswered == 2


def test_a_ratio_over_its_bar_is_missed() -> None:
    naive = [NaiveTurn(silence_ms=200, stt_ms=700, llm_ms=50, tts_ms=50)] * 4
    answers = Answers(latencies_ms=[300, 300, 300, 700])
    rows = {row.what: row for row in one_caller_rows(answers, naive)}
    assert rows["one caller : naive, p50"].value == pytest.approx(0.3)
    assert rows["one caller : naive, p50"].met is True
    assert rows["one caller : naive, p95"].met is False
    # Nothing was reported: that is not a bar kept.
    assert rows["everything except the endpointing wait, p50"].met is False


def test_many_callers_are_held_against_one() -> None:
    rows = {row.what: row for row in crowd_rows(Answers(latencies_ms=[400.0]), Answers(latencies_ms=[1_000.0]), 4)}
    ratio = rows["4 callers : one caller, p95"]
    assert ratio.value == pytest.approx(2.5)
    assert ratio.met is False


@pytest.mark.parametrize(
    ("text", "ended", "sentence"),
    [
        ("We open at eight. And", False, "We open at eight."),
        ("We open at eight.", False, ""),
        ("We open at eight.", True, "We open at eight."),
        ("We open at 8.30 and", False, ""),
        ('He said "yes." Then', False, 'He said "yes."'),
    ],
)
def test_the_naive_sequence_waits_for_a_whole_sentence(text: str, ended: bool, sentence: str) -> None:
    assert first_sentence(text, ended=ended) == sentence


def test_only_clips_without_a_pause_are_said(tmp_path: Path) -> None:
    base = {"speech_start_s": 0.3, "speech_end_s": 2.0, "text": "words", "pauses_s": [], "seconds": 2.4}
    rows = [
        base | {"file": "long.wav", "seconds": 3.0},
        base | {"file": "short.wav"},
        base | {"file": "pausing.wav", "pauses_s": [[1.0, 1.5]]},
        base | {"file": "noise.wav", "text": None, "pauses_s": None},
        base | {"file": "too_long.wav", "seconds": 30.0},
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert [each.path.name for each in load_clips(tmp_path)] == ["short.wav", "long.wav"]


def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"--speech"):
        load_clips(tmp_path)


def test_every_clip_is_said_before_one_is_said_again() -> None:
    said = conversations([clip(name) for name in "abcde"], calls=2, turns=3)
    assert [[each.path.name for each in talk] for talk in said] == [["a", "b", "c"], ["d", "e", "a"]]


def test_only_speech_is_played_over_the_agent() -> None:
    kinds = {row["file"]: row["kind"] for row in map(json.loads, MANIFEST.read_text(encoding="utf-8").splitlines())}
    assert {kinds[name] for name in events_of(MANIFEST)} == SPEECH_KINDS


def test_what_ended_by_itself_was_not_paused() -> None:
    base = {"kind": "interruption", "stop_ms": 60.0, "settled": "stopped"}
    findings = [
        base,
        base | {"stop_ms": 500.0, "settled": "ended"},
        base | {"stop_ms": 900.0, "settled": "missed"},
        base | {"kind": "backchannel", "stop_ms": 80.0, "settled": "resumed"},
        base | {"kind": "sentence", "stop_ms": 70.0},
        base | {"stop_ms": None, "settled": "agent_silent"},
    ]
    assert pauses_ms(findings) == [60.0, 80.0]
    p50, p95 = onset_rows(findings)
    assert p50.note == "2 onsets, 1 interruptions missed"
    assert (p50.met, p95.met) == (True, True)


def event(at_ms: int, name: str, run_id: int = 0, *, orders: tuple[tuple[int, str, int], ...] = (), **more: int) -> Any:
    """A line of a journal; `orders` are (run, message, segment)."""
    commands = [
        {"is": "ToInference", "run_id": run, "message": {"is": message, "segment_index": segment}}
        for run, message, segment in orders
    ]
    return {"event": {"is": name, "at_ms": at_ms, "run_id": run_id, **more}, "commands": commands}


def test_an_unheard_run_is_charged_for_as_long_as_it_worked() -> None:
    journal = [
        {"journal": 1},
        event(1_000, "CallerTranscribed", orders=((1, "Generate", 0),)),
        event(1_100, "ReplyText", 1, orders=((1, "Synthesize", 0),)),
        event(1_200, "SegmentSynthesised", 1, segment_index=0),
        event(1_300, "ReplyEnded", 1),
        # It waits, and costs nothing, until a new one takes its place.
        event(5_000, "CallerTranscribed", orders=((1, "CancelRun", 0), (2, "Generate", 0))),
        event(5_200, "SpeechStarted", orders=((2, "CancelRun", 0),)),
        event(6_000, "CallerTranscribed", orders=((3, "Generate", 0),)),
        event(6_400, "SegmentStarted", 3, segment_index=0),
        event(7_000, "ReplyEnded", 3),
        {"end": 8},
    ]
    runs = runs_of(journal)
    assert {number: (run.heard, run.busy_ms()) for number, run in runs.items()} == {
        1: (False, 300),
        2: (False, 200),
        3: (True, 1_000),
    }
    found = unheard([journal], cpu_s=10.0, cores=2)
    assert (found.runs, found.unheard_runs) == (3, 2)
    assert found.share == pytest.approx(10.0)


def test_work_that_was_open_at_the_end_of_the_call_counts() -> None:
    journal = [event(100, "CallerTranscribed", orders=((1, "Generate", 0),)), event(400, "CallerHungUp")]
    assert runs_of(journal)[1].busy_ms() == 300
