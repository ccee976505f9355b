"""How the words of a transcript are compared with what was said."""

import pytest
from word_errors import repeats_a_phrase, word_errors, words_of


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Set a timer for 5 minutes.", "set a timer for five minutes"),
        ("25", "twenty-five"),
        ("Flight 1350", "flight one three five zero"),
        ("It's 12 o'clock", "it\u2019s twelve o'clock"),
        ("Thirty.", "30"),
        ("Twenty, ten", "20 10"),
        ("Mr. Smith", "mister smith"),
        ("", " ... "),
    ],
)
def test_two_ways_to_write_the_same_words(written: str, spoken: str) -> None:
    assert words_of(written) == words_of(spoken)


@pytest.mark.parametrize(("one", "other"), [("fifteen", "fifty"), ("I", "eye"), ("twenty one", "twenty")])
def test_different_words_stay_different(one: str, other: str) -> None:
    assert words_of(one) != words_of(other)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [("a b c", "a b c", 0), ("a b c", "a c", 1), ("a b c", "a x c d", 2), ("a b", "", 2), ("", "a b", 2)],
)
def test_errors_are_words_to_change_add_and_take_away(said: str, heard: str, errors: int) -> None:
    assert word_errors(said.split(), heard.split()) == errors


@pytest.mark.parametrize("heard", ["i am here i am here", "well i am here i am here now", "so it is so it is so it is"])
def test_a_phrase_said_twice_is_a_loop(heard: str) -> None:
    assert repeats_a_phrase(["well", "i", "am", "here", "now"], heard.split())


@pytest.mark.parametrize("heard", ["i am here", "no no no", "the man and the dog", ""])
def test_ordinary_words_are_none(heard: str) -> None:
    assert not repeats_a_phrase(["i", "am", "here"], heard.split())


def test_what_was_said_twice_may_be_heard_twice() -> None:
    said = ["thank", "you", "thank", "you", "so", "much"]
    assert not repeats_a_phrase(said, said)
    assert repeats_a_phrase(said, [*said, *said])
