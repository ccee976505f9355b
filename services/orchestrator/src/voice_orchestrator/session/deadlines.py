"""Every deadline of a session: when it is due and what happens then, in one table.

`next_deadline` is the earliest of them; `on_tick` runs those that are due. As both read the same table, a deadline
cannot be armed and forgotten.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Final

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import BargeInCause, EndCause, Phase
from voice_orchestrator.session.barge_in import confirm, duration_due, time_out, timeout_due, words_due
from voice_orchestrator.session.complete_turns import finish_keys
from voice_orchestrator.session.ending import end_call
from voice_orchestrator.session.endpointing import commit_due, speculation_due
from voice_orchestrator.session.hearing import settle_flush
from voice_orchestrator.session.policy import LineKind
from voice_orchestrator.session.runs import fail_run, say_hold_line, start_line
from voice_orchestrator.session.speech import end_long_turn, resume_turn, resumption_due
from voice_orchestrator.session.state import SessionState
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.tools import tools_overran
from voice_orchestrator.session.transcripts import (
    end_of_turn_overran,
    request_partial,
    request_words_over_agent,
    transcription_overran,
)


class Owner(Enum):
    """What must be there for a deadline to be armed; most of a session's time little is."""

    CALL = "call"
    QUIET = "neither a turn nor a run"
    TURN = "turn"
    RUN = "run"
    WATCH = "watch"


@dataclass(frozen=True, slots=True)
class Deadline:
    """One row: `due_ms` in session milliseconds, None while it is not armed; read only while its owner is there."""

    name: str
    owner: Owner
    due_ms: Callable[[SessionState], int | None]
    act: Callable[[Step], None]


def _quiet(state: SessionState) -> bool:
    return state.listens and state.phase is Phase.ACTIVE and not state.keys


def _idle_due(state: SessionState) -> int | None:
    return state.quiet_since_ms + state.policy.limits.idle_ms if _quiet(state) else None


def _away_due(state: SessionState) -> int | None:
    away = state.policy.away
    if state.away_prompts >= len(away.prompts) or not state.speaks or not _quiet(state):
        return None
    return state.quiet_since_ms + away.user_away_timeout_ms


def _prompt_away_caller(step: Step) -> None:
    count = step.state.away_prompts
    step.change(away_prompts=count + 1)
    start_line(step, step.policy.away.prompts[count], LineKind.AWAY, None)


def _partial_due(state: SessionState) -> int | None:
    return state.turn.partial_at_ms if state.turn is not None and state.turn.speaking else None


def _long_turn_due(state: SessionState) -> int | None:
    turn = state.turn
    if turn is None or not turn.speaking:
        return None
    return turn.started_at_ms + state.policy.turn_taking.max_turn_ms


def _hold_line_due(state: SessionState) -> int | None:
    """While something is heard nobody has to be told to wait."""
    return state.hold_line_due_ms if state.run is None else None


def _flush_due(state: SessionState) -> int | None:
    return state.flushing.deadline_ms if state.flushing is not None else None


def _tools_due(state: SessionState) -> int | None:
    if not state.tools:
        return None
    return min((call.deadline_ms for call in state.tools if call.deadline_ms is not None), default=None)


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


def _nothing(step: Step) -> None:
    """What is due happens where every event ends, in `settle_turn`."""
    del step


DEADLINES: Final = (
    Deadline(
        "call_length", Owner.CALL, attrgetter("call_deadline_ms"), lambda s: end_call(s, EndCause.MAX_LENGTH, None)
    ),
    Deadline("connect", Owner.CALL, attrgetter("connect_deadline_ms"), _connect_overran),
    Deadline("hold_line", Owner.CALL, _hold_line_due, say_hold_line),
    Deadline("idle", Owner.QUIET, _idle_due, lambda step: end_call(step, EndCause.IDLE, None)),
    Deadline("away", Owner.QUIET, _away_due, _prompt_away_caller),
    Deadline("keys", Owner.CALL, attrgetter("keys_due_ms"), finish_keys),
    Deadline("words_over_agent", Owner.WATCH, words_due, request_words_over_agent),
    Deadline("speech_over_agent", Owner.WATCH, duration_due, lambda step: confirm(step, BargeInCause.DURATION)),
    Deadline("false_interruption", Owner.WATCH, timeout_due, time_out),
    Deadline("resumed_turn", Owner.TURN, resumption_due, resume_turn),
    Deadline("flush_report", Owner.CALL, _flush_due, lambda step: settle_flush(step, None)),
    Deadline("writing", Owner.RUN, attrgetter("run.writing_deadline_ms"), _overran(Stage.LLM)),
    Deadline("synthesis", Owner.RUN, attrgetter("run.synthesis_deadline_ms"), _overran(Stage.TTS)),
    Deadline("playout", Owner.RUN, attrgetter("run.playout_deadline_ms"), _overran(Stage.EDGE)),
    Deadline("tools", Owner.CALL, _tools_due, tools_overran),
    Deadline("transcription", Owner.TURN, attrgetter("turn.transcription_deadline_ms"), transcription_overran),
    Deadline("end_of_turn", Owner.TURN, attrgetter("turn.score_deadline_ms"), end_of_turn_overran),
    Deadline("long_turn", Owner.TURN, _long_turn_due, end_long_turn),
    Deadline("partial", Owner.TURN, _partial_due, request_partial),
    Deadline("speculation", Owner.TURN, speculation_due, _nothing),
    Deadline("commit", Owner.TURN, commit_due, _nothing),
)
"""In the order in which they are looked at when several are due."""


def _present(state: SessionState, owner: Owner) -> bool:
    if owner is Owner.CALL:
        return True
    if owner is Owner.TURN:
        return state.turn is not None
    if owner is Owner.RUN:
        return state.run is not None
    if owner is Owner.WATCH:
        return state.watch is not None
    return state.turn is None and state.run is None


def _due_of_present(turn: bool, run: bool, watch: bool) -> tuple[Callable[[SessionState], int | None], ...]:
    there = {Owner.CALL: True, Owner.QUIET: not (turn or run), Owner.TURN: turn, Owner.RUN: run, Owner.WATCH: watch}
    return tuple(row.due_ms for row in DEADLINES if there[row.owner])


_DUE: Final = {presence: _due_of_present(*presence) for presence in itertools.product((False, True), repeat=3)}
"""What is read when a turn, a run and a watch are there or not: next_deadline is asked after every event."""


def next_deadline(state: SessionState) -> int | None:
    """When the session wants a Tick, session milliseconds; None when it waits for nothing."""
    if state.phase is Phase.TERMINATED:
        return None
    earliest: int | None = None
    for due in _DUE[(state.turn is not None, state.run is not None, state.watch is not None)]:
        at_ms = due(state)
        if at_ms is not None and (earliest is None or at_ms < earliest):
            earliest = at_ms
    return earliest


def on_tick(step: Step) -> None:
    """Acts on every deadline that is due."""
    acted = False
    for row in DEADLINES:
        due_ms = row.due_ms(step.state) if _present(step.state, row.owner) else None
        if due_ms is not None and due_ms <= step.now_ms:
            row.act(step)
            acted = True
            if step.state.phase is Phase.TERMINATED:
                break
    if not acted:
        step.ignore("nothing_due")
