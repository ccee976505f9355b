"""One schedule: a caller, a node, an edge and tools around the production reducer, on virtual time, from one seed.

Everything that happens is an entry of one heap ordered by time; the seed draws latencies, faults and the caller's
doings. The session's own timer is `next_deadline`, as in production. When EVENTS_BEFORE_REST events have entered the
reducer the faults stop and the caller falls silent; the session then has to come to rest.
"""

import heapq
from typing import Final

from simulation.node import Node
from simulation.stage import Observer

from voice_contract import messages as m
from voice_contract.failures import FailureReason
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e

EVENTS_BEFORE_REST: Final = 200
REST_MS: Final = 10_000
TURNS_MAX: Final = 50_000
"""Things that may happen in a schedule; most of them are an event."""


class Schedule(Node):
    """Runs one seed; `run` returns when the session is at rest or over. Raises AssertionError for what is not true."""

    def __init__(self, seed: int, observer: Observer | None = None, disarmed: frozenset[str] = frozenset()) -> None:
        super().__init__(seed, observer, disarmed)
        self._on = {
            c.ConnectInference: self._connect,
            c.ToInference: self._to_node,
            c.ToEdge: self._to_edge,
            c.ReleaseRun: self._release,
            c.PauseRun: self._pause,
            c.ResumeRun: self._resume,
            c.FlushRun: self._flush,
            c.DropRun: self._drop,
            c.CloseRun: self._close,
            c.SpeakPrepared: self._speak_prepared,
            c.CallTool: self._call_tool,
            c.EndCall: self._end,
        }

    def run(self, events: int = EVENTS_BEFORE_REST) -> None:
        """Runs until the faults end, then until the session is at rest."""
        rng = self.rng
        if rng.random() < 0.005:
            self.step(self._ending())
        listens = rng.random() < 0.95
        self.step(e.CallOpened(at_ms=0, listens=listens, speaks=rng.random() < 0.9))
        self._later(rng.randrange(2_000), self._act)
        for _ in range(TURNS_MAX):
            if self.events >= events:
                break
            self._turn()
        else:
            raise AssertionError(f"time passes and nothing enters the session: {self.checker.where(self.state)}")
        self._come_to_rest()

    def _turn(self) -> None:
        due_ms = self._due_ms
        heap = self._heap
        if heap and (due_ms is None or heap[0][0] <= due_ms):
            at_ms, _, act, args = heapq.heappop(heap)
            if at_ms > self.now_ms:
                self.now_ms = at_ms
            act(*args)
        elif due_ms is not None:
            self.now_ms = max(self.now_ms, due_ms) + (self.rng.randrange(3) if self.stray else 0)
            self.step(e.Tick(at_ms=self.now_ms))
        elif self.state.phase is m.Phase.TERMINATED:
            self._stray_event()
        else:
            raise AssertionError("a session waits for nothing")

    def _come_to_rest(self) -> None:
        """No fault, no new doing of the caller: the session has REST_MS to come to rest, not counting sound heard."""
        self.faulty = False
        self.stray = 0.0
        self._fall_silent(self.now_ms)
        spent_ms, limit = 0, self.events + 2_000
        while not self._at_rest():
            before_ms, hearing = self.now_ms, self.state.phase is m.Phase.RESPONDING
            self._turn()
            if not hearing:
                spent_ms += self.now_ms - before_ms
            assert spent_ms <= REST_MS, (
                f"not at rest {REST_MS} ms after the last fault: {self.checker.where(self.state)}"
            )
            assert self.events < limit, f"no rest, no time passes: {self.checker.where(self.state)}"
        self.checker.at_rest(self.state)

    def _at_rest(self) -> bool:
        state = self.state
        if state.phase is m.Phase.TERMINATED:
            return True
        return (
            state.phase is m.Phase.ACTIVE
            and state.turn is None
            and state.run is None
            and state.watch is None
            and state.flushing is None
            and not state.tools
            and not state.keys
        )

    # --- tools and the end

    def _call_tool(self, command: c.CallTool) -> None:
        nature, delay = self.nature, self._latency()
        if self._happens(nature.tool_silent):
            return
        fails = self._happens(nature.tool_fails)
        self._later(delay, self._tool_answers, command.call_id, fails)
        if self._happens(nature.tool_repeats):
            self._later(delay + self._latency(), self._tool_answers, command.call_id, False)

    def _tool_answers(self, call_id: int, fails: bool) -> None:
        if fails:
            reason = FailureReason.TOOL_FAILED
            self.step(e.ToolFailed(at_ms=self.now_ms, call_id=call_id, reason=reason, detail="it broke"))
        else:
            self.step(e.ToolReturned(at_ms=self.now_ms, call_id=call_id, result=f"result {call_id}"))

    def _end(self, command: c.EndCall) -> None:
        for playing in self._playing.values():
            playing.over = True
