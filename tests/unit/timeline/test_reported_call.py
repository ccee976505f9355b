"""What a report adds to a journal: where the recording begins in it."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.call_reports import ORIGIN_MS, report, span
from support.session_script import Script

from voice_operations.operator_error import OperatorError
from voice_orchestrator.session import events as e
from voice_orchestrator.timeline.reported_call import read_report


def answered_call() -> Script:
    script = Script().open()
    script.after(1_000).say("Are you open today?").respond("Yes.")
    script.after(1_000).finish().after(500).do(e.CallerHungUp)
    return script


def written(folder: Path, document: Any) -> Path:
    path = folder / "report.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_the_recording_begins_where_the_report_counted_from(tmp_path: Path) -> None:
    script = answered_call()
    told = read_report(written(tmp_path, report(script, {1: span(2_250)})))
    assert told.origin_of(script.now_ms, whole=True) == ORIGIN_MS
    assert told.runs[1].start_ms == 2_250
    assert told.runs[1].heard == "Yes."
    assert set(told.voice_to_voice_ms) == {1}


def test_a_report_that_tells_the_beginning_is_believed(tmp_path: Path) -> None:
    told = read_report(written(tmp_path, {**report(answered_call()), "origin_ms": 7}))
    assert told.origin_of(99_000, whole=True) == 7
    assert told.origin_of(99_000, whole=False) == 7


def test_the_end_of_a_journal_that_was_cut_tells_nothing(tmp_path: Path) -> None:
    script = answered_call()
    older = {name: value for name, value in report(script).items() if name != "origin_ms"}
    told = read_report(written(tmp_path, older))
    assert told.origin_of(script.now_ms - 1_000, whole=False) is None


def test_a_run_without_sound_has_no_place_in_the_recording(tmp_path: Path) -> None:
    told = read_report(written(tmp_path, report(answered_call())))
    assert told.runs[1].start_ms is None


@pytest.mark.parametrize(
    "document",
    [[], {}, {"report": 2}, {"report": 1, "session_id": "x"}, None, "report", {"report": 1, "replies": [3]}],
    ids=lambda document: json.dumps(document)[:20],
)
def test_what_is_no_report_is_told_in_one_line(tmp_path: Path, document: Any) -> None:
    path = written(tmp_path, document)
    with pytest.raises(OperatorError) as refused:
        read_report(path)
    assert str(refused.value).startswith(f"{path}: is not a report of version 1; ")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000], ids=["empty", "cut", "bytes", "deep"])
def test_what_is_no_json_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(OperatorError, match=r"^\S+report\.json: is not JSON; move it away"):
        read_report(path)


def test_numbers_beyond_all_bounds_are_no_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**report(answered_call()), "duration_ms": float("inf")}), encoding="utf-8")
    with pytest.raises(OperatorError, match="is not a report of version 1"):
        read_report(path)
