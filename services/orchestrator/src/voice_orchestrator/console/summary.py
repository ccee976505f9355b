"""What a person is told of a call when it is over: one line per thing that happened at all."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from voice_contract.messages import BargeInOutcome, SpeculationOutcome


def summary_lines(report: Mapping[str, Any]) -> list[str]:
    """Lines about interruptions, replies begun early, and failures of a call's report."""
    return [*_barge_ins(report), *_interrupted(report), *_speculation(report), *_failures(report)]


def _barge_ins(report: Mapping[str, Any]) -> list[str]:
    # Every decision begins with a pause, so pauses tell nothing here.
    decided = [each for each in report["barge_ins"] if each["outcome"] != BargeInOutcome.PAUSED.value]
    if not decided:
        return []
    counts = Counter((each["outcome"], each["cause"]) for each in decided)
    told = (f"{count} {_words(outcome)} ({_words(cause)})" for (outcome, cause), count in sorted(counts.items()))
    return [f"caller speech over the agent: {', '.join(told)}"]


def _interrupted(report: Mapping[str, Any]) -> list[str]:
    count = sum(1 for reply in report["replies"] if reply["interrupted"])
    return [f"replies heard in part: {count} of {len(report['replies'])}"] if count else []


def _speculation(report: Mapping[str, Any]) -> list[str]:
    told = report["speculation"]
    kept = told[SpeculationOutcome.KEPT.value]
    counts = {outcome.value: told[outcome.value] for outcome in SpeculationOutcome if told[outcome.value]}
    if not counts:
        return []
    lines = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    if kept:
        lines += f", {report['medians'].get('speculation_lead_ms', 0):.0f} ms ahead (median)"
    if sum(counts.values()) > kept:
        seconds = told["wasted_synthesised_ms"] / 1_000
        lines += f"; for nothing: {told['wasted_tokens']} tokens, {seconds:.1f} s of speech"
    return [f"replies begun early: {lines}"]


def _failures(report: Mapping[str, Any]) -> list[str]:
    failures = [*report["failures"], *(failure for turn in report["turns"] for failure in turn["failures"])]
    if not failures:
        return []
    counts = Counter(f"{failure['stage']} {failure['reason']}" for failure in failures)
    told = (f"{count} {name}" for name, count in sorted(counts.items()))
    return [f"failures the call survived: {', '.join(told)}"]


def _words(code: str) -> str:
    return code.replace("_", " ")
