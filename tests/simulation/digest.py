"""The whole traces of schedules as one number, to be compared between processes."""

import gc
from collections.abc import Iterable
from hashlib import sha256

from simulation.world import Schedule

from voice_orchestrator.session import events as e
from voice_orchestrator.session.reducer import Transition


def digest_of(seeds: Iterable[int]) -> str:
    """SHA-256 over every event, command and reason of every schedule, in order."""
    digest = sha256()

    def observe(event: e.SessionEvent, transition: Transition) -> None:
        digest.update(repr((event, transition.commands, transition.ignored)).encode())

    gc.disable()
    for seed in seeds:
        Schedule(seed, observe).run()
        if not seed % 1_000:
            gc.collect(0)
    return digest.hexdigest()
