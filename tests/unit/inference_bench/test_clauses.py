"""Where a reply is cut to be spoken."""

import re

from hypothesis import given
from hypothesis import strategies as st

from voice_inference.bench.clauses import FIRST_CHARS_MAX, next_piece


def pieces(text: str) -> list[str]:
    found: list[str] = []
    while True:
        piece, text = next_piece(text, first=not found, ended=True)
        if not piece:
            return found
        found.append(piece)


def test_the_first_piece_is_a_clause_and_later_ones_are_sentences() -> None:
    text = "Yes, we are open, from eight to five. On Monday, too. Come"
    assert pieces(text) == ["Yes, we are open,", "from eight to five.", "On Monday, too.", "Come"]


def test_an_unfinished_piece_is_waited_for() -> None:
    assert next_piece("Yes, we are op", first=True, ended=False) == ("", "Yes, we are op")
    assert next_piece("We are open, and", first=False, ended=False) == ("", "We are open, and")


def test_nobody_waits_for_a_mark_for_ever() -> None:
    piece, rest = next_piece("word " * 20, first=True, ended=False)
    assert 0 < len(piece) <= FIRST_CHARS_MAX
    assert rest.startswith("word")


def test_what_cannot_be_pronounced_is_left_out() -> None:
    assert pieces("... !") == []
    assert pieces("Yes! ?? No.") == ["Yes! ?? No."]
    assert next_piece("?! Certainly.", first=False, ended=True) == ("Certainly.", "")


@given(st.text(alphabet="ab,.!? \n", max_size=200))
def test_no_word_is_lost(text: str) -> None:
    assert re.findall(r"\w+", " ".join(pieces(text))) == re.findall(r"\w+", text)
