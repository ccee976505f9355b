"""The page's data: one plain document, its times in milliseconds of the recording, its short keys told here.

call           what it was: session, profile, started_at, origin_ms, start_ms and end_ms of the axis, cause, whole
sound          bin_ms, peaks (base64 of int8 pairs, caller and agent), loudest; note: what the page lacks and why
phases, speech, button    spans: [from, to, state]
turns          id, origin, from, to, words, committed, states (spans), heard [[at, kind, text, used]],
               scores [[at, score]], run that answered it, v2v_ms, engines
runs           id, turn, kind, from, to, states, text, heard, ending, words [[from, to, word, heard]], played_ms,
               speculation, engines, stages [[name, ms]] that end at first_ms
barge_ins      run, from, at, outcome, cause, speech_ms
failures       at, run, turn, stage, reason, detail, told, retryable, ended_call
tools          id, run, name, arguments, from, to, outcome, result
marks          [at, kind, label]
events         kinds, phases, ignored: the words rows name by number; rows [at, kind, run, text, phase, ignored,
               commands], ignored 0 for none
"""

import base64
from collections.abc import Iterable
from typing import Any, Final

from voice_contract.audio import SAMPLES_PER_MS
from voice_contract.messages import WorkTiming
from voice_orchestrator.reports.call_log import RunRecord, TurnRecord
from voice_orchestrator.reports.call_report import STAGES, stages_ms
from voice_orchestrator.timeline.event_rows import EventRow
from voice_orchestrator.timeline.incidents import Interruption, Mishap, ToolUse
from voice_orchestrator.timeline.recorded_sound import RecordedSound
from voice_orchestrator.timeline.reported_call import ReportedCall
from voice_orchestrator.timeline.run_story import RunStory
from voice_orchestrator.timeline.spans import Span
from voice_orchestrator.timeline.spoken_words import place_words
from voice_orchestrator.timeline.story import CallStory
from voice_orchestrator.timeline.turn_story import TurnStory, answers

MARGIN_MS: Final = 200
"""Shown after the last thing that happened, so that it does not lie on the edge of the page."""


def make_document(
    story: CallStory, reported: ReportedCall | None, sound: RecordedSound | None, note: str
) -> dict[str, Any]:
    """The document; `note` says why something is missing, empty when nothing is."""
    origin_ms = origin_of(story, reported) or 0
    writer = _Writer(story, reported, origin_ms)
    end_ms = max(story.ended_at_ms - origin_ms, sound.duration_ms if sound else 0) + MARGIN_MS
    return {
        "call": {
            "session": story.session_id,
            "profile": story.profile,
            "started_at": reported.started_at if reported else None,
            "origin_ms": origin_ms,
            "start_ms": min(0, -origin_ms),
            "end_ms": end_ms,
            "cause": story.incidents.end_cause,
            "whole": story.whole,
        },
        "sound": _sound(sound, note),
        "phases": writer.spans(story.phases),
        "speech": writer.spans(story.caller.speech),
        "button": writer.spans(story.caller.button),
        "turns": writer.turns(),
        "runs": [writer.run(run) for run in story.runs.runs.values()],
        "barge_ins": [writer.barge_in(each) for each in story.incidents.interruptions],
        "failures": [writer.failure(each) for each in story.incidents.mishaps],
        "tools": [writer.tool(each) for each in story.incidents.tools.values()],
        "marks": [[writer.at(mark.at_ms), mark.kind, mark.label] for mark in story.incidents.marks],
        "events": writer.events(story.rows),
    }


def origin_of(story: CallStory, reported: ReportedCall | None) -> int | None:
    """Session time of the recording's first sample, None when it cannot be told."""
    return reported.origin_of(story.ended_at_ms, whole=story.whole) if reported is not None else None


class _Writer:
    """Writes parts of one call as plain data, on the axis of its recording."""

    def __init__(self, story: CallStory, reported: ReportedCall | None, origin_ms: int) -> None:
        self._story = story
        self._reported = reported
        self._origin_ms = origin_ms
        self._answers = answers(story.log)

    def at(self, session_ms: int) -> int:
        """A session time on the axis."""
        return session_ms - self._origin_ms

    def spans(self, spans: Iterable[Span]) -> list[list[Any]]:
        """Spans, in order."""
        return [[self.at(span.from_ms), self.at(span.to_ms), span.state] for span in spans]

    # --- the caller

    def turns(self) -> list[dict[str, Any]]:
        """Every turn, those that were dropped as noise too."""
        records = self._story.log.turns
        stories = self._story.caller.turns
        return [
            self._turn(record, stories.get(turn_id) or TurnStory(id=turn_id)) for turn_id, record in records.items()
        ]

    def _turn(self, record: TurnRecord, story: TurnStory) -> dict[str, Any]:
        turn, spans = record.turn, story.states.spans
        voice_to_voice_ms = self._reported.voice_to_voice_ms if self._reported else {}
        return {
            "id": turn.id,
            "origin": turn.origin.value,
            "from": self.at(spans[0].from_ms if spans else turn.started_at_ms),
            "to": self.at(spans[-1].to_ms if spans else max(turn.started_at_ms, turn.spoken_until_ms)),
            "words": record.words,
            "committed": record.committed,
            "states": self.spans(spans),
            "heard": [[self.at(each.at_ms), each.kind.value, each.text, each.used] for each in story.words],
            "scores": [[self.at(at_ms), round(score, 3)] for at_ms, score in story.scores],
            "run": self._answers.get(turn.id),
            "v2v_ms": voice_to_voice_ms.get(turn.id),
            "engines": {"transcription": _timing(record.stt)} if record.stt else {},
        }

    # --- the agent

    def run(self, story: RunStory) -> dict[str, Any]:
        """One run, with the words that were heard of it where they were heard."""
        record = self._story.log.runs.get(story.id)
        told = self._reported.runs.get(story.id) if self._reported else None
        first_ms = None if told is None or told.start_ms is None else told.start_ms + self._origin_ms
        ended_ms = story.ended_at_ms if story.ended_at_ms is not None else self._story.ended_at_ms
        heard = story.heard.text if story.heard else ""
        return {
            "id": story.id,
            "turn": story.turn_id,
            "kind": story.kind,
            "from": self.at(story.began_at_ms),
            "to": self.at(ended_ms),
            "states": self.spans(story.states.spans),
            "text": story.text,
            "heard": told.heard if told else heard,
            "ending": story.ending,
            "words": [
                [self.at(word.from_ms), self.at(word.to_ms), word.text, word.heard]
                for word in place_words(story, first_ms)
            ],
            "played_ms": None if story.played_samples is None else story.played_samples // SAMPLES_PER_MS,
            "speculation": _speculation(story),
            "engines": _engines(record),
            "stages": _stages(story),
            "first_ms": self.at(story.latency_at_ms) if story.latency else None,
        }

    # --- incidents

    def barge_in(self, interruption: Interruption) -> dict[str, Any]:
        """Caller speech over a run, and what was decided."""
        decided_ms = interruption.decided_at_ms
        return {
            "run": interruption.run_id,
            "from": self.at(interruption.at_ms),
            "at": None if decided_ms is None else self.at(decided_ms),
            "outcome": interruption.outcome,
            "cause": interruption.cause,
            "speech_ms": interruption.speech_ms,
        }

    def failure(self, mishap: Mishap) -> dict[str, Any]:
        """A failure."""
        failure = mishap.failure
        return {
            "at": self.at(mishap.at_ms),
            "run": mishap.run_id,
            "turn": failure.utterance_id,
            "stage": failure.stage.value,
            "reason": failure.reason.value,
            "detail": failure.detail,
            "told": failure.caller_text,
            "retryable": failure.retryable,
            "ended_call": mishap.ended_call,
        }

    def tool(self, use: ToolUse) -> dict[str, Any]:
        """A tool at work."""
        ended_ms = use.to_ms if use.to_ms is not None else self._story.ended_at_ms
        return {
            "id": use.call_id,
            "run": use.run_id,
            "name": use.name,
            "arguments": use.arguments,
            "from": self.at(use.from_ms),
            "to": self.at(ended_ms),
            "outcome": use.outcome,
            "result": use.result,
        }

    def events(self, rows: Iterable[EventRow]) -> dict[str, Any]:
        """The event list. Words that repeat are written once and named by their number."""
        kinds, phases, reasons = _Words(), _Words(), _Words("")
        return {
            "rows": [
                [
                    self.at(row.at_ms),
                    kinds.number(row.kind),
                    row.run_id,
                    row.text,
                    phases.number(row.phase),
                    reasons.number(row.ignored or ""),
                    list(row.commands),
                ]
                for row in rows
            ],
            "kinds": kinds.all(),
            "phases": phases.all(),
            "ignored": reasons.all(),
        }


class _Words:
    """Numbers words in the order in which they come."""

    def __init__(self, *first: str) -> None:
        self._numbers = {word: number for number, word in enumerate(first)}

    def number(self, word: str) -> int:
        """The word's number."""
        return self._numbers.setdefault(word, len(self._numbers))

    def all(self) -> list[str]:
        """The words by their numbers."""
        return list(self._numbers)


def _stages(story: RunStory) -> list[list[Any]]:
    if story.latency is None:
        return []
    took_ms = stages_ms(story.latency)
    return [[stage, took_ms[stage]] for stage in STAGES]


def _speculation(story: RunStory) -> dict[str, Any] | None:
    if story.speculation is None:
        return None
    return {
        "outcome": story.speculation.outcome.value,
        "lead_ms": story.speculation.lead_ms,
        "tokens": story.speculation.written_tokens,
        "synthesised_ms": story.speculation.synthesised_ms,
    }


def _engines(record: RunRecord | None) -> dict[str, Any]:
    if record is None:
        return {}
    engines: dict[str, Any] = {}
    if record.llm is not None:
        engines["writing"] = _timing(record.llm.timing)
        engines["tokens"] = [record.llm.prompt_tokens, record.llm.cached_tokens, record.llm.generated_tokens]
    if record.tts:
        engines["synthesis"] = [_timing(timing) for _, timing in sorted(record.tts.items())]
    return engines


def _timing(timing: WorkTiming) -> list[float]:
    """Queued, first result, all of it, milliseconds."""
    return [round(each / 1_000, 1) for each in (timing.queued_us, timing.first_result_us, timing.total_us)]


def _sound(sound: RecordedSound | None, note: str) -> dict[str, Any]:
    if sound is None:
        return {"bin_ms": 0, "peaks": [], "loudest": [], "note": note}
    return {
        "bin_ms": sound.bin_ms,
        "peaks": [base64.b64encode(side.tobytes()).decode("ascii") for side in sound.peaks],
        "loudest": [round(each, 4) for each in sound.loudest],
        "note": note,
    }
