"""Which tokens a cache of several sequences holds, what a new prompt may keep of them, and who has to go. Pure.

A cell of the cache holds one token; sequences that begin alike share the cells of their beginning. The table mirrors
what the cache holds and says which changes bring the cache to where a prompt can be evaluated. The longest beginning
found anywhere is kept: a session's own last turn, the same system prompt of another session, or a run that was
superseded and is being stopped.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Trim:
    """The sequence keeps its first `tokens` tokens."""

    sequence: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Share:
    """The empty sequence `target` begins with the first `tokens` tokens of `source`; cells are shared, not copied."""

    source: int
    target: int
    tokens: int


CacheChange = Trim | Share


@dataclass(frozen=True, slots=True)
class Place:
    """Where a prompt is evaluated: from its token `kept` on, after `changes` were made to the cache in their order."""

    sequence: int
    kept: int
    changes: tuple[CacheChange, ...]


@dataclass(slots=True)
class _Sequence:
    session_id: str = ""
    tokens: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    busy: bool = False
    room: int = 0
    """Cells set aside for tokens that are still to come."""
    used_at: int = 0
    """Counts up; the lowest was used longest ago."""
    forgotten: bool = False


class SequenceTable:
    """`sequences` sequences over `cells` cells."""

    def __init__(self, *, sequences: int, cells: int) -> None:
        self._sequences = [_Sequence() for _ in range(sequences)]
        self._cells_max = cells
        self._next_cell = 0
        self._uses = 0

    @property
    def used_cells(self) -> int:
        """Cells that hold a token; shared ones count once."""
        return len({cell for sequence in self._sequences for cell in sequence.cells})

    @property
    def reserved_cells(self) -> int:
        """Cells set aside for the sequences in use."""
        return sum(sequence.room for sequence in self._sequences)

    def held(self, sequence: int) -> tuple[int, ...]:
        """The tokens of a sequence."""
        return tuple(self._sequences[sequence].tokens)

    def begin(self, session_id: str, prompt: Sequence[int], *, room: int) -> Place | None:
        """Takes a sequence into use for `prompt` and `room` more tokens. None, and nothing changed, when the sequences
        in use leave no place for it; what no one uses is dropped for it, longest unused first.
        """
        source, kept = self._longest_beginning(session_id, prompt)
        target = self._target(session_id, source)
        if target is None:
            return None
        needed = len(prompt) - kept + room
        if needed > self._free_cells_at_most(source, kept):
            return None
        changes = self._move(source, target, kept)
        sequence = self._sequences[target]
        sequence.session_id, sequence.busy, sequence.forgotten, sequence.room = session_id, True, False, needed
        self._touch(sequence)
        changes += self._make_room()
        return Place(target, kept, tuple(changes))

    def extend(self, sequence: int, tokens: Sequence[int]) -> None:
        """Tells that `tokens` were evaluated behind what the sequence in use holds, within the room it was given."""
        used = self._sequences[sequence]
        if len(tokens) > used.room:
            raise ValueError(f"{len(tokens)} tokens do not fit into a room of {used.room}")
        used.tokens.extend(tokens)
        used.cells.extend(range(self._next_cell, self._next_cell + len(tokens)))
        self._next_cell += len(tokens)
        used.room -= len(tokens)

    def end(self, sequence: int) -> tuple[CacheChange, ...]:
        """The sequence is not in use any more; its tokens stay until their place is needed, unless the session was
        forgotten meanwhile or has another one that is newer or in use.
        """
        ended = self._sequences[sequence]
        ended.busy, ended.room = False, 0
        other_holds = any(
            other.session_id == ended.session_id and (other.busy or (other.cells and other.used_at > ended.used_at))
            for other in self._sequences
        )
        return tuple(self._drop(sequence)) if ended.forgotten or other_holds else ()

    def forget(self, session_id: str) -> tuple[CacheChange, ...]:
        """Drops what is held for a session; sequences in use go when they end."""
        changes: list[CacheChange] = []
        for index, sequence in enumerate(self._sequences):
            if sequence.session_id != session_id:
                continue
            if sequence.busy:
                sequence.forgotten = True
            else:
                changes += self._drop(index)
        return tuple(changes)

    def drop(self, sequence: int) -> tuple[CacheChange, ...]:
        """Empties a sequence whose content in the cache is not certain, in use or not; it is in use no more."""
        self._sequences[sequence] = _Sequence()
        return (Trim(sequence, 0),)

    def _longest_beginning(self, session_id: str, prompt: Sequence[int]) -> tuple[int | None, int]:
        """The sequence that shares most tokens with the prompt, and how many; of equals the one that can stay."""
        best: tuple[int, bool, int] | None = None
        for index, sequence in enumerate(self._sequences):
            own = sequence.session_id == session_id and not sequence.busy
            shared = _shared(sequence.tokens, prompt)
            if shared and (best is None or (shared, own) > best[:2]):
                best = (shared, own, index)
        return (None, 0) if best is None else (best[2], best[0])

    def _target(self, session_id: str, source: int | None) -> int | None:
        """The sequence to use: the session's own, an empty one, or the one unused for longest, the source last."""
        idle = [index for index, sequence in enumerate(self._sequences) if not sequence.busy]

        def preference(index: int) -> tuple[int, bool, int]:
            sequence = self._sequences[index]
            own = sequence.session_id == session_id and bool(sequence.cells)
            order = 0 if own and index == source else 1 if own else 2 if not sequence.cells else 3
            return (order, index == source, sequence.used_at)

        return min(idle, key=preference, default=None)

    def _free_cells_at_most(self, source: int | None, kept: int) -> int:
        """Cells that are free once everything not in use is dropped but the beginning that is kept."""
        pinned = {cell for sequence in self._sequences if sequence.busy for cell in sequence.cells}
        if source is not None:
            pinned.update(self._sequences[source].cells[:kept])
        return self._cells_max - len(pinned) - self.reserved_cells

    def _move(self, source: int | None, target: int, kept: int) -> list[CacheChange]:
        if source == target:
            held = self._sequences[target]
            if kept == len(held.tokens):
                return []
            del held.tokens[kept:], held.cells[kept:]
            return [Trim(target, kept)]
        changes = self._drop(target)
        if source is not None:
            held, into = self._sequences[source], self._sequences[target]
            into.tokens, into.cells = held.tokens[:kept], held.cells[:kept]
            changes.append(Share(source, target, kept))
        return changes

    def _make_room(self) -> list[CacheChange]:
        """Drops unused sequences, longest unused first, until what is set aside is there."""
        changes: list[CacheChange] = []
        shares = Counter(cell for sequence in self._sequences for cell in sequence.cells)
        missing = len(shares) + self.reserved_cells - self._cells_max
        idle = [index for index, sequence in enumerate(self._sequences) if sequence.cells and not sequence.busy]
        for index in sorted(idle, key=lambda index: self._sequences[index].used_at):
            if missing <= 0:
                break
            for cell in self._sequences[index].cells:
                shares[cell] -= 1
                missing -= shares[cell] == 0
            changes += self._drop(index)
        return changes

    def _drop(self, index: int) -> list[CacheChange]:
        sequence = self._sequences[index]
        had_tokens = bool(sequence.tokens)
        self._sequences[index] = _Sequence()
        return [Trim(index, 0)] if had_tokens else []

    def _touch(self, sequence: _Sequence) -> None:
        self._uses += 1
        sequence.used_at = self._uses


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Tokens at which both begin alike."""
    for at, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return at
    return min(len(first), len(second))
