"""What the contract says of the envelopes of either stream, as functions of its log. Pure."""

from itertools import pairwise
from typing import Final

from voice_contract.channel_options import PEER_SILENT_AFTER_MS
from voice_contract.messages import Heartbeat
from voice_orchestrator.conformance.findings import Outcome, Rule
from voice_orchestrator.conformance.stream_log import Seen, StreamLog

UNDERSTOOD: Final = Rule(name="understood", says="every event is one the peer may send, with all that it needs")
ONE_SESSION: Final = Rule(name="one_session", says="every event carries the id of the session")
SEQUENCE: Final = Rule(name="sequence", says="events are counted from 1 without gaps")
CLOCK: Final = Rule(name="clock", says="the sender's clock never runs backwards")
HEARTBEATS: Final = Rule(name="heartbeats", says="heartbeats come so often that a second without one means it is gone")

ENVELOPE_RULES: Final = (UNDERSTOOD, ONE_SESSION, SEQUENCE, CLOCK, HEARTBEATS)


def understood(log: StreamLog) -> Outcome:
    """See UNDERSTOOD."""
    return Outcome(problems=tuple(log.refused), seen=len(log.seen), things="events")


def one_session(log: StreamLog, session_id: str = "") -> Outcome:
    """See ONE_SESSION; `session_id` empty: the first event names it."""
    expected = session_id or (log.seen[0].event.session_id if log.seen else "")
    problems = tuple(
        f"event {each.event.sequence} is of session {each.event.session_id!r}, not {expected!r}"
        for each in log.seen
        if each.event.session_id != expected
    )
    return Outcome(problems=problems, seen=len(log.seen), things="events")


def sequence(log: StreamLog) -> Outcome:
    """See SEQUENCE."""
    problems = []
    expected = 1
    for number in log.numbers:
        if number is not None and number != expected:
            problems.append(f"{number} came where {expected} was due")
        expected = (number or expected) + 1
    return Outcome(problems=tuple(problems), seen=len(log.numbers), things="events")


def clock(log: StreamLog) -> Outcome:
    """See CLOCK."""
    problems = tuple(
        f"event {after.event.sequence} was made before event {before.event.sequence}, by its sender's clock"
        for before, after in pairwise(log.seen)
        if after.event.sender_monotonic_us < before.event.sender_monotonic_us
    )
    return Outcome(problems=problems, seen=len(log.seen), things="events")


def heartbeats(log: StreamLog) -> Outcome:
    """See HEARTBEATS. A gap counts by both clocks: neither a late reader nor an event made early breaks the rule."""
    if not log.seen:
        return Outcome()
    beats = [log.seen[0], *(seen for _, seen in log.all(Heartbeat)), log.seen[-1]]
    problems = []
    for before, after in pairwise(beats):
        gap_s = min(after.at_s - before.at_s, sender_s(after) - sender_s(before))
        if gap_s > PEER_SILENT_AFTER_MS / 1_000:
            problems.append(f"{gap_s * 1_000:.0f} ms without a heartbeat before event {after.event.sequence}")
    return Outcome(problems=tuple(problems), seen=len(beats) - 2, things="heartbeats")


def sender_s(seen: Seen) -> float:
    """When an event was made, on its sender's clock."""
    return seen.event.sender_monotonic_us / 1e6
