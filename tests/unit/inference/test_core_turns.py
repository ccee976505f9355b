"""Who computes next on cores that several engines share."""

import random
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from support.eventually import WAIT_S

from voice_inference import core_turns
from voice_inference.core_turns import CoreTurns, Rank
from voice_inference.engines.base import Cancelled, CancelToken

CORES = 2


class Work:
    """A thread that wants a turn, and keeps it until it is told to leave."""

    def __init__(
        self,
        turns: CoreTurns,
        threads: int,
        rank: Rank,
        *,
        begun: Callable[[], object] = lambda: None,
        unless: Callable[[], bool] = lambda: False,
        error: Exception | None = None,
    ) -> None:
        self.cancel = CancelToken()
        self.mine: bool | None = None
        """What the turn gave; None before it is there, and when there is none because it was cancelled."""
        self.raised: BaseException | None = None
        self.looks = 0
        """How often it has looked whether it may begin, and may not."""
        self._turns, self._threads, self._rank = turns, threads, rank
        self._begun, self._unless, self._error = begun, unless, error
        self._looked = threading.Condition()
        self._inside, self._leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._turns.turn(self._threads, self._rank, self.cancel, unless=self._look) as mine:
                self.mine = mine
                self._begun()
                self._inside.set()
                assert self._leave.wait(WAIT_S), "nobody told it to leave"
                if self._error is not None:
                    raise self._error
        except Exception as error:
            self.raised = error

    def _look(self) -> bool:
        """Asked while it waits, and only then."""
        with self._looked:
            self.looks += 1
            self._looked.notify_all()
        return self._unless()

    def waits(self, looks: int = 1) -> "Work":
        """Returns when it has looked so often and waits."""
        with self._looked:
            assert self._looked.wait_for(lambda: self.looks >= looks, WAIT_S), "it does not wait"
        return self

    def works(self) -> "Work":
        """Returns when it has begun."""
        assert self._inside.wait(WAIT_S), "it has not begun"
        return self

    @property
    def has_begun(self) -> bool:
        return self._inside.is_set()

    def leave(self) -> "Work":
        """Has it leave as soon as it has begun."""
        self._leave.set()
        return self

    def over(self) -> None:
        """Returns when it has left."""
        self._leave.set()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


class Crew:
    """Work of one machine; a name is put into `order` when its work begins."""

    def __init__(self) -> None:
        self.turns = CoreTurns(CORES)
        self.order: list[str] = []
        self._all: list[Work] = []

    def add(
        self,
        threads: int,
        rank: Rank,
        name: str = "",
        *,
        unless: Callable[[], bool] = lambda: False,
        error: Exception | None = None,
    ) -> Work:
        work = Work(self.turns, threads, rank, begun=lambda: self.order.append(name), unless=unless, error=error)
        self._all.append(work)
        return work

    def in_order(self, *wanted: tuple[str, int, Rank]) -> list[str]:
        """All cores are taken; then these come, each waiting before the next one comes; the order they begin in."""
        holder = self.add(CORES, Rank.AWAITED).works()
        works = [self.add(threads, rank, name).waits().leave() for name, threads, rank in wanted]
        self.order.clear()
        holder.over()
        for work in works:
            work.over()
        return self.order

    def all_is_free(self) -> bool:
        """Whether nobody waits and all cores are free: who asks for them and would not wait has them."""
        with self.turns.turn(CORES, Rank.SPARE, CancelToken(), unless=lambda: True) as mine:
            return mine

    def close(self) -> None:
        for work in self._all:
            work.over()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine changes no order. Tests that want it otherwise say so."""
    monkeypatch.setattr(core_turns, "PATIENCE_S", WAIT_S)
    monkeypatch.setattr(core_turns, "WAIT_S_MAX", 2 * WAIT_S)


@pytest.fixture
def crew() -> Iterator[Crew]:
    """Nothing may be left of any test."""
    crew = Crew()
    yield crew
    crew.close()
    assert crew.all_is_free()


# --- who is next


def test_the_most_urgent_go_first_whoever_came_first(crew: Crew) -> None:
    ranks = (Rank.SPARE, Rank.LATER, Rank.AWAITED, Rank.FIRST_SOUND)
    found = crew.in_order(*((rank.name, CORES, rank) for rank in ranks))
    assert found == ["FIRST_SOUND", "AWAITED", "LATER", "SPARE"]


@pytest.mark.parametrize("rank", Rank)
def test_of_equals_who_came_first_goes_first(crew: Crew, rank: Rank) -> None:
    assert crew.in_order(*((name, CORES, rank) for name in "abcd")) == list("abcd")


def test_as_many_work_at_once_as_there_are_cores(crew: Crew) -> None:
    first, second = crew.add(1, Rank.LATER).works(), crew.add(1, Rank.LATER).works()
    third = crew.add(1, Rank.FIRST_SOUND).waits()
    assert not third.has_begun
    first.over()
    third.works()
    second.over()


def test_who_is_next_is_not_passed_by_those_that_need_less(crew: Crew) -> None:
    holder = crew.add(1, Rank.AWAITED).works()
    wide = crew.add(CORES, Rank.AWAITED).waits()
    narrow = crew.add(1, Rank.AWAITED).waits()
    assert not narrow.has_begun
    holder.over()
    wide.works()
    assert not narrow.has_begun
    wide.over()
    narrow.works()


def test_more_threads_than_cores_take_all_cores(crew: Crew) -> None:
    large = crew.add(10 * CORES, Rank.AWAITED).works()
    other = crew.add(1, Rank.FIRST_SOUND).waits()
    assert not other.has_begun
    large.over()
    other.works()


def test_work_that_computes_elsewhere_needs_no_turn(crew: Crew) -> None:
    crew.add(CORES, Rank.FIRST_SOUND).works()
    elsewhere = crew.add(0, Rank.SPARE).works()
    assert elsewhere.mine
    # It holds nothing that others might wait for either.
    elsewhere.over()


# --- who does not want it any more


def test_who_is_cancelled_while_it_waits_has_no_turn(crew: Crew) -> None:
    holder = crew.add(CORES, Rank.AWAITED).works()
    waiting = crew.add(CORES, Rank.FIRST_SOUND).waits()
    behind = crew.add(CORES, Rank.AWAITED).waits()
    waiting.cancel.cancel()
    waiting.over()
    assert isinstance(waiting.raised, Cancelled)
    assert waiting.mine is None
    holder.over()
    behind.works()


def test_who_was_cancelled_before_has_no_turn_though_cores_are_free(crew: Crew) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled), crew.turns.turn(1, Rank.AWAITED, cancel):
        pytest.fail("it was cancelled")


def test_who_is_told_that_there_is_something_better_goes_without_a_turn(crew: Crew) -> None:
    better = threading.Event()
    holder = crew.add(CORES, Rank.AWAITED).works()
    waiting = crew.add(CORES, Rank.LATER, unless=better.is_set).waits()
    crew.turns.look_again()
    waiting.waits(looks=2)
    assert not waiting.has_begun
    better.set()
    crew.turns.look_again()
    waiting.works()
    assert waiting.mine is False
    # What it never had it does not give back.
    waiting.over()
    other = crew.add(1, Rank.AWAITED).waits()
    assert not other.has_begun
    holder.over()
    other.works()


def test_who_has_its_turn_at_once_is_not_asked(crew: Crew) -> None:
    work = crew.add(CORES, Rank.LATER, unless=lambda: True).works()
    assert work.mine
    assert work.looks == 0


def test_a_block_that_raises_gives_its_cores_back(crew: Crew) -> None:
    for rank in Rank:
        work = crew.add(CORES, rank, error=ValueError("engine broke")).works()
        work.over()
        assert isinstance(work.raised, ValueError)
        assert crew.all_is_free()


# --- what nobody waits for


@pytest.mark.parametrize("rank", [Rank.FIRST_SOUND, Rank.AWAITED])
def test_spare_work_is_stopped_when_somebody_needs_its_cores(crew: Crew, rank: Rank) -> None:
    spare = crew.add(1, Rank.SPARE).works()
    crew.add(1, Rank.LATER).works()
    awaited = crew.add(1, rank).waits()
    assert spare.cancel.cancelled
    assert not awaited.has_begun
    spare.over()
    awaited.works()


@pytest.mark.parametrize("rank", [Rank.LATER, Rank.SPARE])
def test_spare_work_goes_on_while_nobody_waits_for_sound(crew: Crew, rank: Rank) -> None:
    spare = crew.add(CORES, Rank.SPARE).works()
    crew.add(1, rank).waits()
    assert not spare.cancel.cancelled


def test_spare_work_goes_on_beside_work_that_has_cores_of_its_own(crew: Crew) -> None:
    spare = crew.add(1, Rank.SPARE).works()
    crew.add(1, Rank.FIRST_SOUND).works()
    assert not spare.cancel.cancelled


@pytest.mark.parametrize("rank", [Rank.FIRST_SOUND, Rank.AWAITED, Rank.LATER])
def test_other_work_is_never_stopped(crew: Crew, rank: Rank) -> None:
    holder = crew.add(CORES, rank).works()
    crew.add(1, Rank.FIRST_SOUND).waits()
    assert not holder.cancel.cancelled


def test_spare_work_that_is_over_is_not_stopped_any_more(crew: Crew) -> None:
    spare = crew.add(CORES, Rank.SPARE).works()
    spare.over()
    crew.add(CORES, Rank.AWAITED).works()
    crew.add(CORES, Rank.AWAITED).waits()
    assert not spare.cancel.cancelled


# --- who has waited long


@pytest.mark.parametrize(("rank", "order"), [(Rank.LATER, ["patient", "urgent"]), (Rank.SPARE, ["urgent", "patient"])])
def test_who_has_waited_long_is_next_but_not_with_spare_work(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, rank: Rank, order: list[str]
) -> None:
    holder = crew.add(CORES, Rank.AWAITED).works()
    monkeypatch.setattr(core_turns, "PATIENCE_S", 0.001)
    # It looks when it comes, when its patience is over, and once more as the one it is then.
    patient = crew.add(CORES, rank, "patient").waits(looks=3).leave()
    monkeypatch.setattr(core_turns, "PATIENCE_S", WAIT_S)
    urgent = crew.add(CORES, Rank.FIRST_SOUND, "urgent").waits().leave()
    crew.order.clear()
    holder.over()
    patient.over()
    urgent.over()
    assert crew.order == order


def test_who_has_waited_too_long_goes_on_without_a_turn(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = crew.add(CORES, Rank.AWAITED).works()
    monkeypatch.setattr(core_turns, "PATIENCE_S", 0.001)
    monkeypatch.setattr(core_turns, "WAIT_S_MAX", 0.002)
    crew.add(1, Rank.LATER).works().over()
    monkeypatch.setattr(core_turns, "PATIENCE_S", WAIT_S)
    monkeypatch.setattr(core_turns, "WAIT_S_MAX", 2 * WAIT_S)
    # What went on without a turn leaves no core behind that is not there.
    assert not crew.all_is_free()
    hangs.over()
    assert crew.all_is_free()


# --- everything at once


class Crowd:
    """Threads that want turns of every kind; counts the cores that are held at once."""

    def __init__(self, cores: int, seed: int) -> None:
        self.turns = CoreTurns(cores)
        self.most = 0
        self._cores, self._seed = cores, seed
        self._held = 0
        self._lock = threading.Lock()
        self._tokens: list[CancelToken] = []

    def live(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")
        for _ in range(150):
            threads, rank = chance.randint(0, self._cores + 1), chance.choice(list(Rank))
            unless = partial(bool, chance.random() < 0.2)
            cancel, error = CancelToken(), chance.random() < 0.1
            self._tokens.append(cancel)
            if chance.random() < 0.1:
                chance.choice(self._tokens).cancel()
            try:
                with self.turns.turn(threads, rank, cancel, unless=unless) as mine:
                    self._hold(min(threads, self._cores) if mine else 0)
                    if error:
                        raise ValueError
            except (Cancelled, ValueError):
                pass
            if chance.random() < 0.3:
                self.turns.look_again()

    def _hold(self, cores: int) -> None:
        with self._lock:
            self._held += cores
            self.most = max(self.most, self._held)
        sum(range(1_000))
        with self._lock:
            self._held -= cores


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_a_crowd_never_has_more_cores_than_there_are_and_everybody_ends(
    monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr(core_turns, "PATIENCE_S", 0.001)
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        crowd = Crowd(cores, seed=cores)
        threads = [threading.Thread(target=crowd.live, args=(number,), daemon=True) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
        assert not any(thread.is_alive() for thread in threads)
    finally:
        sys.setswitchinterval(switch_s)
    assert crowd.most == cores
    with crowd.turns.turn(cores, Rank.SPARE, CancelToken(), unless=lambda: True) as mine:
        assert mine


def test_spare_work_is_stopped_when_somebody_waits_behind_one_that_waits_for_its_cores(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = crew.add(1, Rank.SPARE).works()
    monkeypatch.setattr(core_turns, "PATIENCE_S", 0.001)
    patient = crew.add(CORES, Rank.LATER).waits(looks=3).leave()
    monkeypatch.setattr(core_turns, "PATIENCE_S", WAIT_S)
    awaited = crew.add(1, Rank.AWAITED).waits()
    assert spare.cancel.cancelled
    spare.over()
    patient.over()
    awaited.works()
