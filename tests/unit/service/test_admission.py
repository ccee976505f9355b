"""Seats: exact limits, reasons, hints."""

from hypothesis import given
from hypothesis import strategies as st

from voice_contract.failures import FailureReason
from voice_orchestrator.service.admission import Admission


def reason(admission: Admission, peer: str = "a") -> FailureReason | None:
    refusal = admission.take(peer)
    return refusal.failure.reason if refusal else None


def test_the_limit_is_exact_and_a_seat_given_back_is_taken_again() -> None:
    admission = Admission(2, 2, lambda: 9)
    assert [reason(admission) for _ in range(3)] == [None, None, FailureReason.CAPACITY_EXHAUSTED]
    admission.give_back("a")
    assert reason(admission) is None
    assert admission.taken == 2


def test_one_peer_does_not_take_every_seat() -> None:
    admission = Admission(3, 1, lambda: 9)
    assert reason(admission, "a") is None
    assert reason(admission, "a") is FailureReason.CAPACITY_EXHAUSTED
    assert reason(admission, "b") is None


def test_without_room_at_the_nodes_a_call_is_refused_and_says_which_kind_of_none() -> None:
    assert reason(Admission(2, 2, lambda: None)) is FailureReason.INFERENCE_LOST
    assert reason(Admission(2, 2, lambda: 0)) is FailureReason.CAPACITY_EXHAUSTED


def test_a_server_that_is_going_takes_nothing() -> None:
    admission = Admission(2, 2, lambda: 9)
    admission.draining = True
    assert reason(admission) is FailureReason.DRAINING


def test_every_refusal_says_when_to_try_again() -> None:
    admission = Admission(1, 1, lambda: None)
    refusal = admission.take("a")
    assert refusal is not None
    assert refusal.retry_after_ms is not None
    assert refusal.failure.retryable


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"))), st.integers(1, 4), st.integers(1, 3))
def test_never_more_seats_than_there_are(moves: list[tuple[bool, str]], slots: int, per_peer: int) -> None:
    admission, held = Admission(slots, per_peer, lambda: 9), list[str]()
    for takes, peer in moves:
        if takes:
            if admission.take(peer) is None:
                held.append(peer)
        elif peer in held:
            held.remove(peer)
            admission.give_back(peer)
        assert admission.taken == len(held) <= slots
        assert all(held.count(each) <= per_peer for each in held)
