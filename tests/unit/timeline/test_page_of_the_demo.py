"""The page of the recorded call, number by number against its journal, its report and its samples."""

import base64
import json
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from voice_orchestrator.timeline.call_files import find_call
from voice_orchestrator.timeline.document import make_document
from voice_orchestrator.timeline.recorded_sound import read_sound
from voice_orchestrator.timeline.reported_call import read_report
from voice_orchestrator.timeline.story import read_story

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "docs" / "demo"
GOLDEN = sorted((ROOT / "tests" / "golden_journals").glob("*.jsonl"))


@cache
def demo() -> dict[str, Any]:
    files = find_call(DEMO)
    assert files.report is not None
    assert files.recording is not None
    story, reported = read_story(files.journal), read_report(files.report)
    document = make_document(story, reported, read_sound(files.recording, to_hear=False), "")
    # As a browser reads it.
    plain: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))
    return plain


@cache
def report() -> dict[str, Any]:
    plain: dict[str, Any] = json.loads((DEMO / "report.json").read_bytes())
    return plain


@cache
def agent_sound() -> NDArray[np.int16]:
    samples, rate_hz = soundfile.read(DEMO / "recording.flac", dtype="int16")
    assert rate_hz == 16_000
    side: NDArray[np.int16] = samples[:, 1]
    return side


def entries(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "event" in line]


def messages(path: Path, kind: str) -> list[dict[str, Any]]:
    """Messages to the edge."""
    commands = [command for entry in entries(path) for command in entry["commands"]]
    return [command["message"] for command in commands if command.get("message", {}).get("is") == kind]


def test_every_event_of_the_journal_is_listed() -> None:
    told, events = entries(DEMO / "journal.jsonl"), demo()["events"]
    assert [events["kinds"][row[1]] for row in events["rows"]] == [entry["event"]["is"] for entry in told]
    assert [row[0] for row in events["rows"]] == [
        entry["event"]["at_ms"] - demo()["call"]["origin_ms"] for entry in told
    ]
    assert [len(row[6]) for row in events["rows"]] == [len(entry["commands"]) for entry in told]
    assert Counter(events["ignored"][row[5]] for row in events["rows"] if row[5]) == Counter(
        entry["ignored"] for entry in told if entry["ignored"]
    )


def test_turns_are_those_of_the_report() -> None:
    committed = [turn for turn in demo()["turns"] if turn["committed"]]
    told = [
        {"turn": turn["id"], "caller": turn["words"], "voice_to_voice_ms": turn["v2v_ms"], "run": turn["run"]}
        for turn in committed
    ]
    answered = {reply["turn"]: reply["run"] for reply in report()["replies"]}
    assert told == [
        {key: turn[key] for key in ("turn", "caller", "voice_to_voice_ms")} | {"run": answered[turn["turn"]]}
        for turn in report()["turns"]
    ]


def test_stages_end_where_the_agent_begins_and_add_up() -> None:
    runs = {run["id"]: run for run in demo()["runs"]}
    stages = {runs[turn["run"]]["turn"]: dict(runs[turn["run"]]["stages"]) for turn in demo()["turns"]}
    assert stages == {turn["turn"]: turn["stages_ms"] for turn in report()["turns"]}
    for turn in demo()["turns"]:
        run = runs[turn["run"]]
        spoken_until = max(to for _, to, state in turn["states"] if state == "speaking")
        assert run["first_ms"] - sum(ms for _, ms in run["stages"]) == spoken_until


def test_runs_are_those_of_the_report_with_what_was_heard() -> None:
    heard = [run for run in demo()["runs"] if run["heard"]]
    assert [(run["id"], run["kind"], run["text"], run["heard"]) for run in heard] == [
        (reply["run"], reply["kind"], reply["text"], reply["heard"]) for reply in report()["replies"]
    ]
    assert len(demo()["barge_ins"]) == len(report()["barge_ins"])
    early = [run for run in demo()["runs"] if run["speculation"]]
    assert len(early) == len(messages(DEMO / "journal.jsonl", "SpeculationEnded"))
    for run in early:
        states = [state for _, _, state in run["states"]]
        assert states.index("speculative") < states.index("audible")


@pytest.mark.parametrize("index", range(4))
def test_words_lie_on_the_samples_of_the_recording(index: int) -> None:
    run = [run for run in demo()["runs"] if run["words"]][index]
    words, sound = run["words"], agent_sound()
    assert " ".join(word for _, _, word, _ in words) == run["heard"]
    assert all(heard for _, _, _, heard in words)
    assert all(before[1] <= after[0] + 1 for before, after in pairwise(words))
    # Silence until the first word; its sound begins within the frame.
    first, last = words[0][0], words[-1][1]
    before = sound[max(0, first - 150) * 16 : (first - 2) * 16]
    assert not before.any()
    assert sound[first * 16 : (first + 40) * 16].any()
    # The run's last sample is where its words and the silence of their sentence end.
    tail = np.flatnonzero(sound[: (last + 1_500) * 16])[-1] // 16
    assert last <= tail + 1
    assert tail - last <= 400


def test_speech_is_where_the_detector_heard_it() -> None:
    told = entries(DEMO / "journal.jsonl")
    origin = demo()["call"]["origin_ms"]
    starts = [each["event"]["spoken_at_ms"] - origin for each in told if each["event"]["is"] == "SpeechStarted"]
    ends = [each["event"]["spoken_at_ms"] - origin for each in told if each["event"]["is"] == "SpeechEnded"]
    assert [(begin, end) for begin, end, _ in demo()["speech"]] == list(zip(starts, ends, strict=True))


def test_peaks_are_those_of_the_samples() -> None:
    sound = demo()["sound"]
    peaks = np.frombuffer(base64.b64decode(sound["peaks"][1]), dtype=np.int8).reshape(-1, 2)
    bin_samples = sound["bin_ms"] * 16
    samples = agent_sound()
    assert len(peaks) == -(-len(samples) // bin_samples)
    loud = np.flatnonzero(peaks.any(axis=1))
    sounding = np.unique(np.flatnonzero(samples) // bin_samples)
    assert np.array_equal(loud, sounding)


def test_phases_follow_each_other_to_the_end() -> None:
    phases = demo()["phases"]
    assert [before[1] for before in phases[:-1]] == [after[0] for after in phases[1:]]
    changes = messages(DEMO / "journal.jsonl", "PhaseChanged")
    entered = [change["to_phase"] for change in changes if change["to_phase"] != "terminated"]
    shown = [state for _, _, state in phases]
    # Those that were left in the very millisecond in which they were entered take no room.
    left = iter(entered)
    assert all(state in left for state in shown if state != "created")
    assert demo()["call"]["cause"] == report()["end"]["cause"]


@pytest.mark.parametrize("journal", GOLDEN, ids=lambda path: path.stem)
def test_a_journal_alone_makes_a_page_too(journal: Path) -> None:
    story = read_story(journal)
    document = make_document(story, None, None, "")
    assert len(document["events"]["rows"]) == len(entries(journal))
    assert len(document["failures"]) == len(messages(journal, "Failure"))
    decided = [each for each in messages(journal, "BargeIn") if each["outcome"] != "paused"]
    assert len([each for each in document["barge_ins"] if each["outcome"] != "paused"]) == len(decided)
    assert len(document["runs"]) == len({run for entry in entries(journal) for run in _runs_named(entry)})


def _runs_named(entry: dict[str, Any]) -> set[int]:
    return {command["run_id"] for command in entry["commands"] if command.get("run_id")}
