"""`voice-orchestrator timeline`: where the page goes, what is said of it, and one line when it cannot be made."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support.call_reports import report
from support.session_journal import long_call, write_journal
from support.wav_files import write_wav

from voice_operations.command_line import EXIT_ERROR, run
from voice_orchestrator.cli.timeline import timeline

SILENCE = np.zeros((16_000, 2), dtype=np.int16)


@pytest.fixture
def call(tmp_path: Path) -> Path:
    script = long_call()
    write_journal(tmp_path / "journal.jsonl", script)
    (tmp_path / "report.json").write_text(json.dumps(report(script)), encoding="utf-8")
    write_wav(tmp_path / "recording.wav", SILENCE)
    return tmp_path


def made(*arguments: str | Path) -> Result:
    return CliRunner().invoke(timeline, [str(each) for each in arguments])


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What the command says on stderr when it fails, one line."""
    assert run(lambda: timeline.main([str(each) for each in arguments], standalone_mode=False)) == EXIT_ERROR
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_the_page_lies_in_the_folder_of_the_call(call: Path) -> None:
    result = made(call)
    assert result.exit_code == 0
    path = call / "timeline.html"
    assert result.stdout.startswith(f"timeline: {path} (")
    assert result.stderr == ""
    assert path.read_text(encoding="utf-8").count('src="data:audio/ogg;base64,') == 1


def test_the_page_may_go_elsewhere_and_without_sound(call: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.html"
    result = made(call / "journal.jsonl", "--no-sound", "--out", path)
    assert result.exit_code == 0
    assert not (call / "timeline.html").exists()
    assert "<audio" not in path.read_text(encoding="utf-8")
    assert result.stderr == "The sound itself is left out: the page was made so.\n"


def test_what_is_broken_is_one_line(call: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no such call" in complaint(capsys, call / "nowhere")
    assert complaint(capsys, call, "--out", call / "no" / "such.html").endswith("; choose another file with --out")
    document = json.loads((call / "report.json").read_bytes())
    (call / "report.json").write_text(json.dumps({**document, "session_id": "other"}), encoding="utf-8")
    assert "report.json: is of another call than journal.jsonl" in complaint(capsys, call)
    (call / "report.json").write_text("{", encoding="utf-8")
    assert "report.json: is not JSON" in complaint(capsys, call)
    (call / "report.json").unlink()
    (call / "recording.wav").write_bytes((call / "recording.wav").read_bytes()[:1_000])
    assert "recording.wav: is cut short" in complaint(capsys, call)
    (call / "journal.jsonl").write_text("no journal\n", encoding="utf-8")
    assert "journal.jsonl: line 1 is not JSON" in complaint(capsys, call)


def test_a_call_whose_journal_was_cut_is_not_shifted(call: Path) -> None:
    lines = (call / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (call / "journal.jsonl").write_bytes(b"".join(lines[: len(lines) // 2]) + b'{"cut":"size_cap","end":null}\n')
    older = json.loads((call / "report.json").read_text(encoding="utf-8"))
    older.pop("origin_ms", None)
    (call / "report.json").write_text(json.dumps(older), encoding="utf-8")
    result = made(call)
    assert result.exit_code == 0
    assert result.stderr == (
        "No report says where the recording begins: sound and journal may be some milliseconds apart. "
        "The journal was not closed: the call may have gone on after its last event.\n"
    )
    assert '"origin_ms":0' in (call / "timeline.html").read_text(encoding="utf-8")
