"""What all parts of a schedule share: the session, virtual time, the heap of things to happen, and chance."""

import heapq
import random
from collections.abc import Callable
from typing import Any, Final

from simulation.checker import Checker
from simulation.playout import Playing
from simulation.script_of_nature import disarm, draw_nature, draw_policy

from voice_contract import messages as m
from voice_orchestrator.session import events as e
from voice_orchestrator.session.deadlines import next_deadline
from voice_orchestrator.session.reducer import Transition, reduce
from voice_orchestrator.session.state import SessionState, initial_state

NO_COST: Final = m.WorkTiming()

CONTINUATIONS: Final = (0.0, 0.002, 0.03, 0.4)
"""How likely a node takes a sentence to go on."""

Observer = Callable[[e.SessionEvent, Transition], None]


class Stage:
    """The session of one seed and what moves it. Raises AssertionError for what is not true."""

    def __init__(self, seed: int, observer: Observer | None = None, disarmed: frozenset[str] = frozenset()) -> None:
        self.rng = random.Random(seed)
        self.nature = disarm(draw_nature(self.rng), disarmed)
        self.policy = draw_policy(self.rng, self.nature)
        self.state: SessionState = initial_state(self.policy)
        self.now_ms = 0
        self.events = 0
        self.stray = self.nature.stray_events
        self.faulty = True
        self._observer = observer
        self._due_ms: int | None = None
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0
        self._playing: dict[int, Playing] = {}
        self.checker = Checker(self._playing)
        self._on: dict[type[Any], Callable[[Any], None]] = {}

    def step(self, event: e.SessionEvent) -> None:
        """Has the session take an event; checks and executes."""
        before = self.state
        transition = reduce(before, event)
        state = self.state = transition.state
        self.events += 1
        if state is not before:
            self._due_ms = next_deadline(state)
        self.checker.check(event, before, transition, self._due_ms)
        if self._observer is not None:
            self._observer(event, transition)
        for command in transition.commands:
            self._on[type(command)](command)
        if self.stray and self.rng.random() < self.stray and self.faulty:
            self._stray_event()

    def _stray_event(self) -> None:
        """Something of the past, or of nobody, enters the session."""
        raise NotImplementedError

    def _later(self, delay_ms: int, act: Callable[..., None], *args: Any) -> None:
        self._order += 1
        heapq.heappush(self._heap, (self.now_ms + delay_ms, self._order, act, args))

    def _latency(self) -> int:
        return self.rng.randrange(1, 2 * self.nature.latency_ms)

    def _happens(self, probability: float) -> bool:
        return self.faulty and probability > 0 and self.rng.random() < probability

    def _words(self, turn_id: int, revision: int, kind: m.TranscribeKind, text: str) -> e.CallerTranscribed:
        return e.CallerTranscribed(
            at_ms=self.now_ms,
            utterance_id=turn_id,
            revision=revision,
            kind=kind,
            text=text,
            mean_log_probability=-0.2 if text else -2.0,
            no_speech_probability=0.1 if text else 0.8,
            timing=NO_COST,
            continuation_probability=CONTINUATIONS[(turn_id + len(text)) % len(CONTINUATIONS)] if text else 0.0,
        )

    def _sound_of(self, run_id: int) -> Playing:
        return self._playing.setdefault(run_id, Playing(run_id=run_id))
