"""Who may have a seat: an exact limit of sessions, of each peer's sessions, and the room the nodes have. Pure."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voice_contract.failures import Failure, FailureReason, Stage

BUSY_RETRY_MS: Final = 5_000
"""A hint for callers that found every line busy: some call in fifty ends within it."""

DRAINING_RETRY_MS: Final = 1_000
"""A hint for callers of a server that is going: another one behind the same name takes them at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a call is not taken, and when to try again; None: trying again does not help."""

    failure: Failure
    retry_after_ms: int | None = None


class Admission:
    """Counts seats. Everything happens on one event loop without a wait in between, so the limit is exact.

    `room` tells how many more sessions the inference nodes take, None when no node is known to be there.
    """

    def __init__(self, slots: int, slots_per_peer: int, room: Callable[[], int | None]) -> None:
        self.slots = slots
        self.draining = False
        self._slots_per_peer = slots_per_peer
        self._room = room
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Seats that are taken."""
        return self._taken.total()

    def take(self, peer: str) -> Refusal | None:
        """Takes a seat for a session of `peer`, to be given back with `give_back`; or says why there is none."""
        refusal = self._refusal(peer)
        if refusal is None:
            self._taken[peer] += 1
        return refusal

    def give_back(self, peer: str) -> None:
        """The session is over."""
        self._taken[peer] -= 1
        if not self._taken[peer]:
            del self._taken[peer]

    def _refusal(self, peer: str) -> Refusal | None:
        if self.draining:
            return _refusal(FailureReason.DRAINING, "the orchestrator is shutting down", DRAINING_RETRY_MS)
        if self.taken >= self.slots:
            detail = f"all {self.slots} sessions of this orchestrator are taken"
            return _refusal(FailureReason.CAPACITY_EXHAUSTED, detail, BUSY_RETRY_MS)
        if self._taken[peer] >= self._slots_per_peer:
            detail = f"this peer has {self._slots_per_peer} sessions already"
            return _refusal(FailureReason.CAPACITY_EXHAUSTED, detail, BUSY_RETRY_MS)
        room = self._room()
        if room is None:
            return _refusal(FailureReason.INFERENCE_LOST, "no inference node is there", DRAINING_RETRY_MS)
        if room <= 0:
            detail = "the inference nodes have no free session slots"
            return _refusal(FailureReason.CAPACITY_EXHAUSTED, detail, BUSY_RETRY_MS)
        return None


def _refusal(reason: FailureReason, detail: str, retry_after_ms: int) -> Refusal:
    stage = Stage.LINK if reason is FailureReason.INFERENCE_LOST else Stage.SESSION
    return Refusal(failure=Failure(stage=stage, reason=reason, detail=detail), retry_after_ms=retry_after_ms)
