"""Journals of real calls are kept: this version and later ones replay them byte for byte, or refuse them by version."""

import json
from pathlib import Path

import pytest

from voice_orchestrator.runtime.replay import replay
from voice_orchestrator.session.reducer import REDUCER_VERSION

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = sorted((ROOT / "tests" / "golden_journals").glob("*.jsonl"))
DEMO = ROOT / "docs" / "demo" / "journal.jsonl"


def reducer_version(path: Path) -> int:
    with path.open(encoding="utf-8") as stream:
        return int(json.loads(stream.readline())["reducer"])


def test_calls_of_this_reducer_are_kept_as_soon_as_the_demo_is_one() -> None:
    current = [path for path in GOLDEN if reducer_version(path) == REDUCER_VERSION]
    assert current or reducer_version(DEMO) != REDUCER_VERSION


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_kept_journal_replays_byte_for_byte(path: Path) -> None:
    result = replay(path)
    assert result.identical, result.first_difference
    assert result.whole
