"""What must be true of every session after every step, kept as books that cost little."""

from collections.abc import Mapping
from typing import Any, Final

from simulation.playout import Playing

from voice_contract import messages as m
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.history import HISTORY_ENTRIES_MAX
from voice_orchestrator.session.phases import PHASE_EDGES
from voice_orchestrator.session.policy import LineKind
from voice_orchestrator.session.reducer import Transition
from voice_orchestrator.session.state import RunStatus, SessionState, Turn

TOOLS_MAX: Final = 20
SEGMENTS_MAX: Final = 500
FORGOTTEN: Final = frozenset({m.BargeInCause.BACKCHANNEL, m.BargeInCause.NO_WORDS, m.BargeInCause.ECHO})


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def _reachable(before: m.Phase) -> frozenset[m.Phase]:
    """Phases a legal chain leads to: one event may pass through several."""
    seen: set[m.Phase] = set()
    queue = [before]
    while queue:
        for following in PHASE_EDGES[queue.pop()]:
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return frozenset(seen)


REACHABLE: Final = {phase: _reachable(phase) for phase in m.Phase}


class Checker:
    """Raises AssertionError naming what is not true."""

    def __init__(self, playing: Mapping[int, Playing]) -> None:
        """`playing`: every run's sound, as the world goes on to play it."""
        self._playing = playing
        self._event: e.SessionEvent | None = None
        self.ended = False
        self._run_id = 0
        self._released: set[int] = set()
        self._paused: set[int] = set()
        self._gone: set[int] = set()
        self._speculative: set[int] = set()
        self._settled: set[int] = set()
        self._undecided: set[int] = set()
        self._confirmed: set[int] = set()
        self._heard: list[str] = []
        self._heard_runs: set[int] = set()
        self._called: set[int] = set()
        self._shown: dict[int, str] = {}
        self._asked: dict[int, str] = {}
        self._before: SessionState | None = None
        self._cancelled: set[int] = set()
        self._dropped: set[int] = set()
        self._on: dict[type[Any], Any] = {
            c.ReleaseRun: self._release,
            c.PauseRun: self._pause,
            c.ResumeRun: self._resume,
            c.FlushRun: self._flush,
            c.DropRun: self._drop,
            c.CloseRun: self._live,
            c.SpeakPrepared: self._speak_prepared,
            c.ToInference: self._to_node,
            c.ToEdge: self._to_edge,
            c.CallTool: self._call_tool,
            c.EndCall: self._end,
        }
        self.seen: set[Any] = set()

    def where(self, state: SessionState) -> str:
        """The state in a line, for a message."""
        run, turn = state.run, state.turn
        return (
            f"{state.phase.name}, turn {turn and (turn.id, turn.speaking, turn.text, turn.committed_at_ms)}, "
            f"run {run and (run.id, run.status.name, run.speculative, run.written, run.closed, run.awaits_tools)}, "
            f"watch {state.watch is not None}, flushing {state.flushing is not None}, tools {len(state.tools)}"
        )

    # --- after every step

    def check(self, event: e.SessionEvent, before: SessionState, transition: Transition, due_ms: int | None) -> None:
        """Checks one step; `due_ms` is the session's next deadline after it."""
        after, commands = transition.state, transition.commands
        self._event, self._before = event, before
        self._cancelled.clear()
        self._dropped.clear()
        self.seen.add((type(event), before.phase.value))
        if before.phase is m.Phase.TERMINATED:
            assert after is before, "a session that is over changed"
            assert not commands, "a session that is over commands"
            return
        if transition.ignored is not None:
            self.seen.add(transition.ignored)
            assert not commands, f"an ignored event commanded {commands}"
            return
        if after.phase is not before.phase:
            assert after.phase in REACHABLE[before.phase], f"{before.phase} became {after.phase}"
            self.seen.add((before.phase, after.phase))
        for command in commands:
            self.seen.add(type(command))
            handler = self._on.get(type(command))
            if handler is not None:
                assert not self.ended, f"{command} after the end"
                handler(command, after)
        if self._dropped and not self.ended and type(event) is not e.InferenceLost:
            assert self._dropped <= self._cancelled, "a run was given up and goes on at the node"
        if type(event) is e.CallerTranscribed:
            asked = before.turn.revision if before.turn is not None else None
            assert event.revision == asked, "a stale transcript was taken"
        assert self.ended == (after.phase is m.Phase.TERMINATED), "the end and TERMINATED go together"
        self._check_state(event, before, after, due_ms)

    def _check_state(
        self, event: e.SessionEvent, before: SessionState, after: SessionState, due_ms: int | None
    ) -> None:
        phase, run, turn = after.phase, after.run, after.turn
        assert after.now_ms >= before.now_ms, "time ran backwards"
        if phase is m.Phase.RESPONDING:
            assert run is not None, "nothing is heard while RESPONDING"
            assert run.status is not RunStatus.SILENT, "nothing is heard while RESPONDING"
        elif phase is m.Phase.PROCESSING:
            assert turn is not None, "nothing is answered while PROCESSING"
        elif phase is m.Phase.ACTIVE:
            assert run is None or run.status is RunStatus.SILENT, "the agent is heard while ACTIVE"
        elif phase is m.Phase.CONNECTING:
            heard_on = run is not None and run.status is not RunStatus.SILENT and run.closed
            assert run is None or heard_on or run.line is LineKind.HOLD, "a run without a node"
        assert after.connect_deadline_ms is None or phase is m.Phase.CONNECTING, "a timer of a node that is here"
        if after.unsaid:
            assert turn is None, "the rest of a reply outlives the next turn"
            assert run is None or run.closed or run.line is LineKind.HOLD, (
                "the rest of a reply is kept while it is said"
            )
        if turn is not None:
            self._check_turn(turn)
        if run is not None:
            assert (run.status is RunStatus.PAUSED) == (run.id in self._paused), "paused for one side only"
            if run.written:
                assert run.writing_deadline_ms is None, "a reply that is written waits to be written"
            assert run.id not in self._gone, "a run that has ended lives"
            assert run.id == after.next_run_id - 1, "an older run lives than the newest"
            assert len(run.segments) < SEGMENTS_MAX
            if run.id != self._run_id:
                self._begin(run.id)
                if run.speculative:
                    self._speculative.add(run.id)
            if run.status is RunStatus.PAUSED:
                assert after.watch is not None, "a pause nobody decides"
                assert after.watch.paused, "a pause nobody decides"
        if before.run is not None and (run is None or run.id != before.run.id):
            self._ended(before.run.id)
        if after.watch is not None:
            assert run is not None, "a watch without a run"
            silent = before.turn is not None and not before.turn.speaking
            if after.watch.paused and silent and turn is not None and not turn.speaking:
                paused_ms = after.now_ms - max(after.watch.since_ms, turn.spoken_until_ms)
                limit_ms = after.policy.interruptions.false_interruption_timeout_ms
                assert paused_ms <= limit_ms or after.now_ms - before.now_ms > limit_ms, "a pause outlasts its time"
        if after.history is not before.history:
            self._check_history(after)
        if after.tools:
            assert len(after.tools) <= TOOLS_MAX, "tools pile up"
        if phase is not m.Phase.TERMINATED:
            assert due_ms is not None, "a session waits without a deadline"
            if type(event) is e.Tick:
                assert due_ms > after.now_ms, "a Tick left a deadline that is due"

    def _check_turn(self, turn: Turn) -> None:
        if turn.speaking:
            assert turn.committed_at_ms is None, "a turn is over while the caller speaks"
            assert turn.transcription_deadline_ms is None, "final words are waited for while the caller speaks"
            assert turn.score_deadline_ms is None, "a pause is judged while the caller speaks"
        if turn.text is not None:
            assert turn.transcription_deadline_ms is None, "words that are here are waited for"

    def _begin(self, run_id: int) -> None:
        assert run_id > self._run_id, "a run began twice"
        self._run_id = run_id

    def _ended(self, run_id: int) -> None:
        self._gone.add(run_id)
        assert run_id not in self._undecided, "a pause was never decided"
        assert run_id not in self._paused, "a run is over and the edge still pauses"
        if run_id in self._speculative:
            assert run_id in self._settled, "nobody was told what became of a speculation"

    def _check_history(self, state: SessionState) -> None:
        history = state.history
        assert len(history) <= HISTORY_ENTRIES_MAX
        calls: list[str] = []
        spoken: list[str] = []
        for said in history:
            if said.tool_call_id:
                if said.role is m.ChatRole.TOOL:
                    calls.append(said.tool_call_id)
                continue
            assert said.text, "an empty entry in the history"
            if said.role is m.ChatRole.ASSISTANT:
                spoken.append(said.text)
        assert len(calls) == len(set(calls)), "a tool result was used twice"
        if len(history) < HISTORY_ENTRIES_MAX:
            assert " ".join(spoken) == " ".join(self._heard), "the history is not what was heard"

    # --- commands

    def _live(self, command: Any, after: SessionState) -> None:
        del after
        assert command.run_id not in self._gone, f"{type(command).__name__} for a run that has ended"

    def _release(self, command: c.ReleaseRun, after: SessionState) -> None:
        self._live(command, after)
        assert command.run_id not in self._released, "a run was released twice"
        assert not (self._released - self._gone - {command.run_id}), "two runs are audible"
        assert after.run is None or after.run.id != command.run_id or not after.run.speculative, (
            "a speculative run was released"
        )
        if command.run_id in self._speculative:
            assert command.run_id in self._settled, "a speculative run was released"
        before = self._before
        if before is not None and before.turn is not None and before.run is not None and before.turn.speaking:
            assert before.run.turn_id != before.turn.id, "a reply is heard while the caller says what it answers"
        self._released.add(command.run_id)

    def _pause(self, command: c.PauseRun, after: SessionState) -> None:
        self._live(command, after)
        assert command.run_id in self._released, "a silent run was paused"
        assert command.run_id not in self._paused, "a run was paused twice"
        self._paused.add(command.run_id)

    def _resume(self, command: c.ResumeRun, after: SessionState) -> None:
        self._live(command, after)
        assert command.run_id in self._paused, "a run that plays was resumed"
        assert command.run_id not in self._confirmed, "an interrupted run was resumed"
        self._paused.discard(command.run_id)

    def _flush(self, command: c.FlushRun, after: SessionState) -> None:
        self._live(command, after)
        assert command.run_id in self._released, "a silent run was flushed"
        self._gone.add(command.run_id)
        self._paused.discard(command.run_id)
        self._dropped.add(command.run_id)

    def _drop(self, command: c.DropRun, after: SessionState) -> None:
        self._live(command, after)
        assert command.run_id not in self._released, "a heard run was dropped"
        self._gone.add(command.run_id)
        self._dropped.add(command.run_id)

    def _speak_prepared(self, command: c.SpeakPrepared, after: SessionState) -> None:
        self._live(command, after)
        assert after.phase is m.Phase.CONNECTING, "a line for the time without a node, with a node"
        assert command.text, "silence was to be said"

    def _to_node(self, command: c.ToInference, after: SessionState) -> None:
        del after
        if command.run_id:
            assert command.run_id not in self._gone, f"{command.message} for a run that has ended"
            if type(command.message) is m.CancelRun:
                self._cancelled.add(command.run_id)

    def _to_edge(self, command: c.ToEdge, after: SessionState) -> None:
        message: Any = command.message
        kind, run_id = type(message), command.run_id
        if kind is m.PhaseChanged:
            self.seen.add(("edge", message.from_phase, message.to_phase))
        elif kind is m.BargeIn:
            self._decision(message, run_id, after)
        elif kind is m.RunHeard:
            self._run_heard(message, run_id, after)
        elif kind is m.SpeculationEnded:
            assert run_id in self._speculative or (after.run is not None), "a run that never speculated"
            assert run_id not in self._settled, "a speculation ended twice"
            self._settled.add(run_id)
        elif kind is m.Transcript and message.speaker is m.Speaker.CALLER:
            self._caller_words(message, after)
        elif kind is m.TurnLatency:
            stages = (
                message.endpointing_ms,
                message.transcription_ms,
                message.first_token_ms,
                message.first_clause_ms,
                message.synthesis_ms,
                message.delivery_ms,
            )
            assert min(stages) >= 0, "a stage is negative"
            assert sum(stages) == message.total_ms, "the stages do not add up"

    def _decision(self, decision: m.BargeIn, run_id: int, after: SessionState) -> None:
        self.seen.add((decision.outcome, decision.cause))
        if decision.outcome is m.BargeInOutcome.PAUSED:
            assert run_id not in self._undecided, "paused twice"
            self._undecided.add(run_id)
        else:
            self._undecided.discard(run_id)
            watched = self._before is not None and self._before.watch is not None
            if watched and decision.outcome is m.BargeInOutcome.REJECTED and decision.cause in FORGOTTEN:
                assert after.turn is None, "speech that was nothing is kept"
            if decision.outcome is m.BargeInOutcome.CONFIRMED:
                assert run_id not in self._confirmed, "confirmed twice"
                self._confirmed.add(run_id)

    def _caller_words(self, words: m.Transcript, after: SessionState) -> None:
        if words.kind is m.TranscriptKind.PARTIAL:
            shown = self._shown.get(words.utterance_id, "")
            assert words.text.startswith(shown), f"{shown!r} was shown, then {words.text!r}"
            self._shown[words.utterance_id] = words.text
            return
        before = self._before
        if before is not None and before.run is not None and before.run.speculative and after.run is not None:
            asked = self._asked.get(after.run.id, "")
            assert after.run.id != before.run.id or _plain(asked).endswith(_plain(words.text)), (
                f"a reply to {asked!r} answers {words.text!r}"
            )

    def _run_heard(self, heard: m.RunHeard, run_id: int, after: SessionState) -> None:
        assert run_id not in self._heard_runs, "what was heard of a run was told twice"
        self._heard_runs.add(run_id)
        if heard.text:
            self._heard.append(heard.text)
        playing, event = self._playing.get(run_id), self._event
        if playing is None or not after.speaks:
            return
        if isinstance(event, e.PlayoutReported) and event.run_id == run_id:
            truth = playing.heard_words(event.played_samples)
        else:
            truth = playing.played_words()
        assert heard.text == truth, f"heard {truth!r}, told {heard.text!r}"

    def _call_tool(self, command: c.CallTool, after: SessionState) -> None:
        assert command.call_id not in self._called, "a tool was called twice"
        run = after.run
        if run is not None and run.speculative:
            mine = any(call.id == command.call_id and call.run_id == run.id for call in after.tools)
            assert not mine, "a tool works for a turn that is not over"
        self._called.add(command.call_id)

    def _end(self, command: c.EndCall, after: SessionState) -> None:
        del command, after
        self.ended = True

    # --- what the world tells

    def heard(self, run_id: int) -> None:
        """A sample of a run left for the edge."""
        assert run_id not in self._gone, "sound of a run that has ended"
        assert run_id not in self._confirmed, "sound after a confirmed barge-in"

    def generated(self, request: m.Generate, run_id: int) -> None:
        """The node was asked for a reply."""
        results = [message.tool_call_id for message in request.messages if message.role is m.ChatRole.TOOL]
        assert len(results) == len(set(results)), "a tool result is in a prompt twice"
        self._asked[run_id] = next(msg.text for msg in reversed(request.messages) if msg.role is m.ChatRole.USER)

    def at_rest(self, state: SessionState) -> None:
        """The session came to rest: every run has ended, every heard one was told of."""
        if state.phase is m.Phase.TERMINATED:
            assert self.ended
        missing = self._released - self._heard_runs
        assert not missing, f"nobody was told what was heard of runs {sorted(missing)}"
        assert not self._undecided, "a pause was never decided"
