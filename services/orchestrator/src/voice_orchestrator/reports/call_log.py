"""Collects what a report needs while a call runs: an observer of the session's steps."""

from dataclasses import dataclass, field, replace

from voice_contract.failures import Failure
from voice_contract.messages import (
    BargeIn,
    RunHeard,
    Speaker,
    SpeculationEnded,
    TranscribeKind,
    Transcript,
    TranscriptKind,
    TurnLatency,
    WorkTiming,
)
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import EndCall, ToEdge
from voice_orchestrator.session.policy import LineKind
from voice_orchestrator.session.reducer import Transition
from voice_orchestrator.session.state import Run, RunKind, Segment, Turn


@dataclass(slots=True, kw_only=True)
class TurnRecord:
    """A turn of the caller. `told`: its words as the edge was told them, None while it was not."""

    turn: Turn
    told: str | None = None
    stt: WorkTiming | None = None
    failures: list[Failure] = field(default_factory=list)

    @property
    def committed(self) -> bool:
        """Whether the caller had finished it."""
        return self.told is not None or self.turn.committed_at_ms is not None

    @property
    def words(self) -> str:
        """What the caller said."""
        return self.turn.words if self.told is None else self.told


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """A run of the agent. `ending`: what was heard of it in the end, None while it is not over or nobody heard it.

    stopped: it ended while it was heard. cut_by_end: the end of the call did that, and the edge was not asked how far
    it had come.
    """

    id: int
    kind: RunKind
    line: LineKind | None
    turn_id: int
    segments: tuple[Segment, ...] = ()
    latency: TurnLatency | None = None
    llm: events.ReplyEnded | None = None
    tts: dict[int, WorkTiming] = field(default_factory=dict)
    barge_ins: list[tuple[int, BargeIn]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    speculation: SpeculationEnded | None = None
    ending: RunHeard | None = None
    stopped: bool = False
    cut_by_end: bool = False

    @property
    def text(self) -> str:
        """Everything the run was going to say."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def audible(self) -> bool:
        """Whether anything of it left for the caller."""
        return any(segment.started for segment in self.segments)

    @property
    def interrupted(self) -> bool:
        """Whether it had more to say than was heard, whoever's doing that was."""
        return self.ending is not None and self.ending.interrupted

    @property
    def heard(self) -> str:
        """What the caller heard of it: the very words the conversation remembers."""
        if self.ending is not None:
            return self.ending.text
        surely = (segment.played if self.stopped else segment.started for segment in self.segments)
        return " ".join(segment.text for segment, heard in zip(self.segments, surely, strict=True) if heard)


class CallLog:
    """Implements Observer."""

    def __init__(self) -> None:
        self.turns: dict[int, TurnRecord] = {}
        self.runs: dict[int, RunRecord] = {}
        self.call_failures: list[Failure] = []
        self.ended_at_ms = 0
        self.stt_partials = 0

    def on_transition(self, event: events.SessionEvent, transition: Transition) -> None:
        """See Observer."""
        state = transition.state
        self.ended_at_ms = state.now_ms
        if state.turn is not None:
            self._note_turn(state.turn)
        if state.run is not None:
            self._note_run(state.run)
        if state.flushing is not None:
            self._note_run(state.flushing.run)
            self.runs[state.flushing.run.id].stopped = True
        if transition.ignored is None:
            self._note_event(event)
        ends = any(isinstance(command, EndCall) for command in transition.commands)
        for command in transition.commands:
            if isinstance(command, ToEdge):
                self._note_message(command, state.now_ms, ends=ends)

    def _note_turn(self, turn: Turn) -> None:
        known = self.turns.get(turn.id)
        if known is None:
            self.turns[turn.id] = TurnRecord(turn=turn)
        else:
            known.turn = turn

    def _note_run(self, run: Run) -> None:
        known = self.runs.setdefault(run.id, RunRecord(id=run.id, kind=run.kind, line=run.line, turn_id=run.turn_id))
        known.segments = run.segments
        if run.answers is not None and not run.speculative and run.answers.committed_at_ms is not None:
            # A reply that was ready at the commit takes the turn out of the state in the very step that commits it.
            self._note_turn(run.answers)

    def _note_event(self, event: events.SessionEvent) -> None:
        match event:
            case events.CallerTranscribed(kind=TranscribeKind.FINAL) if event.utterance_id in self.turns:
                self.turns[event.utterance_id].stt = event.timing
            case events.CallerTranscribed(kind=TranscribeKind.PARTIAL):
                self.stt_partials += 1
            case events.ReplyEnded() if event.run_id in self.runs:
                self.runs[event.run_id].llm = event
            case events.SegmentSynthesised() if event.run_id in self.runs:
                self.runs[event.run_id].tts[event.segment_index] = event.timing
            case events.SegmentStarted() if event.run_id in self.runs:
                self._mark_started(self.runs[event.run_id], event.segment_index)
            case _:
                pass

    def _mark_started(self, run: RunRecord, index: int) -> None:
        """Keeps that a segment was heard even when the step that says so is the run's last."""
        segments = list(run.segments)
        segments[index] = replace(segments[index], started=True)
        run.segments = tuple(segments)

    def _note_message(self, command: ToEdge, at_ms: int, *, ends: bool) -> None:
        match command.message:
            case Transcript(speaker=Speaker.CALLER, kind=TranscriptKind.FINAL, text=text, utterance_id=turn_id):
                if turn_id in self.turns:
                    self.turns[turn_id].told = text
            case Failure() as failure:
                self._note_failure(failure, command.run_id)
            case _ if (run := self.runs.get(command.run_id)) is not None:
                _note_of_run(run, command, at_ms, ends=ends)
            case _:
                pass

    def _note_failure(self, failure: Failure, run_id: int) -> None:
        if run_id in self.runs:
            self.runs[run_id].failures.append(failure)
        elif failure.utterance_id in self.turns:
            self.turns[failure.utterance_id].failures.append(failure)
        else:
            self.call_failures.append(failure)


def _note_of_run(run: RunRecord, command: ToEdge, at_ms: int, *, ends: bool) -> None:
    match command.message:
        case TurnLatency() as latency:
            run.latency = latency
        case BargeIn() as decision:
            run.barge_ins.append((at_ms, decision))
        case SpeculationEnded() as speculation:
            run.speculation = speculation
        case RunHeard() as ending:
            run.ending, run.cut_by_end = ending, ends
        case _:
            pass
