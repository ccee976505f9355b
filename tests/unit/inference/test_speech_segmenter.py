"""From probabilities of windows to onsets and ends of speech."""

from hypothesis import given, settings
from hypothesis import strategies as st

from voice_contract.audio import samples_from_ms
from voice_contract.messages import SpeechEnded, SpeechFaltered, SpeechStarted, VadSettings
from voice_inference.server.speech_segmenter import SpeechSegmenter

WINDOW_MS = 32
WINDOW = samples_from_ms(WINDOW_MS)
SETTINGS = VadSettings(activation_threshold=0.5, deactivation_threshold=0.3, min_speech_ms=90, min_silence_ms=200)
SPEECH_WINDOWS = 3  # 96 ms
SILENCE_WINDOWS = 7  # 224 ms

Decision = SpeechStarted | SpeechEnded


def decisions(probabilities: list[float], vad: VadSettings = SETTINGS, first_sample: int = 0) -> list[Decision]:
    segmenter = SpeechSegmenter(vad, WINDOW)
    found = [segmenter.accept(first_sample + WINDOW * at, each) for at, each in enumerate(probabilities)]
    return [each for each in found if each is not None and not isinstance(each, SpeechFaltered)]


def falters(probabilities: list[float], vad: VadSettings = SETTINGS) -> list[int]:
    """The windows in which speech faltered."""
    segmenter = SpeechSegmenter(vad, WINDOW)
    found = [segmenter.accept(WINDOW * at, each) for at, each in enumerate(probabilities)]
    for at, each in enumerate(found):
        if isinstance(each, SpeechFaltered):
            assert each.detected_offset_samples == WINDOW * (at + 1)
    return [at for at, each in enumerate(found) if isinstance(each, SpeechFaltered)]


def started(first_window: int, last_window: int) -> SpeechStarted:
    return SpeechStarted(start_offset_samples=WINDOW * first_window, detected_offset_samples=WINDOW * (last_window + 1))


def ended(last_speech_window: int, last_window: int) -> SpeechEnded:
    return SpeechEnded(
        end_offset_samples=WINDOW * (last_speech_window + 1), detected_offset_samples=WINDOW * (last_window + 1)
    )


def test_silence_decides_nothing() -> None:
    assert decisions([0.0, 0.49, 0.31] * 50) == []


def test_speech_starts_at_its_first_window_and_is_told_when_it_lasted_long_enough() -> None:
    assert decisions([0.0, 0.0, *[0.9] * SPEECH_WINDOWS]) == [started(2, 4)]


def test_a_click_is_no_speech() -> None:
    assert decisions([0.9, 0.9, 0.1] * 20) == []


def test_the_wait_for_speech_begins_again_after_a_quiet_window() -> None:
    assert decisions([0.9, 0.9, 0.4, 0.9, 0.9, 0.9]) == [started(3, 5)]


def test_a_window_exactly_at_the_activation_threshold_is_speech() -> None:
    assert decisions([0.5] * SPEECH_WINDOWS) == [started(0, SPEECH_WINDOWS - 1)]


def test_speech_ends_behind_its_last_window_once_enough_silence_followed() -> None:
    probabilities = [*[0.9] * 5, *[0.1] * SILENCE_WINDOWS]
    assert decisions(probabilities[:-1]) == [started(0, 2)]
    assert decisions(probabilities) == [started(0, 2), ended(4, 4 + SILENCE_WINDOWS)]


def test_a_window_between_the_thresholds_keeps_speech_going() -> None:
    pause = [0.1] * (SILENCE_WINDOWS - 1)
    assert decisions([*[0.9] * 3, *pause, 0.3, *pause]) == [started(0, 2)]
    assert decisions([*[0.9] * 3, *pause, 0.3, *pause, 0.1])[1:] == [ended(9, 16)]


def test_speech_can_start_again_after_its_end() -> None:
    once = [*[0.9] * 3, *[0.1] * SILENCE_WINDOWS]
    assert decisions(once * 2) == [started(0, 2), ended(2, 9), started(10, 12), ended(12, 19)]


def test_one_window_is_enough_when_no_length_is_asked_for() -> None:
    eager = VadSettings(activation_threshold=0.5, deactivation_threshold=0.3, min_speech_ms=0, min_silence_ms=0)
    assert decisions([0.9, 0.1, 0.9], eager) == [started(0, 0), ended(0, 1), started(2, 2)]


def test_positions_are_those_of_the_call() -> None:
    (decision,) = decisions([0.9] * SPEECH_WINDOWS, first_sample=320_007)
    assert decision == SpeechStarted(
        start_offset_samples=320_007, detected_offset_samples=320_007 + SPEECH_WINDOWS * WINDOW
    )


def test_the_segmenter_says_whether_somebody_speaks() -> None:
    segmenter = SpeechSegmenter(SETTINGS, WINDOW)
    speaking = []
    for at, probability in enumerate([*[0.9] * 3, *[0.1] * SILENCE_WINDOWS]):
        segmenter.accept(WINDOW * at, probability)
        speaking.append(segmenter.speaking)
    assert speaking == [False, False, *[True] * SILENCE_WINDOWS, False]


thresholds = st.tuples(st.sampled_from((0.3, 0.5, 0.8)), st.sampled_from((0.1, 0.3)))
probability = st.sampled_from((0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.79, 0.8, 1.0))
"""Few values, so that runs on either side of the thresholds are long and values on them are common."""


@given(
    probabilities=st.lists(st.tuples(probability, st.integers(1, 9)), max_size=30),
    levels=thresholds,
    min_speech_ms=st.integers(0, 200),
    min_silence_ms=st.integers(0, 200),
)
@settings(max_examples=300, derandomize=True)
def test_every_decision_is_borne_out_by_the_windows_and_none_is_missing(
    probabilities: list[tuple[float, int]], levels: tuple[float, float], min_speech_ms: int, min_silence_ms: int
) -> None:
    vad = VadSettings(
        activation_threshold=levels[0],
        deactivation_threshold=levels[1],
        min_speech_ms=min_speech_ms,
        min_silence_ms=min_silence_ms,
    )
    windows = [value for value, times in probabilities for _ in range(times)]
    needed_speech = max(1, -(-min_speech_ms // WINDOW_MS))
    needed_silence = max(1, -(-min_silence_ms // WINDOW_MS))
    loud = [value >= levels[0] for value in windows]
    quiet = [value < levels[1] for value in windows]

    at = 0
    for decision in decisions(windows, vad):
        told = decision.detected_offset_samples // WINDOW
        if isinstance(decision, SpeechStarted):
            # The first place, since the last end, where enough loud windows stand in a row.
            first = next(i for i in range(at, len(windows)) if all_of(loud, i, needed_speech))
            assert (decision.start_offset_samples, told) == (first * WINDOW, first + needed_speech)
        else:
            first = next(i for i in range(at, len(windows)) if all_of(quiet, i, needed_silence))
            assert (decision.end_offset_samples, told) == (first * WINDOW, first + needed_silence)
        at = told
    speaking = len(decisions(windows, vad)) % 2 == 1
    wanted, length = (quiet, needed_silence) if speaking else (loud, needed_speech)
    assert not any(all_of(wanted, i, length) for i in range(at, len(windows)))


def all_of(values: list[bool], first: int, count: int) -> bool:
    return first + count <= len(values) and all(values[first : first + count])


# --- faltering


def test_speech_falters_once_each_time_it_is_not_clear_any_more() -> None:
    assert falters([0.9, 0.9, 0.9, 0.6, 0.5, 0.2, 0.6, 0.8, 0.6, 0.9, 0.1, 0.1]) == [3, 8, 10]


def test_what_is_no_speech_and_what_never_was_clear_does_not_falter() -> None:
    assert falters([0.6, 0.9, 0.1, 0.9, 0.1]) == []
    assert falters([0.6] * 5 + [0.1] * SILENCE_WINDOWS) == []


def test_a_higher_threshold_asks_for_clearer_speech() -> None:
    strict = VadSettings(activation_threshold=0.8, deactivation_threshold=0.3, min_speech_ms=90, min_silence_ms=200)
    assert falters([0.9, 0.9, 0.9, 0.75], strict) == [3]
    assert falters([0.9, 0.9, 0.9, 0.75], SETTINGS) == []


def test_an_end_in_the_very_window_is_told_as_the_end() -> None:
    short = VadSettings(activation_threshold=0.5, deactivation_threshold=0.3, min_speech_ms=90, min_silence_ms=32)
    assert falters([0.9, 0.9, 0.9, 0.1], short) == []
    assert decisions([0.9, 0.9, 0.9, 0.1], short) == [started(0, 2), ended(2, 3)]
