"""Every deadline of a session: when it is due and what happens then, in one table.

`next_deadline` is the earliest of them; `on_tick` runs those that are due. As both read the same table, a deadline
cannot be armed and forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import BargeInOutcome, EndCause, Phase
from voice_orchestrator.session.ending import end_call
from voice_orchestrator.session.runs import fail_run, settle_flush
from voice_orchestrator.session.state import SessionState
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.turns import (
    commit_due_at_ms,
    confirm_barge_in,
    end_long_turn,
    end_pause,
    fail_transcription,
    request_partial,
)


@dataclass(frozen=True, slots=True)
class Deadline:
    """One row: `due_ms` in session milliseconds, None while it is not armed."""

    name: str
    due_ms: Callable[[SessionState], int | None]
    act: Callable[[Step], None]


def _idle_due(state: SessionState) -> int | None:
    quiet = state.phase is Phase.ACTIVE and state.turn is None and state.run is None
    return state.quiet_since_ms + state.policy.limits.idle_ms if quiet and state.listens else None


def _commit_due(state: SessionState) -> int | None:
    turn = state.turn
    if turn is None or turn.speaking or turn.committed_at_ms is not None or state.run is not None:
        return None
    return commit_due_at_ms(turn, state.policy.turn_taking.min_delay_ms)


def _partial_due(state: SessionState) -> int | None:
    return state.turn.partial_at_ms if state.turn is not None and state.turn.speaking else None


def _long_turn_due(state: SessionState) -> int | None:
    turn = state.turn
    if turn is None or not turn.speaking:
        return None
    return turn.started_at_ms + state.policy.turn_taking.max_turn_ms


def _barge_in_due(state: SessionState) -> int | None:
    if state.watch is None or state.turn is None or not state.turn.speaking:
        return None
    return state.watch.onset_ms + state.policy.interruptions.min_duration_ms


def _pause_due(state: SessionState) -> int | None:
    if state.watch is None:
        return None
    return state.watch.paused_at_ms + state.policy.interruptions.decide_timeout_ms


def _overran(stage: Stage) -> Callable[[Step], None]:
    def act(step: Step) -> None:
        assert step.run is not None, "no deadline of a run is armed without one"
        fail_run(step, step.run, stage, FailureReason.DEADLINE_EXCEEDED, f"{stage.value} overran its deadline")

    return act


def _connect_overran(step: Step) -> None:
    failure = Failure(
        stage=Stage.LINK,
        reason=FailureReason.INFERENCE_LOST,
        detail=f"no inference node took the session within {step.policy.deadlines.connect_ms} ms",
    )
    end_call(step, EndCause.INFERENCE_UNAVAILABLE, failure)


def _transcription_overran(step: Step) -> None:
    fail_transcription(step, FailureReason.DEADLINE_EXCEEDED, "transcription overran its deadline")


def _nothing(step: Step) -> None:
    """The commit itself happens where every event ends, in `settle_turn`."""
    del step


DEADLINES: Final = (
    Deadline("call_length", lambda s: s.call_deadline_ms, lambda step: end_call(step, EndCause.MAX_LENGTH, None)),
    Deadline("connect", lambda s: s.connect_deadline_ms, _connect_overran),
    Deadline("idle", _idle_due, lambda step: end_call(step, EndCause.IDLE, None)),
    Deadline("barge_in", _barge_in_due, confirm_barge_in),
    Deadline("barge_in_decision", _pause_due, lambda step: end_pause(step, BargeInOutcome.TIMED_OUT)),
    Deadline(
        "flush_report", lambda s: s.flushing.deadline_ms if s.flushing else None, lambda st: settle_flush(st, None)
    ),
    Deadline("writing", lambda s: s.run.writing_deadline_ms if s.run else None, _overran(Stage.LLM)),
    Deadline("synthesis", lambda s: s.run.synthesis_deadline_ms if s.run else None, _overran(Stage.TTS)),
    Deadline("playout", lambda s: s.run.playout_deadline_ms if s.run else None, _overran(Stage.EDGE)),
    Deadline("transcription", lambda s: s.turn.transcription_deadline_ms if s.turn else None, _transcription_overran),
    Deadline("long_turn", _long_turn_due, end_long_turn),
    Deadline("partial", _partial_due, request_partial),
    Deadline("commit", _commit_due, _nothing),
)
"""In the order in which they are looked at when several are due."""


def next_deadline(state: SessionState) -> int | None:
    """When the session wants a Tick, session milliseconds; None when it waits for nothing."""
    if state.phase is Phase.TERMINATED:
        return None
    due = [at_ms for row in DEADLINES if (at_ms := row.due_ms(state)) is not None]
    return min(due, default=None)


def on_tick(step: Step) -> None:
    """Acts on every deadline that is due."""
    acted = False
    for row in DEADLINES:
        due_ms = row.due_ms(step.state)
        if due_ms is not None and due_ms <= step.now_ms:
            row.act(step)
            acted = True
            if step.state.phase is Phase.TERMINATED:
                break
    if not acted:
        step.ignore("nothing_due")
