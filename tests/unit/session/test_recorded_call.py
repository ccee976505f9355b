"""The recorded call of docs/demo replays: journals of this version stay readable."""

from pathlib import Path

from voice_orchestrator.runtime.replay import replay

DEMO = Path(__file__).resolve().parents[3] / "docs" / "demo" / "journal.jsonl"


def test_the_recorded_call_replays_byte_for_byte() -> None:
    result = replay(DEMO)
    assert result.identical, result.first_difference
    assert result.whole
    assert result.events > 100
