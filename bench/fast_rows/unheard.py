"""What share of the processor went to replies that nobody heard, from the journals of calls. Pure but for reading.

The node says of finished work how long it took, of cancelled work nothing. So an unheard run is charged with every
core for as long as any of its work was open: from the request to its end or to the cancel. That is more than it used.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fast_rows.row import Row

SHARE_MAX: Final = 15.0


@dataclass(slots=True)
class RunWork:
    """One run of a call. `open_ms`: when each piece of open work began; `done_ms`: stretches of finished work."""

    open_ms: dict[str, int] = field(default_factory=dict)
    done_ms: list[tuple[int, int]] = field(default_factory=list)
    heard: bool = False

    def begin(self, work: str, at_ms: int) -> None:
        """A piece of work is asked for."""
        self.open_ms[work] = at_ms

    def end(self, work: str, at_ms: int) -> None:
        """It is done."""
        if (began_ms := self.open_ms.pop(work, None)) is not None:
            self.done_ms.append((began_ms, at_ms))

    def end_all(self, at_ms: int) -> None:
        """The run is cancelled."""
        for work in list(self.open_ms):
            self.end(work, at_ms)

    def busy_ms(self) -> int:
        """How long any of its work was open."""
        busy, until = 0, 0
        for began_ms, ended_ms in sorted(self.done_ms):
            busy += max(0, ended_ms - max(began_ms, until))
            until = max(until, ended_ms)
        return busy


def runs_of(lines: Iterable[dict[str, Any]]) -> dict[int, RunWork]:
    """The runs of one journal, by their ids."""
    runs: dict[int, RunWork] = {}
    at_ms = 0
    for line in lines:
        event = line.get("event")
        if event is None:
            continue
        at_ms = event["at_ms"]
        run_id = event.get("run_id", 0)
        if run_id:
            _note_event(runs.setdefault(run_id, RunWork()), event, at_ms)
        for command in line.get("commands", ()):
            if command["is"] == "ToInference" and command["run_id"]:
                _note_order(runs.setdefault(command["run_id"], RunWork()), command["message"], at_ms)
    for run in runs.values():
        run.end_all(at_ms)
    return runs


def _note_event(run: RunWork, event: dict[str, Any], at_ms: int) -> None:
    match event["is"]:
        case "ReplyEnded":
            run.end("llm", at_ms)
        case "SegmentSynthesised":
            run.end(f"tts {event['segment_index']}", at_ms)
        case "SegmentStarted":
            run.heard = True
        case _:
            pass


def _note_order(run: RunWork, message: dict[str, Any], at_ms: int) -> None:
    match message["is"]:
        case "Generate":
            run.begin("llm", at_ms)
        case "Synthesize":
            run.begin(f"tts {message['segment_index']}", at_ms)
        case "CancelRun":
            run.end_all(at_ms)
        case _:
            pass


def journal(record: Path) -> Iterator[dict[str, Any]]:
    """The lines of a call's journal."""
    for line in (record / "journal.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """Over some calls. `cpu_s` is what the node used in them, `unheard_s` at most what unheard runs used of it."""

    runs: int
    unheard_runs: int
    unheard_s: float
    cpu_s: float

    @property
    def share(self) -> float | None:
        """Percent."""
        return 100 * self.unheard_s / self.cpu_s if self.cpu_s else None


def unheard(journals: Iterable[Iterable[dict[str, Any]]], cpu_s: float, cores: int) -> Unheard:
    """Sums up calls during which the node used `cpu_s` seconds of `cores` cores."""
    runs = [run for lines in journals for run in runs_of(lines).values() if run.done_ms]
    wasted = [run for run in runs if not run.heard]
    busy_s = sum(run.busy_ms() for run in wasted) / 1_000
    return Unheard(runs=len(runs), unheard_runs=len(wasted), unheard_s=busy_s * cores, cpu_s=cpu_s)


def rows_of(found: Unheard, conversation: str) -> list[Row]:
    """The line of the table for a kind of conversation."""
    note = f"at most; {found.unheard_runs} of {found.runs} runs, {found.unheard_s:.1f} of {found.cpu_s:.0f} CPU-seconds"
    what = f"CPU-seconds for runs never heard, {conversation}"
    return [Row(what=what, value=found.share, unit="%", bar_max=SHARE_MAX, note=note)]
