"""Turns a call's log into transcript.json and report.json."""

import json
import os
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from voice_contract.audio import ms_from_samples
from voice_contract.failures import Failure
from voice_contract.messages import EndCause, NodeDescription, TurnLatency, WorkTiming
from voice_orchestrator import __version__
from voice_orchestrator.edges.speaker import RunPlayed
from voice_orchestrator.reports.call_log import CallLog, RunRecord, TurnRecord
from voice_orchestrator.session.history import heard_text

STAGES: Final = ("endpointing", "transcription", "first_token", "first_clause", "synthesis", "delivery")
"""Stages of a turn in the order in which they follow each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What a report says of the call as a whole. `origin_ms`: session time of the recording's first sample."""

    session_id: str
    profile: str
    profile_sha256: str
    started_at: str
    cause: EndCause
    failure: Failure | None
    origin_ms: int
    node: NodeDescription | None
    counters: Mapping[str, int]
    files: tuple[dict[str, Any], ...]


def heard_words(run: RunRecord, span: RunPlayed | None) -> str:
    """What the caller heard of a run; of one the call ended in the middle of, as much as its loudspeaker had played."""
    if run.played_samples is None and not run.flushed and span is not None:
        return heard_text(run.segments, span.played_samples)
    return run.heard


def stages_ms(latency: TurnLatency) -> dict[str, int]:
    """The stages by name; they add up to `latency.total_ms`."""
    return {stage: getattr(latency, f"{stage}_ms") for stage in STAGES}


def make_transcript(log: CallLog, played: Mapping[int, RunPlayed], origin_ms: int) -> list[dict[str, Any]]:
    """What was said, in order of time; times are positions in the recording, ms."""
    entries: list[dict[str, Any]] = []
    for turn_id, record in log.turns.items():
        if record.turn.text and record.turn.committed_at_ms is not None:
            entries.append(
                {
                    "speaker": "caller",
                    "turn": turn_id,
                    "text": record.turn.text,
                    "start_ms": max(0, record.turn.started_at_ms - origin_ms),
                    "end_ms": max(0, record.turn.spoken_until_ms - origin_ms),
                }
            )
    for run_id, run in log.runs.items():
        span = played.get(run_id)
        if not run.audible or not heard_words(run, span):
            continue
        entry: dict[str, Any] = {"speaker": "agent", "turn": run.turn_id, "text": heard_words(run, span)}
        if span is not None:
            entry["start_ms"] = ms_from_samples(span.start_samples)
            entry["end_ms"] = ms_from_samples(span.end_samples)
        entry["interrupted"] = run.interrupted
        entries.append(entry)
    return sorted(entries, key=lambda entry: entry.get("start_ms", 0))


def make_report(log: CallLog, played: Mapping[int, RunPlayed], facts: CallFacts) -> dict[str, Any]:
    """The report: the call, every turn with its stages, medians over turns."""
    turns = [
        _turn(record, run, played.get(run.id) if run else None, facts.origin_ms)
        for turn_id, record in log.turns.items()
        if record.turn.committed_at_ms is not None
        for run in (_answer(log, turn_id),)
    ]
    return {
        "report": 1,
        "orchestrator_version": __version__,
        "session_id": facts.session_id,
        "profile": facts.profile,
        "profile_sha256": facts.profile_sha256,
        "started_at": facts.started_at,
        "duration_ms": max(0, log.ended_at_ms - facts.origin_ms),
        "end": {"cause": facts.cause.value, "failure": _failure(facts.failure)},
        "inference": _node(facts.node),
        "files": list(facts.files),
        "turns": turns,
        "medians": _medians(turns),
        "greeting": _greeting(log, played),
        "failures": [_failure(failure) for failure in log.call_failures],
        "counters": {**facts.counters, "partial_transcripts": log.stt_partials},
    }


def _answer(log: CallLog, turn_id: int) -> RunRecord | None:
    """The run that answered a turn: the last one that was heard, otherwise the last one tried."""
    tried = [run for run in log.runs.values() if run.turn_id == turn_id]
    heard = [run for run in tried if run.audible]
    found = heard or tried
    return found[-1] if found else None


def _turn(record: TurnRecord, run: RunRecord | None, span: RunPlayed | None, origin_ms: int) -> dict[str, Any]:
    turn = record.turn
    entry: dict[str, Any] = {
        "turn": turn.id,
        "typed": turn.typed,
        "caller": turn.text or "",
        "agent": heard_words(run, span) if run else "",
        "answered": bool(run and run.audible),
        "interrupted": bool(run and run.interrupted),
        "failures": [_failure(failure) for failure in (*record.failures, *(run.failures if run else ()))],
        "barge_ins": [
            {
                "at_ms": max(0, at_ms - origin_ms),
                "outcome": decision.outcome.value,
                "speech_ms": decision.speech_length_ms,
            }
            for at_ms, decision in (run.barge_ins if run else ())
        ],
        "engines": _engines(record, run),
    }
    if run is not None and run.latency is not None:
        entry["total_ms"] = run.latency.total_ms
        entry["stages_ms"] = stages_ms(run.latency)
    if span is not None and not turn.typed:
        entry["voice_to_voice_ms"] = ms_from_samples(span.start_samples) - (turn.spoken_until_ms - origin_ms)
    return entry


def _engines(record: TurnRecord, run: RunRecord | None) -> dict[str, Any]:
    engines: dict[str, Any] = {}
    if record.stt is not None:
        engines["stt"] = _timing(record.stt)
    if run is not None and run.llm is not None:
        engines["llm"] = {
            **_timing(run.llm.timing),
            "prompt_tokens": run.llm.prompt_tokens,
            "cached_tokens": run.llm.cached_tokens,
            "generated_tokens": run.llm.generated_tokens,
        }
    if run is not None and run.tts:
        engines["tts"] = [_timing(timing) for _, timing in sorted(run.tts.items())]
    return engines


def _timing(timing: WorkTiming) -> dict[str, float]:
    return {
        "queued_ms": round(timing.queued_us / 1_000, 1),
        "first_result_ms": round(timing.first_result_us / 1_000, 1),
        "total_ms": round(timing.total_us / 1_000, 1),
    }


def _greeting(log: CallLog, played: Mapping[int, RunPlayed]) -> dict[str, Any] | None:
    run = next((run for run in log.runs.values() if not run.turn_id), None)
    if run is None:
        return None
    span = played.get(run.id)
    return {
        "text": heard_words(run, span),
        "interrupted": run.interrupted,
        "start_ms": ms_from_samples(span.start_samples) if span else 0,
    }


def _medians(turns: list[dict[str, Any]]) -> dict[str, float]:
    medians: dict[str, float] = {}
    for name in ("voice_to_voice_ms", "total_ms"):
        if values := [turn[name] for turn in turns if name in turn]:
            medians[name] = statistics.median(values)
    for stage in STAGES:
        if values := [turn["stages_ms"][stage] for turn in turns if "stages_ms" in turn]:
            medians[f"{stage}_ms"] = statistics.median(values)
    return medians


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "stage": failure.stage.value,
        "reason": failure.reason.value,
        "retryable": failure.retryable,
        "caller_text": failure.caller_text,
        "detail": failure.detail,
    }


def _node(node: NodeDescription | None) -> dict[str, Any] | None:
    if node is None:
        return None
    plain = asdict(node)
    for engine in plain["engines"]:
        engine["stage"] = engine["stage"].value
    return plain


def write_json(path: Path, value: object) -> None:
    """Writes a JSON document readable by its owner only, whole or not at all; raises OSError."""
    staged = path.with_name(f".{path.name}.part")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=2, ensure_ascii=False)
        stream.write("\n")
    staged.replace(path)
