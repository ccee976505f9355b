"""Where words end, whatever a voice makes of them."""
# ruff: noqa: RUF001 - phonemes look like letters

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_inference.engines.tts.word_ends import SpokenPhoneme, word_ends

PHONEME_SAMPLES = 100


def spoken(phonemes: str, samples: int = PHONEME_SAMPLES) -> list[SpokenPhoneme]:
    """Every phoneme, spaces and punctuation too, as long as the others."""
    return [SpokenPhoneme(phoneme=sign, end_samples=samples * (at + 1)) for at, sign in enumerate(phonemes)]


def test_words_end_with_their_last_sound() -> None:
    assert word_ends(spoken("wi ɑɹ oʊpən"), ["wi", "ɑɹ", "oʊpən"]) == (200, 500, 1_100)


def test_a_pause_belongs_to_no_word() -> None:
    assert word_ends(spoken("jɛs, ʃʊɹ."), ["jɛs", "ʃʊɹ"]) == (300, 800)


def test_words_that_are_spoken_as_one_end_inside_it() -> None:
    assert word_ends(spoken("sʌm ʌvðə deɪz"), ["sʌm", "ʌv", "ðə", "deɪz"]) == (300, 600, 800, 1_300)


def test_a_number_ends_with_the_last_of_its_words() -> None:
    assert word_ends(spoken("mɑɹtʃ twɛnti faɪv æt"), ["mɑɹtʃ", "twɛnti faɪv", "æt"]) == (500, 1_700, 2_000)


def test_a_word_that_sounds_otherwise_in_its_sentence_is_found_between_its_neighbours() -> None:
    heard, first, second, third = word_ends(spoken("kæt ɐ dɔɡ ɹʌn"), ["kæt", "eɪ", "dɔɡ", "ɹʌn"])
    assert (heard, second, third) == (300, 900, 1_300)
    assert 300 < first <= 600


def test_stress_is_not_a_sound() -> None:
    assert word_ends(spoken("ˈoʊpən naʊ"), ["oʊpən", "ˈnaʊ"]) == (600, 1_000)


def test_a_word_without_a_sound_ends_with_the_one_before() -> None:
    assert word_ends(spoken("wʌn tuː"), ["", "wʌn", "", "tuː"]) == (0, 300, 300, 700)


def test_the_last_word_ends_with_the_sound_whatever_was_spoken() -> None:
    assert word_ends(spoken("fɔɹ ɪɡzæmpəl bluː."), ["iːdʒiː", "bluː"])[-1] == 1_700


@pytest.mark.parametrize("words", [[], [""], ["", ""]])
def test_nothing_to_say_is_nowhere(words: list[str]) -> None:
    assert word_ends([], words) == (0,) * len(words)


def test_sound_without_words_and_words_without_sound() -> None:
    assert word_ends(spoken("ɑɹ"), [""]) == (200,)
    assert word_ends(spoken("..."), ["ɑɹ", "ɑɹ"]) == (0, 0)


PHONEMES = st.text(alphabet="aeioptk ˈ.,", max_size=30)


@settings(max_examples=300, derandomize=True)
@given(PHONEMES, st.lists(PHONEMES, max_size=12))
def test_ends_never_fall_and_lie_in_the_sound(heard: str, words: Sequence[str]) -> None:
    sound = spoken(heard)
    ends = word_ends(sound, words)
    assert len(ends) == len(words)
    assert list(ends) == sorted(ends)
    assert all(0 <= end <= len(heard) * PHONEME_SAMPLES for end in ends)


@settings(max_examples=100, derandomize=True)
@given(st.lists(st.text(alphabet="aeioptk", min_size=1, max_size=8), min_size=1, max_size=12))
def test_words_that_are_spoken_as_they_are_alone_end_exactly(words: list[str]) -> None:
    sentence = " ".join(words)
    expected = [len(" ".join(words[: count + 1])) * PHONEME_SAMPLES for count in range(len(words))]
    assert list(word_ends(spoken(sentence), words)) == expected
