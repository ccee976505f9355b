"""Turns a call's log into report.json. Names in it are stable: tools of operators read them.

    end           cause, and failure when there was one
    origin_ms     session time of the recording's first sample
    files         what was played, with its start in the recording
    turns         one per turn of the caller that was committed:
                  caller, agent (the words that were heard), interrupted, answered, total_ms and stages_ms (which
                  add up), voice_to_voice_ms (measured in the recording), engines, failures, barge_ins of its answer,
                  speculation: lead_ms, written_tokens and synthesised_ms of the answer when it was begun early
    replies       one per run that was heard: text (all of it), heard, interrupted, start_ms
    barge_ins     every decision: at_ms, outcome, cause, speech_ms, over which run
    speculation   replies begun early by outcome, and what the ones that were not kept had cost
    greeting      words and start of the first line
    medians       over the turns that have the number
    failures      what concerns no turn of `turns`
    counters      what was ignored or dropped

Times are milliseconds; `at_ms` and `start_ms` are positions in the recording. A failure has its stage and its reason,
which are the same codes in the log and in the journal.
"""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from voice_contract.audio import ms_from_samples
from voice_contract.failures import Failure
from voice_contract.messages import EndCause, NodeDescription, SpeculationOutcome, TurnLatency, WorkTiming
from voice_orchestrator import __version__
from voice_orchestrator.edges.speaker import RunPlayed
from voice_orchestrator.reports.call_log import CallLog, RunRecord, TurnRecord
from voice_orchestrator.session.history import heard_text
from voice_orchestrator.session.state import Origin

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
    if run.cut_by_end and span is not None:
        return heard_text(run.segments, span.played_samples)
    return run.heard


def stages_ms(latency: TurnLatency) -> dict[str, int]:
    """The stages by name; they add up to `latency.total_ms`."""
    return {stage: getattr(latency, f"{stage}_ms") for stage in STAGES}


def make_report(log: CallLog, played: Mapping[int, RunPlayed], facts: CallFacts) -> dict[str, Any]:
    """The report of a call; `played` is what the loudspeaker played of each run."""
    turns = [_turn(record, log, played, facts.origin_ms) for record in log.turns.values() if record.committed]
    return {
        "report": 1,
        "orchestrator_version": __version__,
        "session_id": facts.session_id,
        "profile": facts.profile,
        "profile_sha256": facts.profile_sha256,
        "started_at": facts.started_at,
        "duration_ms": max(0, log.ended_at_ms - facts.origin_ms),
        "origin_ms": facts.origin_ms,
        "end": {"cause": facts.cause.value, "failure": _failure(facts.failure)},
        "inference": _node(facts.node),
        "files": list(facts.files),
        "turns": turns,
        "replies": [_reply(run, played.get(run.id)) for run in log.runs.values() if run.audible],
        "barge_ins": _all_barge_ins(log, facts.origin_ms),
        "speculation": _speculation(log),
        "medians": _medians(turns),
        "greeting": _greeting(log, played),
        "failures": [_failure(failure) for failure in _other_failures(log)],
        "counters": {**facts.counters, "partial_transcripts": log.stt_partials},
    }


# --- turns


def _runs_of(log: CallLog, turn_id: int) -> list[RunRecord]:
    return [run for run in log.runs.values() if run.turn_id == turn_id]


def _answer(tried: list[RunRecord]) -> RunRecord | None:
    """The run that answered a turn: the last one that was heard, otherwise the last one tried."""
    heard = [run for run in tried if run.audible]
    found = heard or tried
    return found[-1] if found else None


def _turn(record: TurnRecord, log: CallLog, played: Mapping[int, RunPlayed], origin_ms: int) -> dict[str, Any]:
    turn, tried = record.turn, _runs_of(log, record.turn.id)
    run = _answer(tried)
    span = played.get(run.id) if run else None
    failures = [*record.failures, *(failure for each in tried for failure in each.failures)]
    entry: dict[str, Any] = {
        "turn": turn.id,
        "typed": turn.origin is Origin.TYPED,
        "caller": record.words,
        "agent": heard_words(run, span) if run else "",
        "answered": bool(run and run.audible),
        "interrupted": bool(run and run.interrupted),
        "failures": [_failure(failure) for failure in failures],
        "barge_ins": _barge_ins(run, origin_ms) if run else [],
        "speculation": _kept(run),
        "engines": _engines(record, run),
    }
    if run is not None and run.latency is not None:
        entry["total_ms"] = run.latency.total_ms
        entry["stages_ms"] = stages_ms(run.latency)
    if span is not None and turn.origin is not Origin.TYPED:
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


def _medians(turns: list[dict[str, Any]]) -> dict[str, float]:
    medians: dict[str, float] = {}
    for name in ("voice_to_voice_ms", "total_ms"):
        if values := [turn[name] for turn in turns if name in turn]:
            medians[name] = statistics.median(values)
    for stage in STAGES:
        if values := [turn["stages_ms"][stage] for turn in turns if "stages_ms" in turn]:
            medians[f"{stage}_ms"] = statistics.median(values)
    if leads := [turn["speculation"]["lead_ms"] for turn in turns if turn["speculation"]]:
        medians["speculation_lead_ms"] = statistics.median(leads)
    return medians


# --- what was heard, and what the caller's speech did to it


def _reply(run: RunRecord, span: RunPlayed | None) -> dict[str, Any]:
    return {
        "run": run.id,
        "turn": run.turn_id,
        "kind": run.line.value if run.line else run.kind.value,
        "text": run.text,
        "heard": heard_words(run, span),
        "interrupted": run.interrupted,
        "start_ms": ms_from_samples(span.start_samples) if span else None,
    }


def _barge_ins(run: RunRecord, origin_ms: int) -> list[dict[str, Any]]:
    return [
        {
            "at_ms": max(0, at_ms - origin_ms),
            "outcome": decision.outcome.value,
            "cause": decision.cause.value,
            "speech_ms": decision.speech_length_ms,
        }
        for at_ms, decision in run.barge_ins
    ]


def _all_barge_ins(log: CallLog, origin_ms: int) -> list[dict[str, Any]]:
    decisions = [
        {**decision, "run": run.id, "turn": run.turn_id}
        for run in log.runs.values()
        for decision in _barge_ins(run, origin_ms)
    ]
    return sorted(decisions, key=lambda decision: int(decision["at_ms"]))


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


# --- replies begun before their turn was committed


def _kept(run: RunRecord | None) -> dict[str, int] | None:
    """What beginning early gained an answer; None when it was not begun early."""
    if run is None or run.speculation is None or run.speculation.outcome is not SpeculationOutcome.KEPT:
        return None
    return {
        "lead_ms": run.speculation.lead_ms,
        "written_tokens": run.speculation.written_tokens,
        "synthesised_ms": run.speculation.synthesised_ms,
    }


def _speculation(log: CallLog) -> dict[str, int]:
    ended = [run.speculation for run in log.runs.values() if run.speculation is not None]
    wasted = [each for each in ended if each.outcome is not SpeculationOutcome.KEPT]
    return {
        **{outcome.value: sum(each.outcome is outcome for each in ended) for outcome in SpeculationOutcome},
        "wasted_tokens": sum(each.written_tokens for each in wasted),
        "wasted_synthesised_ms": sum(each.synthesised_ms for each in wasted),
    }


# --- failures and the node


def _other_failures(log: CallLog) -> Iterable[Failure]:
    """What went wrong outside the turns of the report: with the link, a line nobody asked for, a turn that was none."""
    yield from log.call_failures
    for record in log.turns.values():
        if not record.committed:
            yield from record.failures
            yield from (failure for run in _runs_of(log, record.turn.id) for failure in run.failures)
    for run in log.runs.values():
        if run.turn_id not in log.turns:
            yield from run.failures


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
