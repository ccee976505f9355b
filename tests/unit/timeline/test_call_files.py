"""Which files a call is made of, however it is named."""

from pathlib import Path

import pytest

from voice_operations.operator_error import OperatorError
from voice_orchestrator.timeline.call_files import find_call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("journal.jsonl", "report.json", "recording.wav", "transcript.json"):
        (tmp_path / name).write_bytes(b"{}")
    return tmp_path


def refusal(path: Path) -> str:
    with pytest.raises(OperatorError) as refused:
        find_call(path)
    (problem,) = refused.value.problems
    return problem


@pytest.mark.parametrize("name", ["", "journal.jsonl", "recording.wav"])
def test_a_call_is_named_by_its_folder_its_journal_or_its_recording(folder: Path, name: str) -> None:
    found = find_call(folder / name)
    assert found.folder == folder
    assert found.journal == folder / "journal.jsonl"
    assert found.report == folder / "report.json"
    assert found.recording == folder / "recording.wav"


def test_a_recording_may_be_flac(folder: Path) -> None:
    (folder / "recording.wav").rename(folder / "recording.flac")
    assert find_call(folder).recording == folder / "recording.flac"


def test_a_call_that_was_killed_has_its_journal_alone(folder: Path) -> None:
    (folder / "recording.wav").unlink()
    (folder / "report.json").unlink()
    found = find_call(folder)
    assert (found.report, found.recording) == (None, None)


def test_a_journal_may_have_another_name(folder: Path) -> None:
    (folder / "journal.jsonl").rename(folder / "kept.jsonl")
    assert find_call(folder / "kept.jsonl").journal == folder / "kept.jsonl"


def test_what_is_no_call_is_told_in_one_line(folder: Path) -> None:
    assert refusal(folder / "nowhere") == (
        f"{folder / 'nowhere'}: there is no such call; name the folder that `voice-orchestrator call` wrote"
    )
    assert "is neither a call's folder nor its journal" in refusal(folder / "transcript.json")
    (folder / "journal.jsonl").unlink()
    for named in (folder, folder / "recording.wav"):
        assert refusal(named) == f"{folder}: holds no journal.jsonl; a timeline is made from the journal of a call"
