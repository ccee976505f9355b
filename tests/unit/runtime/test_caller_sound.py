"""What is kept of the caller's sound for a next node."""

from hypothesis import given
from hypothesis import strategies as st

from voice_contract.audio import FRAME_SAMPLES, samples_from_ms
from voice_contract.messages import Audio
from voice_orchestrator.runtime.caller_sound import KEPT_MS_MAX, LEAD_IN_MS, CallerSound

SECOND_FRAMES = 50


def spoken(sound: CallerSound, frames: int, first: int = 0) -> None:
    for number in range(first, first + frames):
        sound.append(Audio(pcm=bytes(2 * FRAME_SAMPLES), offset_samples=number * FRAME_SAMPLES))


def kept(sound: CallerSound) -> list[int]:
    return [frame.offset_samples // FRAME_SAMPLES for frame in sound.frames(-1)]


def test_without_a_turn_half_a_second_is_kept() -> None:
    sound = CallerSound()
    assert (sound.end_samples, kept(sound)) == (0, [])
    spoken(sound, 200)
    assert kept(sound) == list(range(200 - LEAD_IN_MS // 20, 200))


def test_a_turn_is_kept_from_its_beginning_and_let_go_at_its_end() -> None:
    sound = CallerSound()
    spoken(sound, 100)
    sound.keep_from(90 * FRAME_SAMPLES)
    spoken(sound, 400, first=100)
    assert kept(sound) == list(range(90, 500))
    assert [frame.offset_samples for frame in sound.frames(499 * FRAME_SAMPLES)] == [499 * FRAME_SAMPLES]
    sound.keep_from(None)
    assert len(kept(sound)) == LEAD_IN_MS // 20


def test_without_a_node_everything_is_kept_as_long_as_a_turn_may_last() -> None:
    sound = CallerSound()
    sound.hold(True)
    spoken(sound, 4_000)
    assert len(kept(sound)) == KEPT_MS_MAX // 20
    sound.hold(False)
    assert len(kept(sound)) == LEAD_IN_MS // 20


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.none() | st.integers(0, 3_000)), max_size=20))
def test_what_is_needed_is_there_and_memory_is_bounded(moves: list[tuple[int, bool, int | None]]) -> None:
    sound, at = CallerSound(), 0
    for frames, held, keep_from in moves:
        spoken(sound, frames, first=at)
        at += frames
        sound.hold(held)
        sound.keep_from(None if keep_from is None else min(keep_from, at) * FRAME_SAMPLES)
        held_samples = len(kept(sound)) * FRAME_SAMPLES
        assert held_samples <= samples_from_ms(KEPT_MS_MAX) + FRAME_SAMPLES
        assert kept(sound) == list(range(at - len(kept(sound)), at))
        assert held_samples >= min(at * FRAME_SAMPLES, samples_from_ms(LEAD_IN_MS))
