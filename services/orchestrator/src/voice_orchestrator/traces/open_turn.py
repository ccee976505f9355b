"""What is known so far of a turn and of the runs that answer it, and the trace it becomes."""

from dataclasses import dataclass, field
from typing import Final

from voice_contract.failures import Failure, Stage
from voice_contract.messages import SpeculationEnded, TurnLatency
from voice_orchestrator.session.policy import LineKind
from voice_orchestrator.session.state import Origin, Run, Turn
from voice_orchestrator.traces import names
from voice_orchestrator.traces.spans import OpenSpan, Span, Value

REQUESTS_MAX: Final = 32
"""Transcriptions and judgements in a trace; a caller who pauses a hundred times in a turn has a hundred of each."""

UNHEARD_RUNS_MAX: Final = 8
"""Replies in a trace that nobody heard: the first ones."""

STAGES_MAX: Final = 64
"""Stages of a run in a trace: a very long reply has as many segments."""


@dataclass(slots=True, kw_only=True)
class OpenRun:
    """A run and its stages. `heard`: something of it left for the caller. `interrupted`: there was more to say."""

    run: Run
    stages: list[OpenSpan] = field(default_factory=list)
    playout: OpenSpan | None = None
    heard: bool = False
    interrupted: bool = False
    speculation: SpeculationEnded | None = None
    error: str = ""
    ended_at_ms: int | None = None

    @property
    def kind(self) -> str:
        """What it says: "reply", or the occasion of a line of the profile."""
        return self.run.line.value if self.run.line else self.run.kind.value

    def open(self, stage: str) -> list[OpenSpan]:
        """Stages of that name that go on."""
        return [span for span in self.stages if span.name == stage and span.end_ms is None]

    def stop_work(self, at_ms: int, error: str = "") -> None:
        """No node works for it any more: it was cancelled, or failed."""
        for span in self.stages:
            if span.end_ms is None and span.client:
                if not error:
                    span.attributes[names.CANCELLED] = True
                span.end(at_ms, error)

    def spans(self, at_ms: int) -> list[Span]:
        """Its stages, in a span of their own when nobody heard it."""
        stages = [span.done(at_ms) for span in self.stages]
        if self.heard:
            return stages
        attributes: dict[str, Value] = {names.RUN: self.run.id, names.RUN_KIND: self.kind, names.UNHEARD: True}
        if self.speculation is not None:
            attributes[names.SPECULATION] = self.speculation.outcome.value
            attributes[names.SPECULATION_TOKENS] = self.speculation.written_tokens
            attributes[names.SPECULATION_SOUND_MS] = self.speculation.synthesised_ms
        begun_ms, end_ms = self.run.began_at_ms, at_ms if self.ended_at_ms is None else self.ended_at_ms
        ends = [stage.end_ms for stage in stages]
        return [
            Span(
                name=names.UNHEARD_RUN,
                start_ms=begun_ms,
                end_ms=max(begun_ms, end_ms, *ends),
                attributes=attributes,
                error=self.error,
                children=tuple(stages),
            )
        ]


@dataclass(slots=True, kw_only=True)
class OpenTurn:
    """A turn of the caller as it was last seen, or None for a line of the agent's own, which `began_at_ms` then."""

    began_at_ms: int
    turn: Turn | None = None
    runs: dict[int, OpenRun] = field(default_factory=dict)
    requests: list[OpenSpan] = field(default_factory=list)
    latency: TurnLatency | None = None
    failures: list[tuple[Failure, int]] = field(default_factory=list)
    left_out: int = 0

    def add_request(self, span: OpenSpan) -> None:
        """The node was asked something about the turn."""
        self._add(self.requests, span, REQUESTS_MAX)

    def add_stage(self, run: OpenRun, span: OpenSpan) -> None:
        """Something works for the run."""
        self._add(run.stages, span, STAGES_MAX)

    def add_pause(self, playout: OpenSpan, at_ms: int) -> None:
        """The run is paused."""
        self._add(playout.children, OpenSpan(name=names.PAUSED, start_ms=at_ms), STAGES_MAX)

    def _add(self, spans: list[OpenSpan], span: OpenSpan, limit: int) -> None:
        if len(spans) < limit:
            spans.append(span)
        else:
            self.left_out += 1

    def drop(self, run: OpenRun) -> None:
        """The run is over and nobody heard it: it is left out where there are many of them."""
        over = sum(other.ended_at_ms is not None and not other.heard for other in self.runs.values())
        if over > UNHEARD_RUNS_MAX:
            self.left_out += 1 + len(run.stages)
            self.runs.pop(run.run.id, None)

    def done(self, session_id: str, profile: str, at_ms: int, *, session_over: bool) -> Span:
        """The trace."""
        children = [*self._caller(), *(span.done(at_ms) for span in self.requests)]
        for run in self.runs.values():
            children += run.spans(at_ms)
        children.sort(key=lambda span: (span.start_ms, span.end_ms))
        start_ms = self.began_at_ms if self.turn is None else self.turn.started_at_ms
        return Span(
            name=f"{names.INVOKE_AGENT} {profile}",
            start_ms=start_ms,
            end_ms=max((span.end_ms for span in children), default=max(start_ms, at_ms)),
            attributes={
                names.OPERATION: names.INVOKE_AGENT,
                names.PROVIDER: names.SERVICE,
                names.CONVERSATION: session_id,
                names.AGENT: profile,
                **self._attributes(session_over=session_over),
            },
            error=self._error(),
            children=tuple(children),
        )

    def _caller(self) -> list[Span]:
        """How long the caller spoke, and how long it took to know that they had finished."""
        turn = self.turn
        if turn is None or turn.origin is Origin.TYPED:
            return []
        spoken = Span(name=names.CALLER_SPEECH, start_ms=turn.started_at_ms, end_ms=turn.spoken_until_ms)
        if turn.committed_at_ms is None:
            return [spoken]
        known_ms = max(turn.committed_at_ms, turn.spoken_until_ms)
        score: dict[str, Value] = {} if turn.score is None else {names.PROBABILITY: turn.score}
        return [
            spoken,
            Span(name=names.ENDPOINTING, start_ms=turn.spoken_until_ms, end_ms=known_ms, attributes=score),
        ]

    def _attributes(self, *, session_over: bool) -> dict[str, Value]:
        heard = [run for run in self.runs.values() if run.heard]
        told: dict[str, Value] = {}
        if self.turn is not None:
            told |= {names.TURN: self.turn.id, names.ORIGIN: self.turn.origin.value, names.ANSWERED: bool(heard)}
        if heard:
            told |= {names.RUN: heard[-1].run.id, names.RUN_KIND: heard[-1].kind}
            kept = heard[-1].speculation
            if kept is not None:
                told |= {names.SPECULATION: kept.outcome.value, names.SPECULATION_LEAD_MS: kept.lead_ms}
        if self.latency is not None:
            told |= _latency(self.latency)
        if session_over:
            told[names.END_REASON] = names.SESSION_CLOSED
        elif heard:
            told[names.END_REASON] = names.INTERRUPTED if heard[-1].interrupted else names.COMPLETED
        elif self.runs:
            told[names.END_REASON] = names.INTERRUPTED
        if self.left_out:
            told[names.SPANS_LEFT_OUT] = self.left_out
        return told

    def _error(self) -> str:
        """Why the caller did not get the answer, or not the whole of it; a tool's failure is answered by the model."""
        answers = {run.run.id for run in self.runs.values() if run.heard and run.run.line is not LineKind.RECOVERY}
        for failure, run_id in self.failures:
            if not answers or (run_id in answers and failure.stage is not Stage.TOOL):
                return failure.reason.value
        return ""


def _latency(latency: TurnLatency) -> dict[str, Value]:
    stages = {
        "endpointing": latency.endpointing_ms,
        "transcription": latency.transcription_ms,
        "first_token": latency.first_token_ms,
        "first_clause": latency.first_clause_ms,
        "synthesis": latency.synthesis_ms,
        "delivery": latency.delivery_ms,
        "total": latency.total_ms,
    }
    return {f"{names.LATENCY_MS}{stage}_ms": ms for stage, ms in stages.items()}
