"""The life of every run: what it was when, what it was going to say, and what became of it."""

from dataclasses import dataclass, field

from voice_contract.messages import RunHeard, Speaker, SpeculationEnded, SpeculationOutcome, Transcript, TurnLatency
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import Command, ToEdge
from voice_orchestrator.session.history import whole_text
from voice_orchestrator.session.policy import LineKind
from voice_orchestrator.session.reducer import Transition
from voice_orchestrator.session.state import Run, RunKind, RunStatus, SessionState
from voice_orchestrator.timeline.spans import SpanTrack

SPECULATIVE, HELD, FLUSHING = "speculative", "held", "flushing"
AUDIBLE, PAUSED = RunStatus.AUDIBLE.value, RunStatus.PAUSED.value


@dataclass(slots=True, kw_only=True)
class RunStory:
    """One run. Times are session milliseconds.

    run: as it was last in the state, None for one that began and ended in one step, as lines of a typed call do.
    states: speculative, held, silent, audible, paused, flushing.
    started_at_ms: when each segment's first sample left for the edge. played_samples: what the edge said it had played.
    shown: words the edge was shown as they began to be heard.
    latency: where the time before its first sample went; latency_at_ms: that sample, which ends the last stage.
    """

    id: int
    began_at_ms: int
    ended_at_ms: int | None = None
    run: Run | None = None
    states: SpanTrack = field(default_factory=SpanTrack)
    started_at_ms: dict[int, int] = field(default_factory=dict)
    played_samples: int | None = None
    shown: list[str] = field(default_factory=list)
    heard: RunHeard | None = None
    speculation: SpeculationEnded | None = None
    latency: TurnLatency | None = None
    latency_at_ms: int = 0

    @property
    def kind(self) -> str:
        """What it says: "reply", or the occasion of a line of the profile."""
        if self.run is None:
            return "line"
        occasion: LineKind | RunKind = self.run.line or self.run.kind
        return str(occasion.value)

    @property
    def turn_id(self) -> int:
        """The turn it answers, 0 for none."""
        return self.run.turn_id if self.run else 0

    @property
    def text(self) -> str:
        """Everything that was written of it."""
        if self.run is None:
            return " ".join(self.shown)
        return f"{whole_text(self.run.segments)} {self.run.buffer}".strip()

    @property
    def ending(self) -> str:
        """What became of it: heard, interrupted, cancelled, superseded, failed, dropped; open when nothing yet."""
        if self.heard is not None:
            return "interrupted" if self.heard.interrupted else "heard"
        if self.speculation is not None and self.speculation.outcome is not SpeculationOutcome.KEPT:
            return str(self.speculation.outcome.value)
        return "open" if self.ended_at_ms is None else "dropped"


class RunStories:
    """Follows the runs of a session step by step."""

    def __init__(self) -> None:
        self.runs: dict[int, RunStory] = {}
        self._open: set[int] = set()

    def follow(self, event: events.SessionEvent, transition: Transition, at_ms: int) -> None:
        """Takes the next step."""
        state = transition.state
        self._note_event(event, transition.ignored, at_ms)
        present = _present(state)
        for run, status in present:
            story = self._story(run.id, at_ms)
            story.run = run
            story.states.enter(status, at_ms)
        for command in transition.commands:
            self._note_command(command, at_ms)
        for run_id in self._open - {run.id for run, _ in present}:
            self.runs[run_id].states.enter(None, at_ms)
            self.runs[run_id].ended_at_ms = at_ms
            self._open.discard(run_id)

    def close(self, at_ms: int) -> None:
        """The journal ends: what is still live is drawn up to here."""
        for run_id in self._open:
            self.runs[run_id].states.enter(None, at_ms)

    def _story(self, run_id: int, at_ms: int) -> RunStory:
        if run_id not in self.runs:
            self.runs[run_id] = RunStory(id=run_id, began_at_ms=at_ms)
            self._open.add(run_id)
        return self.runs[run_id]

    def _note_event(self, event: events.SessionEvent, ignored: str | None, at_ms: int) -> None:
        match event:
            case events.SegmentStarted(run_id=run_id) if ignored is None and run_id in self.runs:
                self.runs[run_id].started_at_ms[event.segment_index] = at_ms
            case events.PlayoutReported(run_id=run_id) if ignored is None and run_id in self.runs:
                self.runs[run_id].played_samples = event.played_samples
            case _:
                pass

    def _note_command(self, command: Command, at_ms: int) -> None:
        if not isinstance(command, ToEdge) or not command.run_id:
            return
        story = self._story(command.run_id, at_ms)
        match command.message:
            case Transcript(speaker=Speaker.AGENT, text=text):
                story.shown.append(text)
            case RunHeard() as heard:
                story.heard = heard
            case SpeculationEnded() as speculation:
                story.speculation = speculation
            case TurnLatency() as latency:
                story.latency, story.latency_at_ms = latency, at_ms
            case _:
                pass


def _present(state: SessionState) -> list[tuple[Run, str]]:
    """The runs in the state, each with what it is."""
    found = [] if state.flushing is None else [(state.flushing.run, FLUSHING)]
    if state.run is not None:
        found.append((state.run, _status(state.run)))
    return found


def _status(run: Run) -> str:
    if run.held:
        return HELD
    return SPECULATIVE if run.speculative else run.status.value
