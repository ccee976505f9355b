"""What words mean to turn-taking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_orchestrator.session.policy import BACKCHANNELS, Expects
from voice_orchestrator.session.words import (
    contains_phrase,
    dictated_length,
    dictating,
    extend_shown,
    is_echo,
    only_backchannels,
    real_words,
    same_words,
    words_of,
)

WORDS = st.sampled_from(["yes", "no", "the", "Table,", "two.", "o'clock", "Ärzte"])
TEXTS = st.lists(WORDS, max_size=8).map(" ".join)
BACKCHANNEL_TEXTS = st.lists(st.sampled_from(BACKCHANNELS), min_size=1, max_size=5)


# --- sameness


def test_case_punctuation_and_the_kind_of_apostrophe_do_not_matter() -> None:
    assert same_words("I\u2019d like Two, please!", "i'd like two please")
    assert not same_words("two", "too")
    assert words_of("O'Neill's e-mail: a_b@c.de") == ["o'neill's", "e", "mail", "a", "b", "c", "de"]


@given(TEXTS)
def test_a_text_says_the_same_as_itself_shouted(text: str) -> None:
    assert same_words(text, f"  {text.upper()}!")


# --- backchannels


@given(BACKCHANNEL_TEXTS)
def test_any_row_of_backchannels_is_only_backchannels(phrases: list[str]) -> None:
    assert only_backchannels(", ".join(phrases).capitalize(), BACKCHANNELS)


@given(BACKCHANNEL_TEXTS, st.integers(0, 5))
def test_one_word_more_is_not(phrases: list[str], at: int) -> None:
    assert not only_backchannels(" ".join([*phrases[:at], "tomorrow", *phrases[at:]]), BACKCHANNELS)


def test_nothing_is_no_backchannel_and_without_a_list_nothing_is() -> None:
    assert not only_backchannels("...", BACKCHANNELS)
    assert not only_backchannels("mm-hm", ())
    assert not only_backchannels("mm-hm", ("", "!"))


def test_the_longest_phrase_that_fits_is_taken() -> None:
    assert only_backchannels("I see i see", ("i see", "i"))
    assert not only_backchannels("see", ("i see",))


# --- phrases


def test_a_phrase_counts_as_whole_words_only() -> None:
    assert contains_phrase("Oh, hold on a second", ("hold on",))
    assert contains_phrase("STOP!", ("stop",))
    assert not contains_phrase("the stopping distance", ("stop",))
    assert not contains_phrase("anything", ("", "?"))


def test_sounds_without_a_vowel_are_no_words() -> None:
    assert real_words("Pfft, hm, 42 ja") == ["42", "ja"]
    assert real_words("да мм") == ["да", "мм"]


# --- echo


def test_a_run_of_the_agents_words_is_its_echo() -> None:
    spoken = "Good morning. How can I help you today?"
    assert is_echo("how can I help", spoken)
    assert is_echo("Good morning how", spoken)
    assert not is_echo("how can you help", spoken)
    assert not is_echo("good morning, I need an appointment", spoken)


def test_a_single_common_word_is_chance() -> None:
    assert not is_echo("morning", "Good morning.")
    assert not is_echo("", "Good morning.")


@given(st.lists(WORDS, min_size=2, max_size=8), st.data())
def test_every_stretch_of_two_words_or_more_is_an_echo(source: list[str], data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(source) - 2))
    end = data.draw(st.integers(begin + 2, len(source)))
    assert is_echo(" ".join(source[begin:end]), " ".join(source))


# --- what may be shown


def test_words_two_passes_agree_on_are_shown_as_the_second_wrote_them() -> None:
    assert extend_shown("", "i would like a", "I would light up") == "I would"


def test_what_is_shown_stays_when_later_passes_say_otherwise() -> None:
    assert extend_shown("I would", "I wood like", "I wood like a") == "I would like"
    assert extend_shown("I would like", "no", "no more") == "I would like"


@given(st.lists(TEXTS, max_size=8))
def test_what_is_shown_only_grows_and_never_shrinks(passes: list[str]) -> None:
    shown, before = "", ""
    for now in passes:
        extended = extend_shown(shown, before, now)
        assert extended.split()[: len(shown.split())] == shown.split()
        assert len(extended.split()) <= max(len(shown.split()), len(now.split()))
        shown, before = extended, now


@given(TEXTS)
def test_the_same_words_twice_are_shown_whole(text: str) -> None:
    assert extend_shown("", text, text) == text


# --- dictation


@pytest.mark.parametrize(
    ("text", "expects", "inside"),
    [
        ("my number is zero one seven", Expects.NUMBER, True),
        ("it is 0171 and", Expects.NUMBER, True),
        ("twenty five", Expects.NUMBER, True),
        ("I do not know it", Expects.NUMBER, False),
        ("four, I think so", Expects.NUMBER, False),
        ("", Expects.NUMBER, False),
        ("zero one seven", Expects.SPEECH, False),
        ("it is spelled m a", Expects.SPELLING, True),
        ("m as in mother, 4", Expects.SPELLING, True),
        ("I spell it for you", Expects.SPELLING, False),
        ("anna dot", Expects.EMAIL, True),
        ("anna at example", Expects.EMAIL, True),
        ("anna seven", Expects.EMAIL, True),
        ("anna b", Expects.EMAIL, True),
        ("I have no address", Expects.EMAIL, False),
    ],
)
def test_who_is_in_the_middle_of_dictating(text: str, expects: Expects, inside: bool) -> None:
    assert dictating(text, expects, 0) is inside


def test_what_is_complete_is_not_waited_for() -> None:
    assert dictating("zero one seven one", Expects.NUMBER, 5)
    assert not dictating("zero one seven one two", Expects.NUMBER, 5)
    assert not dictating("0171 22", Expects.NUMBER, 6)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("my number is", 0),
        ("zero one 234", 5),
        ("double four", 2),
        ("triple five nine", 4),
        ("double 12", 4),
        ("m a x", 3),
        ("double the price", 0),
        ("oh one seven", 3),
    ],
)
def test_digits_and_letters_are_counted(text: str, length: int) -> None:
    assert dictated_length(text) == length


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 4))
def test_digits_count_the_same_in_any_grouping(digits: list[int], size: int) -> None:
    groups = ["".join(map(str, digits[at : at + size])) for at in range(0, len(digits), size)]
    assert dictated_length(" ".join(groups)) == len(digits)
