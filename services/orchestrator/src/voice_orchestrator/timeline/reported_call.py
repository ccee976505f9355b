"""What a call's report knows that its journal does not: where the recording begins, and what was heard in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from voice_operations.operator_error import OperatorError

REPORT_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRun:
    """A run that was heard. `start_ms`: its first sample in the recording, None when no sound of it was played."""

    start_ms: int | None
    heard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCall:
    """A report. `duration_ms` is counted from the recording's first sample to the last event of the journal.

    origin_ms: session time of the recording's first sample, None in a report that does not tell it.
    voice_to_voice_ms: as measured in the recording, by turn.
    """

    session_id: str
    started_at: str
    duration_ms: int
    origin_ms: int | None = None
    runs: Mapping[int, ReportedRun] = field(default_factory=dict)
    voice_to_voice_ms: Mapping[int, int] = field(default_factory=dict)

    def origin_of(self, ended_at_ms: int, *, whole: bool) -> int | None:
        """Session time of the recording's first sample, None when it cannot be told.

        `ended_at_ms` is the time of the journal's last event, which tells nothing when the journal is not `whole`.
        """
        if self.origin_ms is not None or not whole:
            return self.origin_ms
        return ended_at_ms - self.duration_ms


def read_report(path: Path) -> ReportedCall:
    """Reads report.json; raises OperatorError when it is none."""
    try:
        plain = json.loads(path.read_bytes())
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise OperatorError(f"{path}: is not JSON; move it away to make the page without it") from error
    try:
        return _reported(plain)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise OperatorError(
            f"{path}: is not a report of version {REPORT_VERSION}; move it away to make the page without it"
        ) from error


def _reported(plain: dict[str, Any]) -> ReportedCall:
    if plain["report"] != REPORT_VERSION:
        raise ValueError("another version")
    origin_ms = plain.get("origin_ms")
    return ReportedCall(
        session_id=str(plain["session_id"]),
        started_at=str(plain["started_at"]),
        duration_ms=int(plain["duration_ms"]),
        origin_ms=None if origin_ms is None else int(origin_ms),
        runs={
            int(reply["run"]): ReportedRun(start_ms=_whole(reply["start_ms"]), heard=str(reply["heard"]))
            for reply in plain["replies"]
        },
        voice_to_voice_ms={
            int(turn["turn"]): int(turn["voice_to_voice_ms"]) for turn in plain["turns"] if "voice_to_voice_ms" in turn
        },
    )


def _whole(value: Any) -> int | None:  # noqa: ANN401 - JSON
    return None if value is None else int(value)
