"""Turns a call's log into transcript.json: who said what, and of the agent only what was heard.

speaker       caller or agent
turn          the caller's turn it is, or answers; 0 for a line nobody asked for
text          the words; of the agent those the caller heard
interrupted   of the agent: it had more to say
start_ms      positions in the recording, where they are known; end_ms likewise
"""

from collections.abc import Mapping
from typing import Any

from voice_contract.audio import ms_from_samples
from voice_orchestrator.edges.speaker import RunPlayed
from voice_orchestrator.reports.call_log import CallLog, RunRecord, TurnRecord
from voice_orchestrator.reports.call_report import heard_words


def make_transcript(log: CallLog, played: Mapping[int, RunPlayed], origin_ms: int) -> list[dict[str, Any]]:
    """What was said, in order of time; `origin_ms` is the session time of the recording's first sample."""
    entries = [_said(record, origin_ms) for record in log.turns.values() if record.committed and record.words]
    for run_id, run in log.runs.items():
        span = played.get(run_id)
        if run.audible and heard_words(run, span):
            entries.append(_heard(run, span))
    return sorted(entries, key=lambda entry: entry.get("start_ms", 0))


def _said(record: TurnRecord, origin_ms: int) -> dict[str, Any]:
    return {
        "speaker": "caller",
        "turn": record.turn.id,
        "text": record.words,
        "start_ms": max(0, record.turn.started_at_ms - origin_ms),
        "end_ms": max(0, record.turn.spoken_until_ms - origin_ms),
    }


def _heard(run: RunRecord, span: RunPlayed | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"speaker": "agent", "turn": run.turn_id, "text": heard_words(run, span)}
    if span is not None:
        entry["start_ms"] = ms_from_samples(span.start_samples)
        entry["end_ms"] = ms_from_samples(span.end_samples)
    entry["interrupted"] = run.interrupted
    return entry
