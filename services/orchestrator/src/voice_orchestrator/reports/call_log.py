"""Collects what a report needs while a call runs: an observer of the session's steps."""

from dataclasses import dataclass, field, replace

from voice_contract.failures import Failure
from voice_contract.messages import BargeIn, BargeInOutcome, TranscribeKind, TurnLatency, WorkTiming
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import ToEdge
from voice_orchestrator.session.history import heard_text
from voice_orchestrator.session.reducer import Transition
from voice_orchestrator.session.state import Run, RunKind, Segment, Turn


@dataclass(slots=True, kw_only=True)
class TurnRecord:
    """A turn of the caller."""

    turn: Turn
    stt: WorkTiming | None = None
    failures: list[Failure] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """A run of the agent; `played_samples` is what the edge reported, None while it has not."""

    id: int
    kind: RunKind
    turn_id: int
    segments: tuple[Segment, ...] = ()
    latency: TurnLatency | None = None
    llm: events.ReplyEnded | None = None
    tts: dict[int, WorkTiming] = field(default_factory=dict)
    barge_ins: list[tuple[int, BargeIn]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    flushed: bool = False
    played_samples: int | None = None

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
        """Whether a barge-in ended it."""
        return any(decision.outcome is BargeInOutcome.CONFIRMED for _, decision in self.barge_ins)

    @property
    def heard(self) -> str:
        """What the caller heard of it."""
        if not self.flushed:
            return " ".join(segment.text for segment in self.segments if segment.started)
        if self.played_samples is None:
            return " ".join(segment.text for segment in self.segments if segment.played)
        return heard_text(self.segments, self.played_samples)


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
        if state.flushing is not None and state.flushing.run_id in self.runs:
            flushed = self.runs[state.flushing.run_id]
            flushed.segments, flushed.flushed = state.flushing.segments, True
        if transition.ignored is None:
            self._note_event(event)
        for command in transition.commands:
            if isinstance(command, ToEdge):
                self._note_message(command, state.now_ms)

    def _note_turn(self, turn: Turn) -> None:
        known = self.turns.get(turn.id)
        if known is None:
            self.turns[turn.id] = TurnRecord(turn=turn)
        else:
            known.turn = turn

    def _note_run(self, run: Run) -> None:
        known = self.runs.setdefault(run.id, RunRecord(id=run.id, kind=run.kind, turn_id=run.turn_id))
        known.segments = run.segments

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
            case events.PlayoutReported() if event.run_id in self.runs:
                self.runs[event.run_id].played_samples = event.played_samples
            case _:
                pass

    def _mark_started(self, run: RunRecord, index: int) -> None:
        """Keeps that a segment was heard even when the step that says so is the run's last."""
        segments = list(run.segments)
        segments[index] = replace(segments[index], started=True)
        run.segments = tuple(segments)

    def _note_message(self, command: ToEdge, at_ms: int) -> None:
        run = self.runs.get(command.run_id)
        match command.message:
            case TurnLatency() as latency if run is not None:
                run.latency = latency
            case BargeIn() as decision if run is not None:
                run.barge_ins.append((at_ms, decision))
            case Failure() as failure:
                if run is not None:
                    run.failures.append(failure)
                elif failure.utterance_id in self.turns:
                    self.turns[failure.utterance_id].failures.append(failure)
                else:
                    self.call_failures.append(failure)
            case _:
                pass
