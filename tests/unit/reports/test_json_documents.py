"""How the documents of a call get onto the disk."""

import json
import stat
from pathlib import Path

import pytest

from voice_orchestrator.reports.json_document import write_json


def test_a_document_is_written_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("older", encoding="utf-8")
    write_json(path, {"text": "grüß dich"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"text": "grüß dich"}
    assert "grüß" in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_a_document_that_cannot_be_written_leaves_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("older", encoding="utf-8")
    with pytest.raises(TypeError):
        write_json(path, {"text": object()})
    assert path.read_text(encoding="utf-8") == "older"
