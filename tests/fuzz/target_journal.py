"""Files that are given to be replayed as the journal of a call."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any, Final

from fuzz.bytes_mutations import often_damaged, one_in
from fuzz.json_mutations import damage_tree, text_of
from fuzz.target import Target, one_line_each
from support.session_fuzz import random_session
from support.session_journal import header, long_call

from voice_orchestrator.runtime.journal import entry_of
from voice_orchestrator.runtime.journal_reader import LINE_BYTES_MAX, JournalError, JournalReader
from voice_orchestrator.session.deadlines import next_deadline
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.reducer import Transition, reduce
from voice_orchestrator.session.state import initial_state

SESSIONS: Final = 12
ENTRIES_MAX: Final = 10


def open_target(name: str, folder: Path) -> Target:
    """The target `journal`."""
    return JournalTarget(folder / f"{name}.jsonl")


class JournalTarget:
    """`JournalReader`, to the last step; the session core folds whatever events it gives."""

    def __init__(self, path: Path) -> None:
        self._path = path
        logs: list[list[tuple[SessionEvent, Transition]]] = [random_session(seed, 40)[1] for seed in range(SESSIONS)]
        call = long_call()
        self._header = header(call.state.policy).to_plain()
        self._calls = [[entry_of(1, event, transition) for event, transition in log] for log in [call.log, *logs]]

    def make(self, rng: Random) -> bytes:
        call, count = rng.choice(self._calls), rng.randint(0, ENTRIES_MAX)
        told = call[:count] if one_in(rng, 2) else rng.sample(call, count)
        entries = [{**entry, "n": number} for number, entry in enumerate(told, start=1)]
        trees: list[Any] = [self._header, *entries, *([] if one_in(rng, 4) else [{"end": count}])]
        if rng.random() < 0.8:
            for _ in range(rng.choice((1, 1, 2))):
                at = rng.randrange(len(trees)) if one_in(rng, 5) else max(0, len(trees) - rng.randint(1, len(trees)))
                trees[at] = damage_tree(rng, trees[at])
        lines = [text_of(rng, tree).encode("utf-8", "surrogatepass") + b"\n" for tree in trees]
        match rng.randrange(12):
            case 0:
                lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
            case 1:
                rng.shuffle(lines)
            case 2:
                return b"".join(lines)[: -rng.randint(1, 40)]
            case 3:
                return often_damaged(rng, b"".join(lines))
            case 4 if one_in(rng, 3):
                return b"".join(lines).decode(errors="replace").encode(rng.choice(("utf-16", "utf-8-sig", "utf-32")))
            case 5 if one_in(rng, 20):
                lines.append(rng.choice((b" ", b"[", b"{")) * (LINE_BYTES_MAX - rng.choice((1, 0, -1))))
        return b"".join(lines)

    def check(self, data: bytes) -> str:
        self._path.write_bytes(data)
        try:
            reader = JournalReader(self._path)
            steps = list(reader.steps())
        except JournalError as error:
            one_line_each(error.problems, f"{self._path}: ")
            return "refused " + re.sub(r"\d+", "0", str(error).removeprefix(f"{self._path}: "))
        state = initial_state(reader.policy)
        for number, step in enumerate(steps, start=1):
            assert step.number == number, f"step {step.number} came as number {number}"
            assert isinstance(json.loads(step.outcome), dict)
            state = reduce(state, step.event).state
            next_deadline(state)
        return f"took {'a whole' if reader.whole else 'an open'} journal of {min(len(steps), ENTRIES_MAX)} steps"
