"""Turns the steps of one session into traces, one for each turn; reads no clock, only the times of the steps.

A trace is given away in the step in which its turn is over: nothing of it is in the state any more and no tool works
for it. A line that answers no turn, the greeting for example, is a trace of its own.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from voice_contract.audio import ms_from_samples
from voice_contract.failures import Failure, Stage
from voice_contract.messages import (
    BargeIn,
    BargeInOutcome,
    CancelRun,
    CancelTranscription,
    Generate,
    Phase,
    RunHeard,
    ScoreEndOfTurn,
    SpeculationEnded,
    Synthesize,
    Transcribe,
    TranscribeKind,
    TurnLatency,
    WorkTiming,
)
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events
from voice_orchestrator.session.reducer import Transition
from voice_orchestrator.session.state import Run, SessionState, ToolStatus
from voice_orchestrator.traces import names
from voice_orchestrator.traces.open_turn import OpenRun, OpenTurn
from voice_orchestrator.traces.spans import OpenSpan, TraceSink, Value

REQUESTS: Final = {Stage.STT: names.SPEECH_TO_TEXT, Stage.END_OF_TURN: names.END_OF_TURN}
"""What is asked about a turn, by the stage that answers."""

STAGES: Final = {Stage.LLM: names.CHAT, Stage.TTS: names.TEXT_TO_SPEECH, Stage.EDGE: names.PLAYOUT}
"""What works for a run."""


class SessionTraces:
    """Implements Observer; `close` at the end, whatever the end was. `node` tells the address of the inference node."""

    def __init__(
        self, session_id: str, profile: str, began_at: datetime, sink: TraceSink, node: Callable[[], str] = str
    ) -> None:
        """`began_at` is when the session's clock was at 0."""
        self._session_id = session_id
        self._profile = profile
        self._began_at = began_at
        self._sink = sink
        self._node = node
        self._now_ms = 0
        # Turns by their id; lines that answer none by the id of their run, negative.
        self._turns: dict[int, OpenTurn] = {}
        self._turn_of_run: dict[int, OpenTurn] = {}
        self._asked: dict[tuple[str, int], tuple[int, OpenSpan]] = {}
        self._calls: dict[int, tuple[int, OpenSpan]] = {}

    # --- Observer

    def on_transition(self, event: events.SessionEvent, transition: Transition) -> None:
        """See Observer."""
        if transition.ignored is not None:
            return
        state = transition.state
        self._now_ms = state.now_ms
        self._look(state)
        if (note := _EVENTS.get(type(event))) is not None:
            note(self, event)
        for command in transition.commands:
            if type(command) is c.ToEdge or type(command) is c.ToInference:
                tell = _MESSAGES.get(type(command.message))
                if tell is not None:
                    tell(self, command.message, command.run_id, state)
            elif (obey := _COMMANDS.get(type(command))) is not None:
                obey(self, command, state)
        if self._turns:
            self._settle(state)

    def close(self) -> None:
        """The session is over: what its last step did not end ends with it. Later calls do nothing."""
        for key in tuple(self._turns):
            self._give_away(key, session_over=True)
        self._calls.clear()
        self._node = str

    # --- what is there

    def _look(self, state: SessionState) -> None:
        if state.turn is not None:
            self._open_turn(state.turn.id).turn = state.turn
        run = state.run
        if run is None:
            return
        known = self._run(run.id)
        if known is None:
            turn = self._open_turn(run.turn_id or -run.id)
            known = turn.runs[run.id] = OpenRun(run=run)
            self._turn_of_run[run.id] = turn
        known.run = run
        if run.answers is not None and not run.speculative and run.answers.committed_at_ms is not None:
            # A reply that was ready at the commit takes the turn out of the state in the very step that commits it.
            self._turn_of_run[run.id].turn = run.answers

    def _open_turn(self, key: int) -> OpenTurn:
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = OpenTurn(began_at_ms=self._now_ms)
        return turn

    def _run(self, run_id: int) -> OpenRun | None:
        turn = self._turn_of_run.get(run_id)
        return None if turn is None else turn.runs.get(run_id)

    def _settle(self, state: SessionState) -> None:
        if state.phase is Phase.TERMINATED:
            self.close()
            return
        live = {self._key_of(run_id) for run_id, _ in self._calls.values()}
        if state.turn is not None:
            live.add(state.turn.id)
        if state.run is not None:
            live.add(_key(state.run))
        if state.flushing is not None:
            live.add(_key(state.flushing.run))
        for key in self._turns.keys() - live:
            self._give_away(key, session_over=False)

    def _key_of(self, run_id: int) -> int:
        run = self._run(run_id)
        return 0 if run is None else _key(run.run)

    def _give_away(self, key: int, *, session_over: bool) -> None:
        turn = self._turns.pop(key)
        for run_id in [run_id for run_id, its in self._turn_of_run.items() if its is turn]:
            del self._turn_of_run[run_id]
        for asked in [asked for asked in self._asked if asked[1] == key]:
            del self._asked[asked]
        trace = turn.done(self._session_id, self._profile, self._now_ms, session_over=session_over)
        self._sink.take(trace, self._began_at)

    # --- spans

    def _request(self, operation: str) -> OpenSpan:
        """A span of work the inference node is asked for."""
        told: dict[str, Value] = {
            names.OPERATION: operation,
            names.PROVIDER: names.NODE,
            names.CONVERSATION: self._session_id,
        }
        host, _, port = self._node().rpartition(":")
        if host and port.isdigit():
            told |= {names.SERVER_ADDRESS: host.strip("[]"), names.SERVER_PORT: int(port)}
        return OpenSpan(name=operation, start_ms=self._now_ms, attributes=told, client=True)

    def _ask(self, operation: str, utterance_id: int, revision: int) -> None:
        self._end_request(operation, utterance_id, cancelled=True)
        turn = self._turns.get(utterance_id)
        if turn is not None:
            span = self._request(operation)
            turn.add_request(span)
            self._asked[operation, utterance_id] = (revision, span)

    def _end_request(self, operation: str, utterance_id: int, *, cancelled: bool = False, error: str = "") -> None:
        _, span = self._asked.pop((operation, utterance_id), (0, None))
        if span is not None:
            if cancelled:
                span.attributes[names.CANCELLED] = True
            span.end(self._now_ms, error)

    def _answered(self, operation: str, utterance_id: int, revision: int, timing: WorkTiming) -> OpenSpan | None:
        """The span of a request that was answered, ended; None when the answer is to another one."""
        known, span = self._asked.get((operation, utterance_id), (0, None))
        if span is None or known != revision:
            return None
        span.attributes |= _worked(timing)
        self._end_request(operation, utterance_id)
        return span

    # --- events that meant something

    def _transcribed(self, event: events.CallerTranscribed) -> None:
        if event.kind is TranscribeKind.FINAL:
            self._answered(names.SPEECH_TO_TEXT, event.utterance_id, event.revision, event.timing)

    def _scored(self, event: events.EndOfTurnScored) -> None:
        span = self._answered(names.END_OF_TURN, event.utterance_id, event.revision, event.timing)
        if span is not None:
            span.attributes[names.PROBABILITY] = event.probability

    def _node_lost(self, event: events.InferenceLost) -> None:
        for operation, utterance_id in tuple(self._asked):
            self._end_request(operation, utterance_id, error=event.reason.value)
        for turn in self._turns.values():
            for run in turn.runs.values():
                run.stop_work(self._now_ms, event.reason.value)

    def _text(self, event: events.ReplyText) -> None:
        for span in self._open(event.run_id, names.CHAT):
            self._first(span)

    def _written(self, event: events.ReplyEnded) -> None:
        for span in self._open(event.run_id, names.CHAT):
            span.attributes |= _worked(event.timing) | {
                names.FINISH_REASONS: (event.reason.value,),
                names.INPUT_TOKENS: event.prompt_tokens,
                names.CACHED_TOKENS: event.cached_tokens,
                names.OUTPUT_TOKENS: event.generated_tokens,
            }
            span.end(self._now_ms)

    def _sounded(self, event: events.SegmentSounded) -> None:
        for span in self._open(event.run_id, names.TEXT_TO_SPEECH, event.segment_index):
            self._first(span)

    def _synthesised(self, event: events.SegmentSynthesised) -> None:
        for span in self._open(event.run_id, names.TEXT_TO_SPEECH, event.segment_index):
            span.attributes |= _worked(event.timing) | {names.SOUND_MS: ms_from_samples(event.total_samples)}
            span.end(self._now_ms)

    def _open(self, run_id: int, stage: str, segment: int | None = None) -> list[OpenSpan]:
        run = self._run(run_id)
        spans = [] if run is None else run.open(stage)
        return [span for span in spans if segment is None or span.attributes[names.SEGMENT] == segment]

    def _first(self, span: OpenSpan) -> None:
        span.attributes.setdefault(names.FIRST_CHUNK_S, (self._now_ms - span.start_ms) / 1_000)

    def _started(self, event: events.SegmentStarted) -> None:
        run = self._run(event.run_id)
        if run is not None and run.playout is None:
            run.heard = True
            run.playout = OpenSpan(name=names.PLAYOUT, start_ms=self._now_ms, attributes={names.RUN: event.run_id})
            run.stages.append(run.playout)

    def _reported(self, event: events.PlayoutReported) -> None:
        run = self._run(event.run_id)
        if run is not None and run.playout is not None:
            run.playout.attributes[names.PLAYED_MS] = ms_from_samples(event.played_samples)

    def _tool_returned(self, event: events.ToolReturned) -> None:
        _, span = self._calls.pop(event.call_id, (0, None))
        if span is not None:
            span.end(self._now_ms)

    # --- messages to the node

    def _transcribe(self, asked: Transcribe, run_id: int, state: SessionState) -> None:
        del run_id, state
        if asked.kind is TranscribeKind.FINAL:
            self._ask(names.SPEECH_TO_TEXT, asked.utterance_id, asked.revision)

    def _score(self, asked: ScoreEndOfTurn, run_id: int, state: SessionState) -> None:
        del run_id, state
        self._ask(names.END_OF_TURN, asked.utterance_id, asked.revision)

    def _give_up(self, given_up: CancelTranscription, run_id: int, state: SessionState) -> None:
        del run_id, state
        for operation in REQUESTS.values():
            self._end_request(operation, given_up.utterance_id, cancelled=True)

    def _generate(self, asked: Generate, run_id: int, state: SessionState) -> None:
        del asked, state
        self._work(run_id, self._request(names.CHAT))

    def _synthesise(self, asked: Synthesize, run_id: int, state: SessionState) -> None:
        del state
        span = self._request(names.TEXT_TO_SPEECH)
        span.attributes |= {names.SEGMENT: asked.segment_index, names.OUTPUT_TYPE: names.SPEECH}
        self._work(run_id, span)

    def _work(self, run_id: int, span: OpenSpan) -> None:
        run = self._run(run_id)
        if run is not None:
            span.attributes[names.RUN] = run_id
            self._turn_of_run[run_id].add_stage(run, span)

    def _cancelled(self, order: CancelRun, run_id: int, state: SessionState) -> None:
        del order, state
        run = self._run(run_id)
        if run is not None:
            run.stop_work(self._now_ms)

    # --- messages to the edge

    def _latency(self, latency: TurnLatency, run_id: int, state: SessionState) -> None:
        del state
        if run_id in self._turn_of_run:
            self._turn_of_run[run_id].latency = latency

    def _speculated(self, ended: SpeculationEnded, run_id: int, state: SessionState) -> None:
        del state
        run = self._run(run_id)
        if run is not None:
            run.speculation = ended

    def _decided(self, decision: BargeIn, run_id: int, state: SessionState) -> None:
        del state
        run = self._run(run_id)
        if run is None or run.playout is None or decision.outcome is BargeInOutcome.PAUSED:
            return
        told = {names.INTERRUPTION_OUTCOME: decision.outcome.value, names.INTERRUPTION_CAUSE: decision.cause.value}
        spans = [pause for pause in run.playout.children if pause.end_ms is None]
        if decision.outcome is BargeInOutcome.CONFIRMED:
            spans.append(run.playout)
        for span in spans:
            span.attributes |= told

    def _heard(self, heard: RunHeard, run_id: int, state: SessionState) -> None:
        del state
        run = self._run(run_id)
        if run is None:
            return
        run.heard = run.heard or bool(heard.text)
        run.interrupted = heard.interrupted
        self._silence(run)

    def _failed(self, failure: Failure, run_id: int, state: SessionState) -> None:
        reason, turn, run = failure.reason.value, self._turn_of_run.get(run_id), self._run(run_id)
        if turn is None:
            turn = self._turns.get(failure.utterance_id)
        if turn is not None:
            turn.failures.append((failure, run_id))
        if failure.stage in REQUESTS:
            self._end_request(REQUESTS[failure.stage], failure.utterance_id, error=reason)
        elif failure.stage is Stage.TOOL:
            self._end_tools(state, reason)
        elif run is not None:
            run.error = reason
            for span in run.open(STAGES.get(failure.stage, "")):
                span.end(self._now_ms, reason)

    def _end_tools(self, state: SessionState, reason: str) -> None:
        """What the core does not wait for any more has failed."""
        running = {call.id for call in state.tools if call.status is ToolStatus.RUNNING}
        for call_id in self._calls.keys() - running:
            _, span = self._calls.pop(call_id)
            span.end(self._now_ms, reason)

    # --- commands

    def _paused(self, command: c.PauseRun, state: SessionState) -> None:
        del state
        run = self._run(command.run_id)
        if run is not None and run.playout is not None:
            self._turn_of_run[command.run_id].add_pause(run.playout, self._now_ms)

    def _resumed(self, command: c.ResumeRun, state: SessionState) -> None:
        del state
        run = self._run(command.run_id)
        if run is not None and run.playout is not None:
            for pause in run.playout.children:
                pause.end(self._now_ms)

    def _flushed(self, command: c.FlushRun, state: SessionState) -> None:
        del state
        run = self._run(command.run_id)
        if run is not None:
            self._silence(run)

    def _dropped(self, command: c.DropRun, state: SessionState) -> None:
        del state
        run = self._run(command.run_id)
        if run is not None:
            self._silence(run)
            self._turn_of_run[command.run_id].drop(run)

    def _silence(self, run: OpenRun) -> None:
        """The run is over for the caller; its tools may still work."""
        run.stop_work(self._now_ms)
        if run.playout is not None:
            run.playout.end(self._now_ms)
        if run.ended_at_ms is None:
            run.ended_at_ms = self._now_ms

    def _tool_called(self, command: c.CallTool, state: SessionState) -> None:
        run_id = next(call.run_id for call in state.tools if call.id == command.call_id)
        run = self._run(run_id)
        if run is None:
            return
        told: dict[str, Value] = {
            names.OPERATION: names.EXECUTE_TOOL,
            names.CONVERSATION: self._session_id,
            names.TOOL_NAME: command.name,
            names.TOOL_CALL: f"{self._session_id}-{command.call_id}",
            names.TOOL_TYPE: names.FUNCTION,
            names.RUN: run_id,
        }
        span = OpenSpan(name=f"{names.EXECUTE_TOOL} {command.name}", start_ms=self._now_ms, attributes=told)
        self._turn_of_run[run_id].add_stage(run, span)
        self._calls[command.call_id] = (run_id, span)


def _key(run: Run) -> int:
    return run.turn_id or -run.id


def _worked(timing: WorkTiming) -> dict[str, Value]:
    return {names.QUEUED_MS: timing.queued_us / 1_000, names.WORK_MS: timing.total_us / 1_000}


# Looked up by type: most steps of a session concern nothing here, and must cost next to nothing.
_EVENTS: Final[dict[type[Any], Callable[[SessionTraces, Any], None]]] = {
    events.CallerTranscribed: SessionTraces._transcribed,
    events.EndOfTurnScored: SessionTraces._scored,
    events.InferenceLost: SessionTraces._node_lost,
    events.ReplyText: SessionTraces._text,
    events.ReplyEnded: SessionTraces._written,
    events.SegmentSounded: SessionTraces._sounded,
    events.SegmentSynthesised: SessionTraces._synthesised,
    events.SegmentStarted: SessionTraces._started,
    events.PlayoutReported: SessionTraces._reported,
    events.ToolReturned: SessionTraces._tool_returned,
}
_MESSAGES: Final[dict[type[Any], Callable[[SessionTraces, Any, int, SessionState], None]]] = {
    Transcribe: SessionTraces._transcribe,
    ScoreEndOfTurn: SessionTraces._score,
    CancelTranscription: SessionTraces._give_up,
    Generate: SessionTraces._generate,
    Synthesize: SessionTraces._synthesise,
    CancelRun: SessionTraces._cancelled,
    TurnLatency: SessionTraces._latency,
    SpeculationEnded: SessionTraces._speculated,
    BargeIn: SessionTraces._decided,
    RunHeard: SessionTraces._heard,
    Failure: SessionTraces._failed,
}
_COMMANDS: Final[dict[type[Any], Callable[[SessionTraces, Any, SessionState], None]]] = {
    c.PauseRun: SessionTraces._paused,
    c.ResumeRun: SessionTraces._resumed,
    c.FlushRun: SessionTraces._flushed,
    c.DropRun: SessionTraces._dropped,
    c.CallTool: SessionTraces._tool_called,
}
