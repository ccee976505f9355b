"""Reports of calls that were driven by hand."""

import json
from typing import Any

from support.session_script import Script

from voice_contract.messages import EndCause
from voice_orchestrator.edges.speaker import RunPlayed
from voice_orchestrator.reports.call_log import CallLog
from voice_orchestrator.reports.call_report import CallFacts, make_report

ORIGIN_MS = 100
"""Session time of the recording's first sample."""


def log_of(script: Script) -> CallLog:
    """What an observer of the script's session kept."""
    log = CallLog()
    for event, transition in script.log:
        log.on_transition(event, transition)
    return log


def facts(**changes: Any) -> CallFacts:
    """What is known of a call as a whole."""
    plain: dict[str, Any] = {
        "session_id": "abc123",
        "profile": "clinic",
        "profile_sha256": "0" * 64,
        "started_at": "2025-01-02T03:04:05+00:00",
        "cause": EndCause.CALLER_HUNG_UP,
        "failure": None,
        "origin_ms": ORIGIN_MS,
        "node": None,
        "counters": {},
        "files": (),
    }
    return CallFacts(**{**plain, **changes})


def report(script: Script, played: dict[int, RunPlayed] | None = None, **changes: Any) -> dict[str, Any]:
    """The report of the script's call; `changes` are facts of it."""
    made = make_report(log_of(script), played or {}, facts(**changes))
    json.dumps(made, allow_nan=False)
    return made


def span(start_ms: int, length_ms: int = 1_000) -> RunPlayed:
    """A run that was heard from `start_ms` of the recording on."""
    return RunPlayed(
        start_samples=start_ms * 16, end_samples=(start_ms + length_ms) * 16, played_samples=length_ms * 16
    )
