"""Random sessions: events that mostly make sense, at times that mostly do, and the invariants that must hold."""

import dataclasses
import enum
import random
import typing
from collections import Counter
from itertools import pairwise
from typing import Any

from voice_contract.messages import (
    CancelRun,
    Generate,
    Phase,
    Synthesize,
    TurnLatency,
    WorkTiming,
)
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.deadlines import next_deadline
from voice_orchestrator.session.history import HISTORY_ENTRIES_MAX
from voice_orchestrator.session.phases import PHASE_EDGES
from voice_orchestrator.session.policy import (
    CallLimits,
    InterruptionPolicy,
    RecoveryLines,
    SessionPolicy,
    TurnTakingPolicy,
)
from voice_orchestrator.session.reducer import Transition, reduce
from voice_orchestrator.session.state import SessionState, initial_state

EVENT_TYPES: tuple[type[Any], ...] = typing.get_args(e.SessionEvent)
ENDS = frozenset({e.CallerHungUp, e.EdgeLost, e.ShutdownRequested, e.ShellFailed})
RARE = ENDS | {e.InferenceLost, e.TranscriptionFailed, e.RunFailed}
RUN_STORY: tuple[type[Any], ...] = (
    e.ReplyText, e.ReplyText, e.ReplyEnded, e.SegmentSounded, e.SegmentSynthesised, e.SegmentSynthesised,
    e.SegmentStarted, e.SegmentStarted, e.SegmentPlayed, e.SegmentPlayed, e.PlayoutReported, e.SpeechStarted,
)  # fmt: skip
TEXTS = ("", "hello there, my friend. ", "yes", "What is it? I think so, ", "Well. ")


def random_event(rng: random.Random, kind: type[Any], state: SessionState, now_ms: int) -> e.SessionEvent:
    """An event of `kind` that usually fits the state."""
    hints = typing.get_type_hints(kind)
    values = {
        field.name: _value(rng, field.name, hints[field.name], state, now_ms) for field in dataclasses.fields(kind)
    }
    event: e.SessionEvent = kind(**values)
    return event


def _next_event(rng: random.Random, state: SessionState, now_ms: int, weights: list[int]) -> e.SessionEvent:
    """What would come next in a call that works, most of the time; otherwise anything."""
    kind = _likely(rng, state) if rng.random() < 0.7 else rng.choices(EVENT_TYPES, weights)[0]
    if kind in ENDS and rng.random() < 0.95:
        kind = e.Tick
    return random_event(rng, kind, state, now_ms)


def _likely(rng: random.Random, state: SessionState) -> type[Any]:
    turn, run = state.turn, state.run
    if state.phase is Phase.CONNECTING:
        return e.InferenceReady
    if state.flushing is not None and rng.random() < 0.5:
        return e.PlayoutReported
    if turn is not None and turn.speaking:
        return e.SpeechEnded if rng.random() < 0.4 else e.Tick
    if turn is not None and turn.text is None and run is None:
        return e.CallerTranscribed
    if run is not None:
        return rng.choice(RUN_STORY)
    return rng.choice([e.SpeechStarted, e.SpeechStarted, e.CallerTyped, e.Tick])


def _value(rng: random.Random, name: str, hint: Any, state: SessionState, now_ms: int) -> Any:
    turn, run = state.turn, state.run
    if name == "at_ms":
        return now_ms
    if name == "run_id":
        return rng.choice([run.id if run else state.next_run_id - 1] * 6 + [state.next_run_id - 2, state.next_run_id])
    if name == "utterance_id":
        return rng.choice([turn.id if turn else state.next_turn_id - 1] * 6 + [0])
    if name == "revision":
        return rng.choice([turn.revision if turn else 1] * 6 + [1])
    if name == "segment_index":
        return rng.randint(0, max(0, len(run.segments) if run else 0))
    if name == "spoken_at_ms":
        return max(0, now_ms - rng.choice([60, 200, 600]))
    return _plain(rng, hint)


def _plain(rng: random.Random, hint: Any) -> Any:
    if hint is bool:
        return rng.random() < 0.9
    if hint is int:
        return rng.choice([0, 1_000, 16_000, 48_000])
    if hint is float:
        return rng.choice([-0.2, -3.0])
    if hint is str:
        return rng.choice(TEXTS)
    if hint == tuple[int, ...]:
        return ()
    if hint is WorkTiming:
        return WorkTiming()
    assert issubclass(hint, enum.Enum)
    return rng.choice(list(hint))


def random_policy(rng: random.Random) -> SessionPolicy:
    """One of the profiles a decision may depend on."""
    return SessionPolicy(
        system_text="Be brief.",
        greeting=rng.choice(["", "Hello, how are you today? I am Ann."]),
        turn_taking=TurnTakingPolicy(
            min_delay_ms=rng.choice([300, 500]), partial_interval_ms=rng.choice([0, 400]), max_turn_ms=3_000
        ),
        interruptions=InterruptionPolicy(
            enabled=rng.random() < 0.8, min_duration_ms=rng.choice([0, 500]), false_interruption_timeout_ms=1_000
        ),
        recovery=rng.choice([RecoveryLines(), RecoveryLines(stt_failed="", no_words="", llm_failed="")]),
        limits=CallLimits(idle_ms=20_000, call_ms=120_000),
    )


def random_session(seed: int, steps: int) -> tuple["Checker", list[tuple[e.SessionEvent, Transition]]]:
    """A whole session, checked after every step."""
    rng = random.Random(seed)
    state = initial_state(random_policy(rng))
    checker, log, now_ms = Checker(state), [], 0
    weights = [1 if kind in RARE else 12 for kind in EVENT_TYPES]
    opened = e.CallOpened(at_ms=0, listens=rng.random() < 0.9, speaks=rng.random() < 0.8)
    event: e.SessionEvent = opened
    for step in range(steps):
        if step:
            due_ms = next_deadline(state)
            soon = due_ms is not None and due_ms - now_ms < rng.choice([600, 600, 600, 600, 600, 4_000, 20_000])
            if due_ms is not None and soon and rng.random() < 0.5:
                now_ms = max(now_ms, due_ms)
                event = e.Tick(at_ms=now_ms)
            else:
                now_ms += rng.randint(0, 120)
                event = _next_event(rng, state, now_ms, weights)
        transition = reduce(state, event)
        checker.check(event, transition)
        log.append((event, transition))
        state = transition.state
    return checker, log


class Checker:
    """Holds what must be true of every session; raises AssertionError naming what is not."""

    def __init__(self, state: SessionState) -> None:
        self.state = state
        self.ignored: Counter[str] = Counter()
        self.phases: Counter[Phase] = Counter()
        self.ended = 0
        self._started: set[int] = set()
        self._gone: set[int] = set()
        self._released: set[int] = set()
        self._paused: set[int] = set()

    def check(self, event: e.SessionEvent, transition: Transition) -> None:
        """Checks one step."""
        before, after = self.state, transition.state
        self._check_phase(before, after, transition)
        self._check_time(event, before, after)
        for command in transition.commands:
            self._check_command(command)
        self._check_runs(before, after)
        self._check_history(after)
        if transition.ignored is not None:
            assert transition.commands == (), f"an ignored event commanded {transition.commands}"
            self.ignored[transition.ignored] += 1
        self.phases[after.phase] += 1
        self.state = after

    def _check_phase(self, before: SessionState, after: SessionState, transition: Transition) -> None:
        if before.phase is Phase.TERMINATED:
            assert after == before, "a session that is over changed"
            assert transition.ignored == "terminated"
        if after.phase is not before.phase:
            assert reachable(before.phase, after.phase), f"{before.phase} became {after.phase}"
        ends = [command for command in transition.commands if isinstance(command, c.EndCall)]
        self.ended += len(ends)
        assert self.ended <= 1, "a session ended twice"
        assert (self.ended == 1) == (after.phase is Phase.TERMINATED)
        if ends:
            assert transition.commands[-1] is ends[0], "something was commanded after the end"
        if after.phase is Phase.RESPONDING:
            assert after.run is not None, "nothing is heard while RESPONDING"
        if after.phase is Phase.PROCESSING:
            assert after.turn is not None, "nothing is answered while PROCESSING"

    def _check_time(self, event: e.SessionEvent, before: SessionState, after: SessionState) -> None:
        assert after.now_ms >= before.now_ms, "time ran backwards"
        due_before = next_deadline(before)
        if isinstance(event, e.Tick) and due_before is not None and event.at_ms >= due_before:
            due_after = next_deadline(after)
            assert due_after is None or due_after > after.now_ms, "a Tick left a deadline that is due"
        if after.phase not in (Phase.CREATED, Phase.TERMINATED):
            assert next_deadline(after) is not None, "a session waits without a deadline"

    def _check_command(self, command: c.Command) -> None:
        run_id = getattr(command, "run_id", 0)
        if run_id and not (isinstance(command, c.ToEdge)):
            assert run_id not in self._gone, f"{command} names a run that has ended"
        match command:
            case c.ToInference(message=Generate() | Synthesize()):
                self._started.add(run_id)
            case c.ReleaseRun():
                assert run_id not in self._released, "a run was released twice"
                self._released.add(run_id)
            case c.PauseRun():
                assert run_id in self._released, "a silent run was paused"
                assert run_id not in self._paused, "a run was paused twice"
                self._paused.add(run_id)
            case c.ResumeRun():
                assert run_id in self._paused, "a run that plays was resumed"
                self._paused.discard(run_id)
            case c.FlushRun():
                assert run_id in self._released, "a silent run was flushed"
                self._gone.add(run_id)
            case c.DropRun():
                assert run_id not in self._released, "a heard run was dropped"
                self._gone.add(run_id)
            case c.ToEdge(message=TurnLatency() as latency):
                self._check_latency(latency)
            case c.ToInference(message=CancelRun()):
                assert run_id not in self._gone
            case _:
                pass

    def _check_latency(self, latency: TurnLatency) -> None:
        stages = (
            latency.endpointing_ms,
            latency.transcription_ms,
            latency.first_token_ms,
            latency.first_clause_ms,
            latency.synthesis_ms,
            latency.delivery_ms,
        )
        assert min(stages) >= 0
        assert sum(stages) == latency.total_ms

    def _check_runs(self, before: SessionState, after: SessionState) -> None:
        assert after.next_run_id >= before.next_run_id
        if after.run is not None:
            assert after.run.id not in self._gone, "a run that has ended lives"
            assert after.run.id == after.next_run_id - 1, "an older run lives than the newest"
            assert len(after.run.segments) < 500
        if before.run is not None and (after.run is None or after.run.id != before.run.id):
            self._gone.add(before.run.id)
        if after.watch is not None:
            assert after.run is not None, "a pause without a run"

    def _check_history(self, after: SessionState) -> None:
        roles = [message.role for message in after.history]
        spoken = [said for said in after.history if not said.tool_call_id]
        if len(spoken) == len(after.history):
            assert all(first is not second for first, second in pairwise(roles)), "a role twice in a row"
        assert len(roles) <= HISTORY_ENTRIES_MAX
        assert all(message.text or message.tool_call_id for message in after.history)


def reachable(before: Phase, after: Phase) -> bool:
    """Whether a legal chain of phases leads from one to the other: one event may pass through several."""
    seen, queue = {before}, [before]
    while queue:
        for following in PHASE_EDGES[queue.pop()]:
            if following is after:
                return True
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return False
