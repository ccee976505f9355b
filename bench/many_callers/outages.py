"""What callers notice when an inference node goes: whose session was on it, and how their turns went on."""

import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from many_callers.caller import Caller, Spoken
from many_callers.stand import Program, Stand
from support.node_log import Visit, visits_of

from voice_contract.audio import SAMPLE_RATE_HZ

JOINED_S = 0.1
"""Silence shorter than this inside an answer is a late frame and not an outage."""


class Moment(Enum):
    """Where a caller's turn stood when the node went."""

    SPEAKING = "while the caller spoke"
    WAITING = "while the caller waited"
    LISTENING = "while the caller listened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A node went at `at_s`; `sessions` were on it."""

    at_s: float
    sessions: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Resumed:
    """Seconds, over all outages and callers.

    lost, moved: from the outage until the orchestrator knew and until the session had another node. silence: for a
    turn that was open or being answered, by the moment it stood at: the longest silence from the outage, or the end of
    the caller's speech when that came later, until its answer was heard to the end. cut: turns whose answer never was.
    """

    lost: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    never_moved: int = 0
    silence: dict[Moment, list[float]] = field(default_factory=lambda: {moment: [] for moment in Moment})
    cut: dict[Moment, int] = field(default_factory=lambda: dict.fromkeys(Moment, 0))

    @property
    def resumed(self) -> list[float]:
        """Silences of all moments."""
        return [silence for found in self.silence.values() for silence in found]

    def add(self, caller: Caller, outages: Sequence[Outage], until_s: float) -> None:
        """What `caller` noticed of those of the outages that met its session, judged at `until_s`."""
        ends = [*(outage.at_s for outage in outages[1:]), until_s]
        for outage, end_s in zip(outages, ends, strict=True):
            if caller.log.session_id in outage.sessions:
                self._add(caller, outage.at_s, end_s)

    def _add(self, caller: Caller, at_s: float, end_s: float) -> None:
        lost_s = next((each for each in caller.log.link_lost_s if at_s <= each < end_s), None)
        if lost_s is None:
            self.never_moved += 1
            return
        self.lost.append(lost_s - at_s)
        found_s = next((each for each in caller.log.link_found_s if lost_s <= each < end_s), None)
        if found_s is None:
            self.never_moved += 1
        else:
            self.moved.append(found_s - at_s)
        turn = next((turn for turn in reversed(caller.log.turns) if turn.began_s <= at_s), None)
        if turn is None or (turn.over_s is not None and turn.over_s <= at_s):
            return
        moment = moment_of(turn, at_s)
        silence = _silence(caller, turn, at_s)
        if silence is None:
            self.cut[moment] += 1
        else:
            self.silence[moment].append(silence)


def moment_of(turn: Spoken, at_s: float) -> Moment:
    """Where an open turn stands."""
    if turn.ended_s is None or turn.ended_s > at_s:
        return Moment.SPEAKING
    return Moment.WAITING if turn.answered_s is None or turn.answered_s > at_s else Moment.LISTENING


def _silence(caller: Caller, turn: Spoken, at_s: float) -> float | None:
    """The longest silence on the way to the end of the turn's answer; None when its end was never heard."""
    if turn.ended_s is None or not caller.heard_whole(turn.number):
        return None
    since_s, longest = max(at_s, turn.ended_s), 0.0
    for heard in caller.ear.heard:
        start_s = caller.log.began_s + heard.start_s()
        end_s = start_s + heard.samples / SAMPLE_RATE_HZ
        if heard.turn == turn.number and end_s > since_s:
            if start_s - since_s > JOINED_S:
                longest = max(longest, start_s - since_s)
            since_s = end_s
    return longest


def sessions_on(visits: Sequence[Iterable[Visit]], node: int, at_s: float) -> frozenset[str]:
    """Sessions that were on the node of that number at a moment, by what all nodes wrote down."""
    newest: dict[str, tuple[float, int]] = {}
    for number, of_node in enumerate(visits):
        for visit in of_node:
            gone = visit.ended_s is not None and visit.ended_s <= at_s
            if visit.began_s <= at_s and not gone and visit.began_s >= newest.get(visit.session_id, (0.0, 0))[0]:
                newest[visit.session_id] = (visit.began_s, number)
    return frozenset(session for session, (_, number) in newest.items() if number == node)


def strike_busiest(on: Stand, number: signal.Signals) -> tuple[Program, Outage]:
    """Sends the signal to the node that has the most sessions; gives it, and what happened to whom."""
    visits = [visits_of(on.log_of(node)) for node in on.nodes]
    now_s = time.monotonic()
    found = [sessions_on(visits, index, now_s) for index in range(len(on.nodes))]
    busiest = max(range(len(on.nodes)), key=lambda index: len(found[index]))
    at_s = time.monotonic()
    on.nodes[busiest].signal(number)
    return on.nodes[busiest], Outage(at_s=at_s, sessions=found[busiest])
