"""What a cache of several sequences keeps, shares and gives up."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from voice_inference.engines.llm.sequence_table import CacheChange, Place, SequenceTable, Share, Trim

CELLS = 24
SEQUENCES = 4


class Cache:
    """What a real cache does with the changes: each sequence is a list of cells, a cell holds one token."""

    def __init__(self) -> None:
        self.sequences: list[list[tuple[int, int]]] = [[] for _ in range(SEQUENCES)]
        self._cells = 0

    def change(self, changes: Iterable[CacheChange]) -> None:
        for change in changes:
            if isinstance(change, Trim):
                assert change.tokens <= len(self.sequences[change.sequence])
                del self.sequences[change.sequence][change.tokens :]
            else:
                assert not self.sequences[change.target]
                self.sequences[change.target] = self.sequences[change.source][: change.tokens]

    def write(self, sequence: int, tokens: Iterable[int]) -> None:
        for token in tokens:
            self._cells += 1
            self.sequences[sequence].append((token, self._cells))

    def tokens(self, sequence: int) -> tuple[int, ...]:
        return tuple(token for token, _ in self.sequences[sequence])

    def used(self) -> int:
        return len({cell for sequence in self.sequences for _, cell in sequence})


class Node:
    """A table and the cache it stands for."""

    def __init__(self) -> None:
        self.table = SequenceTable(sequences=SEQUENCES, cells=CELLS)
        self.cache = Cache()
        self.running: list[tuple[int, list[int], int]] = []
        """Sequence, what is left of the prompt, and tokens that may follow."""
        self._sessions: dict[int, tuple[str, int]] = {}
        """Of a sequence, whose it is and which beginning of all that was, counted from 1."""
        self._begun = 0
        self._forgotten: set[int] = set()
        """Sequences in use of sessions that are over."""

    def begin(self, session: str, prompt: list[int], room: int) -> Place | None:
        held = [self.cache.tokens(index) for index in range(SEQUENCES)]
        busy = {index for index, _, _ in self.running}
        place = self.table.begin(session, prompt, room=room)
        if place is None:
            assert busy or len(prompt) + room > CELLS, "there was nobody to wait for"
            assert [self.table.held(index) for index in range(SEQUENCES)] == held
            return None
        assert place.sequence not in busy
        self.cache.change(place.changes)
        assert place.kept == max(shared(tokens, prompt) for tokens in held)
        assert self.cache.tokens(place.sequence) == tuple(prompt[: place.kept])
        assert all(self.cache.tokens(index) == held[index] for index in busy)
        self.running.append((place.sequence, prompt[place.kept :], room))
        self._begun += 1
        self._sessions[place.sequence] = (session, self._begun)
        self._forgotten.discard(place.sequence)
        return place

    def write(self, index: int, count: int) -> None:
        """The next tokens of the prompt, then of a reply."""
        sequence, prompt, room = self.running[index]
        tokens = [*prompt, *([9] * room)][:count]
        self.table.extend(sequence, tokens)
        self.cache.write(sequence, tokens)
        read = min(len(prompt), count)
        self.running[index] = (sequence, prompt[read:], room - (len(tokens) - read))

    def end(self, index: int) -> None:
        sequence = self.running.pop(index)[0]
        held = [self.cache.tokens(index) for index in range(SEQUENCES)]
        stays = sequence not in self._forgotten and not self._has_better(sequence)
        self.cache.change(self.table.end(sequence))
        assert self.cache.tokens(sequence) == (held[sequence] if stays else ())
        assert all(self.cache.tokens(index) == held[index] for index in range(SEQUENCES) if index != sequence)

    def _has_better(self, sequence: int) -> bool:
        """Whether its session has another sequence that is in use, or holds what was begun later."""
        session, begun = self._sessions[sequence]
        busy = {index for index, _, _ in self.running}
        return any(
            index != sequence and owner == session and (index in busy or (self.cache.tokens(index) and other > begun))
            for index, (owner, other) in self._sessions.items()
        )

    def forget(self, session: str) -> None:
        busy = {index: self.cache.tokens(index) for index, _, _ in self.running}
        self.cache.change(self.table.forget(session))
        assert all(self.cache.tokens(index) == tokens for index, tokens in busy.items())
        self._forgotten |= {index for index in busy if self._sessions[index][0] == session}

    def drop(self, index: int) -> None:
        self.cache.change(self.table.drop(self.running.pop(index)[0]))

    def whole(self, session: str, prompt: list[int], room: int = 0) -> Place:
        """Begins, writes everything and ends."""
        place = self.begin(session, prompt, room)
        assert place is not None
        self.write(-1, len(prompt) + room)
        self.end(-1)
        return place

    def check(self) -> None:
        for index in range(SEQUENCES):
            assert self.table.held(index) == self.cache.tokens(index)
        assert self.table.used_cells == self.cache.used()
        assert self.table.used_cells + self.table.reserved_cells <= CELLS


def shared(first: tuple[int, ...], second: list[int]) -> int:
    count = 0
    while count < min(len(first), len(second)) and first[count] == second[count]:
        count += 1
    return count


SESSIONS = st.sampled_from("abcde")
PROMPTS = st.lists(st.integers(0, 2), max_size=12)
ACTS = st.one_of(
    st.tuples(st.just("begin"), SESSIONS, PROMPTS, st.integers(0, 6)),
    st.tuples(st.just("write"), st.integers(0, 9), st.integers(0, 5)),
    st.tuples(st.just("end"), st.integers(0, 9)),
    st.tuples(st.just("drop"), st.integers(0, 9)),
    st.tuples(st.just("forget"), SESSIONS),
)


@settings(max_examples=300)
@given(st.lists(ACTS, max_size=40))
def test_the_table_says_what_the_cache_holds_and_keeps_within_it(acts: list[tuple[object, ...]]) -> None:
    node = Node()
    for act in acts:
        match act:
            case ("begin", str(session), list(prompt), int(room)):
                node.begin(session, prompt, room)
            case ("write", int(index), int(count)) if node.running:
                node.write(index % len(node.running), count)
            case ("end", int(index)) if node.running:
                node.end(index % len(node.running))
            case ("drop", int(index)) if node.running:
                node.drop(index % len(node.running))
            case ("forget", str(session)):
                node.forget(session)
        node.check()


def test_the_next_turn_keeps_what_the_last_one_held_and_is_written_in_its_place() -> None:
    node = Node()
    first = node.whole("a", [1, 2, 3], room=2)
    second = node.whole("a", [1, 2, 3, 9, 9, 4])
    assert (second.sequence, second.kept, second.changes) == (first.sequence, 5, ())


def test_a_reply_that_was_not_heard_to_its_end_is_cut_where_the_next_turn_differs() -> None:
    node = Node()
    node.whole("a", [1, 2, 3], room=4)
    place = node.whole("a", [1, 2, 3, 9, 5])
    assert (place.kept, place.changes) == (4, (Trim(place.sequence, 4),))


def test_another_session_shares_the_beginning_and_the_first_one_keeps_all_of_its_own() -> None:
    node = Node()
    first = node.whole("a", [1, 2, 3, 4])
    second = node.whole("b", [1, 2, 7, 7])
    assert second.changes == (Share(first.sequence, second.sequence, 2),)
    assert node.table.held(first.sequence) == (1, 2, 3, 4)
    assert node.table.used_cells == 6


def test_a_run_that_takes_the_place_of_one_still_being_written_begins_with_its_prompt() -> None:
    node = Node()
    superseded = node.begin("a", [1, 2, 3], room=4)
    assert superseded is not None
    node.write(0, 5)
    newer = node.begin("a", [1, 2, 3, 4], room=2)
    assert newer is not None
    assert newer.kept == 3
    node.end(0)
    assert node.table.held(superseded.sequence) == ()
    node.write(0, 3)
    assert node.table.held(newer.sequence) == (1, 2, 3, 4, 9, 9)


def test_words_that_are_judged_beside_a_running_reply_do_not_cost_it_what_it_holds() -> None:
    node = Node()
    reply = node.begin("a", [1, 2, 3], room=4)
    assert reply is not None
    node.write(0, 5)
    judged = node.begin("a", [1, 2, 7], room=1)
    assert judged is not None
    node.write(1, 1)
    node.end(1)
    assert node.table.held(judged.sequence) == ()
    node.write(0, 2)
    node.end(0)
    assert node.whole("a", [1, 2, 3, 9, 9, 9, 9, 4]).kept == 7


def test_who_was_there_longest_ago_goes_first() -> None:
    node = Node()
    kept = {name: node.whole(name, [at] * 6).sequence for at, name in enumerate("abc")}
    node.whole("a", [0] * 6)
    node.whole("d", [7] * 7)
    assert [name for name, sequence in kept.items() if node.table.held(sequence)] == ["a", "c"]


def test_a_session_that_is_over_is_forgotten_when_its_last_work_ends() -> None:
    node = Node()
    place = node.begin("a", [1, 2, 3], room=1)
    assert place is not None
    node.write(0, 2)
    node.forget("a")
    node.check()
    assert node.table.held(place.sequence) == (1, 2)
    node.end(0)
    node.check()
    assert node.table.used_cells == 0


def test_what_does_not_fit_beside_the_work_that_goes_on_waits() -> None:
    node = Node()
    assert node.begin("a", [1] * 10, room=6) is not None
    assert node.begin("b", [2] * 6, room=3) is None
    assert node.begin("b", [2] * 6, room=2) is not None
