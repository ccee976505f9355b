"""What another policy would have done in a recorded call: the first moment at which its commands differ.

The recorded events are folded under both policies. Ticks are the one kind of event that depends on the policy: a
deadline the other policy has earlier than the recorded one brings a Tick of its own, and a recorded Tick it did not ask
for does nothing. After the first difference the recorded events are no longer what the caller, the node and the edge
would have done, so the comparison ends there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voice_orchestrator.runtime.journal_codec import canonical, commands_to_plain
from voice_orchestrator.runtime.journal_reader import JournalError, JournalReader, RecordedStep
from voice_orchestrator.session.deadlines import next_deadline
from voice_orchestrator.session.events import SessionEvent, Tick
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.reducer import Transition, reduce
from voice_orchestrator.session.state import SessionState, initial_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first difference. `line` is the line of the recorded event, None for a deadline the record does not have.

    Commands are plain data: what was recorded for the event, and what the other policy commands.
    """

    line: int | None
    event: SessionEvent
    recorded: tuple[Any, ...]
    now: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a comparison found; `events` were compared, up to `call_ms`."""

    session_id: str
    profile: str
    events: int
    call_ms: int
    divergence: Divergence | None


def compare(path: Path, policy: SessionPolicy) -> Comparison:
    """Folds the journal in `path` under its own policy and under `policy`; raises JournalError."""
    journal = JournalReader(path)
    was, now = initial_state(journal.policy), initial_state(policy)
    count, divergence = 0, None
    for step in journal.steps():
        now, divergence = _earlier_deadlines(was, now, step.event.at_ms)
        if divergence is not None:
            break
        count += 1
        then = reduce(was, step.event)
        if canonical(commands_to_plain(then.commands)) != canonical(list(step.commands)):
            raise JournalError(
                f"{path}: line {step.line}: does not even replay under its own profile; "
                "look at it with `replay` without --against"
            )
        was, transition = then.state, reduce(now, step.event)
        now = transition.state
        divergence = _difference(step, transition)
        if divergence is not None:
            break
    return Comparison(
        session_id=journal.session_id,
        profile=journal.profile,
        events=count,
        call_ms=was.now_ms,
        divergence=divergence,
    )


def _earlier_deadlines(was: SessionState, now: SessionState, until_ms: int) -> tuple[SessionState, Divergence | None]:
    """Brings the Ticks that only the other policy would have had before `until_ms`."""
    recorded_ms = next_deadline(was)
    while True:
        due_ms = next_deadline(now)
        if due_ms is None or due_ms >= until_ms or (recorded_ms is not None and due_ms >= recorded_ms):
            return now, None
        tick = Tick(at_ms=max(due_ms, now.now_ms))
        transition = reduce(now, tick)
        if transition.commands:
            plain = tuple(commands_to_plain(transition.commands))
            return transition.state, Divergence(line=None, event=tick, recorded=(), now=plain)
        if transition.ignored is not None or next_deadline(transition.state) == due_ms:
            return transition.state, None
        now = transition.state


def _difference(step: RecordedStep, transition: Transition) -> Divergence | None:
    commands = tuple(commands_to_plain(transition.commands))
    if canonical(list(commands)) == canonical(list(step.commands)):
        return None
    return Divergence(line=step.line, event=step.event, recorded=step.commands, now=commands)
