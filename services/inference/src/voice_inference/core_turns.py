"""Engines that compute on the same cores take turns, those somebody waits for first.

Seven threads of four engines on two cores finish all of them late: a network whose two threads wait for each other at
every layer gets the speed of the slower one. In turns, the work that is nearest to being heard is done at its own
speed. A machine with more cores has room for several engines at once.
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from voice_inference.engines.base import Cancelled, CancelToken

PATIENCE_S: Final = 0.5
"""Whoever has waited so long is next, unless it is for something nobody waits for."""

WAIT_S_MAX: Final = 3.0
"""After this the work goes on without a turn: an engine that hangs must not stop the others."""


class Rank(IntEnum):
    """What a turn is wanted for, the most urgent first; of equals, who came first."""

    FIRST_SOUND = 0
    """The first words of a reply are being spoken: the shortest work before the longest wait is over."""
    AWAITED = 1
    """The words of a caller who may have finished, the judgement of a pause, the first clause of a reply."""
    LATER = 2
    """What will be heard when what is there has been played."""
    SPARE = 3
    """Nobody waits: words for display, prompts read ahead. It is stopped when somebody does."""


@dataclass(slots=True, eq=False)
class _Waiter:
    cores: int
    order: tuple[int, int]


class CoreTurns:
    """The cores of a machine. Used from the worker threads of lanes and engines."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._free = cores
        self._changed = threading.Condition()
        self._waiting: list[_Waiter] = []
        self._arrivals = itertools.count()
        self._spare: set[CancelToken] = set()

    @contextmanager
    def turn(
        self, threads: int, rank: Rank, cancel: CancelToken, *, unless: Callable[[], bool] = lambda: False
    ) -> Iterator[bool]:
        """Holds as many cores as the work has threads, 0 for work that needs none. Gives False, and no turn, once
        `unless` says so, which is asked again after `look_again`. Raises Cancelled when cancelled before it has its
        turn. The token of SPARE work is cancelled when somebody comes to wait for cores it holds.
        """
        cores = min(threads, self._cores)
        if not cores:
            yield True
            return
        taken = self._take(_Waiter(cores, (rank, next(self._arrivals))), cancel, unless)
        try:
            yield taken
        finally:
            if taken:
                with self._changed:
                    self._free += cores
                    self._spare.discard(cancel)
                    self._changed.notify_all()

    def look_again(self) -> None:
        """Has all who wait look whether they still want to."""
        with self._changed:
            self._changed.notify_all()

    def _take(self, waiter: _Waiter, cancel: CancelToken, unless: Callable[[], bool]) -> bool:
        """Waits for the turn and takes it; False without one."""

        def settled() -> bool:
            return self._is_next(waiter) or cancel.cancelled or unless()

        spare = waiter.order[0] == Rank.SPARE
        cancel.on_cancel(self.look_again)
        with self._changed:
            self._waiting.append(waiter)
            try:
                for token in self._pressed(waiter):
                    token.cancel()
                if not self._changed.wait_for(settled, PATIENCE_S):
                    if not spare:
                        waiter.order = (-1, waiter.order[1])
                    self._changed.wait_for(settled, WAIT_S_MAX - PATIENCE_S)
                if cancel.cancelled:
                    raise Cancelled
                if not self._is_next(waiter) and unless():
                    return False
                self._free -= waiter.cores
                if spare:
                    self._spare.add(cancel)
                return True
            finally:
                self._waiting.remove(waiter)
                self._changed.notify_all()

    def _is_next(self, waiter: _Waiter) -> bool:
        return self._free >= waiter.cores and all(waiter.order <= other.order for other in self._waiting)

    def _pressed(self, waiter: _Waiter) -> tuple[CancelToken, ...]:
        """The spare work in the way of somebody: on its cores, or on those of one it waits behind."""
        waits = waiter.order[0] < Rank.LATER and not self._is_next(waiter)
        return tuple(self._spare) if waits else ()
