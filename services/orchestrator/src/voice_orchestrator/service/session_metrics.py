"""Turns the steps of one session into metrics while they happen; reads no clock, only the times of the steps."""

from collections.abc import Callable
from typing import Any, Final

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import (
    BargeIn,
    BargeInCause,
    BargeInOutcome,
    EndCause,
    Phase,
    Speaker,
    SpeculationEnded,
    Transcript,
    TranscriptKind,
    TurnLatency,
)
from voice_orchestrator.runtime.session_reading import SessionReading, SoundDrop
from voice_orchestrator.service.metrics import ServiceMetrics
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events
from voice_orchestrator.session.reducer import Transition
from voice_orchestrator.session.state import Origin, Run, SessionState, ToolStatus, Turn

SPOKEN_CAUSES: Final = frozenset({BargeInCause.WORDS, BargeInCause.DURATION, BargeInCause.CONTINUED})
"""Causes of an interruption by voice: it has an onset from which the agent's silence can be measured."""

NOTHING_READ: Final = SessionReading()


class SessionMetrics:
    """Implements Observer and OpenSession; `close` at the end, whatever the end was."""

    def __init__(self, metrics: ServiceMetrics, profile: str) -> None:
        """Counts a session of `profile` as begun."""
        self._metrics = metrics
        self._turns = metrics.turns
        self._profile = profile
        self._read: Callable[[], SessionReading] = lambda: NOTHING_READ
        self._dropped: dict[SoundDrop, int] = {}
        self._heartbeats_missed = 0
        self._now_ms = 0
        self._ended = False
        self._lost_at_ms: int | None = None
        self._turn_id = 0
        self._tools: dict[int, tuple[str, int]] = {}
        # Caller speech over the agent: its onset, and what is still to be measured of it.
        self._onset_ms: int | None = None
        self._measured_onset_ms: int | None = None
        self._confirmed: tuple[int, BargeInCause, int] | None = None
        self._stopping: tuple[int, int] | None = None
        self._phase = Phase.CREATED
        metrics.sessions.started.labels(profile).inc()
        metrics.open.add(self)

    # --- what others bring

    def attach(self, read: Callable[[], SessionReading]) -> None:
        """From now on the session's queues and drops are read by `read`."""
        self._read = read

    def take_reading(self) -> SessionReading:
        """See OpenSession."""
        reading = self._read()
        for drop, samples in reading.sound_dropped.items():
            new = samples - self._dropped.get(drop, 0)
            if new:
                self._metrics.flow.dropped.labels(*drop.value).inc(new / SAMPLE_RATE_HZ)
                self._dropped[drop] = samples
        new = reading.heartbeats_missed - self._heartbeats_missed
        if new:
            self._metrics.nodes.heartbeats_missed.inc(new)
            self._heartbeats_missed = reading.heartbeats_missed
        return reading

    def stop_left(self, run_id: int, at_ms: float) -> None:
        """The order to be silent, for the run, left for the edge."""
        if self._stopping is not None and self._stopping[0] == run_id:
            self._turns.stop.observe((at_ms - self._stopping[1]) / 1_000)
            self._stopping = None

    def gap_heard(self, gap_s: float) -> None:
        """The caller heard a silence inside a reply that nobody ordered."""
        self._metrics.flow.gap.observe(gap_s)

    def close(self, cause: EndCause) -> None:
        """The session is over; `cause` counts unless its last step said so itself. Later calls do nothing."""
        if self not in self._metrics.open:
            return
        self.take_reading()
        self._metrics.open.discard(self)
        for name, _ in self._tools.values():
            self._turns.tool_calls.labels(name, "abandoned").inc()
        if not self._ended:
            self._metrics.sessions.ended.labels(cause.value).inc()
        self._metrics.sessions.length.observe(self._now_ms / 1_000)

    # --- Observer

    def on_transition(self, event: events.SessionEvent, transition: Transition) -> None:
        """See Observer."""
        state = transition.state
        self._now_ms = state.now_ms
        if transition.ignored is not None:
            self._turns.ignored.labels(transition.ignored).inc()
        elif (note := _EVENTS.get(type(event))) is not None:
            note(self, event)
        for command in transition.commands:
            if type(command) is c.ToEdge:
                tell = _MESSAGES.get(type(command.message))
                if tell is not None:
                    tell(self, command.message, command.run_id, state)
            elif (obey := _COMMANDS.get(type(command))) is not None:
                obey(self, command, state)
        self._phase = state.phase
        self._onset_ms = None if state.watch is None else state.watch.onset_ms

    # --- events; `_phase` is still the one before

    def _node_lost(self, event: events.InferenceLost) -> None:
        if self._phase is Phase.CONNECTING:
            self._metrics.nodes.refused.labels(event.reason.value).inc()
            return
        self._metrics.nodes.lost.labels(event.reason.value).inc()
        self._lost_at_ms = self._now_ms

    def _node_ready(self, event: events.InferenceReady) -> None:
        del event
        if self._lost_at_ms is not None:
            self._metrics.nodes.reconnect.observe((self._now_ms - self._lost_at_ms) / 1_000)

    def _tool_returned(self, event: events.ToolReturned) -> None:
        self._tool_ended(event.call_id, "returned")

    def _tool_failed(self, event: events.ToolFailed) -> None:
        self._tool_ended(event.call_id, "failed")

    def _tool_ended(self, call_id: int, outcome: str) -> None:
        name, began_ms = self._tools.pop(call_id)
        self._turns.tool_calls.labels(name, outcome).inc()
        self._turns.tool_seconds.labels(name).observe((self._now_ms - began_ms) / 1_000)

    # --- messages to the edge

    def _heard_latency(self, latency: TurnLatency, run_id: int, state: SessionState) -> None:
        del run_id
        turn = _answered(state.run)
        if not state.speaks or turn is None or turn.origin is Origin.TYPED:
            return
        self._turns.turn_answered(self._profile, latency)

    def _said(self, words: Transcript, run_id: int, state: SessionState) -> None:
        del run_id
        told = words.speaker is Speaker.CALLER and words.kind is TranscriptKind.FINAL
        if not told or words.utterance_id <= self._turn_id:
            return
        self._turn_id = words.utterance_id
        known = (state.turn, _answered(state.run))
        origin = next((turn.origin for turn in known if turn and turn.id == words.utterance_id), Origin.SPEECH)
        self._turns.taken.labels(self._profile, origin.value).inc()

    def _decided(self, decision: BargeIn, run_id: int, state: SessionState) -> None:
        self._turns.barge_ins.labels(decision.outcome.value, decision.cause.value).inc()
        if decision.outcome is BargeInOutcome.CONFIRMED:
            onset_ms = state.now_ms - decision.speech_length_ms if self._onset_ms is None else self._onset_ms
            self._confirmed = (run_id, decision.cause, onset_ms)

    def _speculated(self, ended: SpeculationEnded, run_id: int, state: SessionState) -> None:
        del run_id, state
        outcome = ended.outcome.value
        self._turns.speculations.labels(outcome).inc()
        self._turns.speculation_tokens.labels(outcome).inc(ended.written_tokens)
        self._turns.speculation_sound.labels(outcome).inc(ended.synthesised_ms / 1_000)

    def _failed(self, failure: Failure, run_id: int, state: SessionState) -> None:
        del run_id
        self._count(failure)
        if failure.stage is Stage.TOOL and failure.reason is FailureReason.DEADLINE_EXCEEDED:
            running = {call.id for call in state.tools if call.status is ToolStatus.RUNNING}
            for call_id in self._tools.keys() - running:
                self._tool_ended(call_id, "overran")

    def _count(self, failure: Failure) -> None:
        self._turns.failures.labels(failure.stage.value, failure.reason.value).inc()

    # --- commands

    def _paused(self, command: c.PauseRun, state: SessionState) -> None:
        assert state.watch is not None, "a run is paused for speech that is watched"
        self._stop(command.run_id, state.watch.onset_ms)

    def _flushed(self, command: c.FlushRun, state: SessionState) -> None:
        del state
        if self._confirmed is None or self._confirmed[0] != command.run_id:
            return
        _, cause, onset_ms = self._confirmed
        if cause in SPOKEN_CAUSES:
            self._stop(command.run_id, onset_ms)

    def _stop(self, run_id: int, onset_ms: int) -> None:
        """The agent is to be silent because of speech that began then: measured once, at the first order."""
        if onset_ms != self._measured_onset_ms:
            self._measured_onset_ms = onset_ms
            self._stopping = (run_id, onset_ms)

    def _tool_called(self, command: c.CallTool, state: SessionState) -> None:
        self._tools[command.call_id] = (command.name, state.now_ms)

    def _call_ended(self, command: c.EndCall, state: SessionState) -> None:
        del state
        self._ended = True
        self._metrics.sessions.ended.labels(command.cause.value).inc()
        if command.failure is not None:
            self._count(command.failure)


def _answered(run: Run | None) -> Turn | None:
    return None if run is None else run.answers


# Looked up by type: most steps of a session concern nothing here, and must cost next to nothing.
_EVENTS: Final[dict[type[Any], Callable[[SessionMetrics, Any], None]]] = {
    events.InferenceLost: SessionMetrics._node_lost,
    events.InferenceReady: SessionMetrics._node_ready,
    events.ToolReturned: SessionMetrics._tool_returned,
    events.ToolFailed: SessionMetrics._tool_failed,
}
_MESSAGES: Final[dict[type[Any], Callable[[SessionMetrics, Any, int, SessionState], None]]] = {
    TurnLatency: SessionMetrics._heard_latency,
    Transcript: SessionMetrics._said,
    BargeIn: SessionMetrics._decided,
    SpeculationEnded: SessionMetrics._speculated,
    Failure: SessionMetrics._failed,
}
_COMMANDS: Final[dict[type[Any], Callable[[SessionMetrics, Any, SessionState], None]]] = {
    c.PauseRun: SessionMetrics._paused,
    c.FlushRun: SessionMetrics._flushed,
    c.CallTool: SessionMetrics._tool_called,
    c.EndCall: SessionMetrics._call_ended,
}
