"""Makes a failing schedule small: fewer faults, an earlier end, then fewer events."""

from collections.abc import Sequence
from dataclasses import fields

from simulation.checker import Checker
from simulation.script_of_nature import Nature
from simulation.world import EVENTS_BEFORE_REST, Schedule

from voice_orchestrator.runtime.journal_codec import canonical, commands_to_plain, event_to_plain
from voice_orchestrator.session import events as e
from voice_orchestrator.session.deadlines import next_deadline
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.reducer import Transition, reduce
from voice_orchestrator.session.state import initial_state

Trace = list[tuple[e.SessionEvent, Transition]]

FAULTS = tuple(field.name for field in fields(Nature) if field.type is float)


def _fails(
    kind: type[Schedule], seed: int, disarmed: frozenset[str], events: int
) -> tuple[Trace, SessionPolicy] | None:
    trace: Trace = []
    schedule = kind(seed, lambda event, transition: trace.append((event, transition)), disarmed)
    try:
        schedule.run(events)
    except Exception:
        return trace, schedule.policy
    return None


def shrink(seed: int, kind: type[Schedule] = Schedule) -> Trace:
    """The shortest trace found that still breaks an invariant, its last step being the one that does."""
    disarmed: frozenset[str] = frozenset()
    events = EVENTS_BEFORE_REST
    found = _fails(kind, seed, disarmed, events)
    if found is None:
        return []
    for fault in FAULTS:
        smaller = _fails(kind, seed, disarmed | {fault}, events)
        if smaller is not None and len(smaller[0]) <= len(found[0]):
            disarmed, found = disarmed | {fault}, smaller
    for fewer in range(10, events, 10):
        smaller = _fails(kind, seed, disarmed, fewer)
        if smaller is not None and len(smaller[0]) < len(found[0]):
            found = smaller
            break
    trace, policy = found
    return _fewer_events(policy, [event for event, _ in trace]) or trace


def _refold(policy: SessionPolicy, events: Sequence[e.SessionEvent]) -> Trace | None:
    """The trace up to the step that breaks an invariant, the events folded without a world; None if none does."""
    state, checker = initial_state(policy), Checker({})
    trace: Trace = []
    for event in events:
        before = state
        try:
            transition = reduce(state, event)
        except Exception:
            return [*trace, (event, Transition(state=state, commands=(), ignored="raised"))]
        state = transition.state
        trace.append((event, transition))
        try:
            checker.check(event, before, transition, next_deadline(state))
        except AssertionError:
            return trace
    return None


def _fewer_events(policy: SessionPolicy, events: list[e.SessionEvent]) -> Trace | None:
    """Delta debugging (Zeller, 1999) over the events, as far as the failure needs no world."""
    best = _refold(policy, events)
    if best is None:
        return None
    kept = [event for event, _ in best]
    size = max(1, len(kept) // 2)
    while True:
        at, shrunk = 0, False
        while at < len(kept):
            smaller = _refold(policy, kept[:at] + kept[at + size :])
            if smaller is not None:
                best, kept, shrunk = smaller, [event for event, _ in smaller], True
            else:
                at += size
        if size == 1 and not shrunk:
            return best
        size = max(1, size // 2)


def readable(trace: Trace) -> str:
    """The trace as lines: each event, and under it what was commanded or why it was ignored."""
    lines = []
    for event, transition in trace:
        plain = event_to_plain(event)
        kind, at_ms = plain.pop("is"), plain.pop("at_ms")
        plain.pop("timing", None)
        lines.append(f"{at_ms:>8} {kind} {canonical(plain)}")
        for command in commands_to_plain(transition.commands):
            message = command.pop("message", None)
            name = f"{command.pop('is')} {message.pop('is')}" if message else command.pop("is")
            lines.append(f"             {name} {canonical({**command, **_short(message or {})})}")
        if transition.ignored is not None:
            lines.append(f"             ignored: {transition.ignored}")
    return "\n".join(lines)


def _short(message: dict[str, object]) -> dict[str, object]:
    left_out = ("messages", "timing", "tools", "stop", "temperature", "top_p", "seed", "max_tokens")
    return {name: value for name, value in message.items() if name not in left_out}
