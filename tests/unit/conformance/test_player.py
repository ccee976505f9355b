"""The check's loudspeaker: what is told as heard is what an edge would have played."""

from hypothesis import given
from hypothesis import strategies as st

from voice_orchestrator.conformance.player import Player

RATE_HZ = 8_000


def player_with(run_id: int, seconds: float) -> Player:
    player = Player(RATE_HZ)
    player.push(run_id, int(RATE_HZ * seconds), 1.0)
    return player


def test_sound_is_heard_from_when_it_came() -> None:
    player = player_with(1, 1.0)
    player.advance(1.25)
    assert player.played(1) == RATE_HZ // 4
    player.advance(9.0)
    assert player.played(1) == RATE_HZ


def test_a_pause_keeps_what_waits() -> None:
    player = player_with(1, 1.0)
    player.pause(1.5)
    player.advance(5.0)
    assert player.played(1) == RATE_HZ // 2
    player.resume(5.0)
    player.advance(5.25)
    assert player.played(1) == RATE_HZ * 3 // 4


def test_a_flush_drops_the_run_and_ends_a_pause() -> None:
    player = player_with(1, 1.0)
    player.push(2, RATE_HZ, 1.0)
    player.pause(1.25)
    assert player.flush(1, 2.0) == RATE_HZ // 4
    player.advance(2.5)
    assert (player.played(1), player.played(2)) == (RATE_HZ // 4, RATE_HZ // 2)


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 100)), max_size=30))
def test_no_sample_is_heard_before_it_came_or_twice(frames: list[tuple[int, int]]) -> None:
    player, now_s, sent = Player(RATE_HZ), 0.0, 0
    for samples, wait_ms in frames:
        now_s += wait_ms / 1_000
        player.push(1, samples, now_s)
        sent += samples
        assert player.played(1) <= sent
    player.advance(now_s + sent / RATE_HZ + 0.001)
    assert player.played(1) == sent
