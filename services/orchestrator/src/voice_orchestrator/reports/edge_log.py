"""What an edge learns of its call, as a report: all there is when the orchestrator is elsewhere."""

import statistics
from dataclasses import asdict
from typing import Any

from voice_contract.failures import Failure
from voice_contract.messages import (
    BargeIn,
    CallEnded,
    Event,
    RunHeard,
    Speaker,
    SpeculationEnded,
    SpeculationOutcome,
    Transcript,
    TranscriptKind,
    TurnLatency,
)
from voice_orchestrator.reports.call_report import stages_ms


class EdgeLog:
    """Implements EdgeListener."""

    def __init__(self) -> None:
        self.ended: CallEnded | None = None
        self._words: dict[int, str] = {}
        self._latencies: dict[int, TurnLatency] = {}
        self._heard: list[dict[str, Any]] = []
        self._barge_ins: list[dict[str, Any]] = []
        self._speculations: list[SpeculationEnded] = []
        self._failures: list[dict[str, Any]] = []

    def on_event(self, event: Event, at_ms: int) -> None:
        """See EdgeListener."""
        match event.payload:
            case Transcript(speaker=Speaker.CALLER, kind=TranscriptKind.FINAL, text=text, utterance_id=turn):
                self._words[turn] = text
            case TurnLatency() as latency:
                self._latencies[latency.utterance_id] = latency
            case RunHeard(text=text, interrupted=interrupted):
                self._heard.append({"run": event.run_id, "heard": text, "interrupted": interrupted})
            case BargeIn(outcome=outcome, cause=cause, speech_length_ms=speech_ms):
                decision = {"outcome": outcome.value, "cause": cause.value, "speech_ms": speech_ms}
                self._barge_ins.append({"at_ms": at_ms, "run": event.run_id, **decision})
            case SpeculationEnded() as ended:
                self._speculations.append(ended)
            case Failure() as failure:
                self._failures.append(_failure(failure))
            case CallEnded() as ended:
                self.ended = ended
            case _:
                pass

    def report(self, session_id: str, profile: str, started_at: str, ended: CallEnded) -> dict[str, Any]:
        """The report, with the names of `reports.call_report` as far as an edge knows the facts."""
        turns = [self._turn(turn) for turn in sorted(self._words)]
        totals = [turn["total_ms"] for turn in turns if "total_ms" in turn]
        return {
            "report": 1,
            "session_id": session_id,
            "profile": profile,
            "started_at": started_at,
            "end": {"cause": ended.cause.value, "failure": _failure(ended.failure) if ended.failure else None},
            "files": [],
            "turns": turns,
            "replies": self._heard,
            "barge_ins": self._barge_ins,
            "speculation": self._speculation(),
            "medians": {"total_ms": statistics.median(totals)} if totals else {},
            "failures": self._failures,
        }

    def _turn(self, turn: int) -> dict[str, Any]:
        entry: dict[str, Any] = {"turn": turn, "caller": self._words[turn], "failures": []}
        if (latency := self._latencies.get(turn)) is not None:
            entry |= {"total_ms": latency.total_ms, "stages_ms": stages_ms(latency)}
        return entry

    def _speculation(self) -> dict[str, int]:
        wasted = [each for each in self._speculations if each.outcome is not SpeculationOutcome.KEPT]
        counts = {
            outcome.value: sum(1 for each in self._speculations if each.outcome is outcome)
            for outcome in SpeculationOutcome
        }
        return {
            **counts,
            "wasted_tokens": sum(each.written_tokens for each in wasted),
            "wasted_synthesised_ms": sum(each.synthesised_ms for each in wasted),
        }


def _failure(failure: Failure) -> dict[str, Any]:
    return {**asdict(failure), "stage": failure.stage.value, "reason": failure.reason.value}
