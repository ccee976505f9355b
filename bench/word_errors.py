"""Word errors of a transcript against what was said: written numbers and punctuation do not count as differences."""

import re
from collections.abc import Sequence
from typing import Final

_UNITS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_DIGITS: Final = {
    **{word: str(value) for value, word in enumerate(_UNITS)},
    **{word: str(value * 10) for value, word in enumerate(_TENS, 2)},
}
_SPELLINGS: Final = {"ok": "okay", "mr": "mister", "mrs": "missus", "dr": "doctor", "colour": "color"}
PHRASE_WORDS_MIN: Final = 2
"""Shorter repetitions ("no, no") are spoken."""


def words_of(text: str) -> list[str]:
    """The words of `text` in the form in which they are compared: lower case, without punctuation, numbers by digits.

    "twenty five", "twenty-five" and "25" are all 2 5, "five o'clock" and "5 o'clock" the same.
    """
    found: list[str] = []
    words = re.findall(r"[a-z']+|\d", text.lower().replace("-", " ").replace("\u2019", "'"))
    for word, following in zip(words, [*words, ""][1:], strict=True):
        plain = word.strip("'")
        digits = _DIGITS.get(plain)
        if digits is None:
            found.extend([_SPELLINGS.get(plain, plain)] if plain else [])
        elif plain in _TENS and following in _UNITS[1:10]:
            found.append(digits[0])
        else:
            found.extend(digits)
    return found


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to change, add or take away to make `heard` out of `said`."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def repeats_a_phrase(said: Sequence[str], heard: Sequence[str]) -> bool:
    """Whether `heard` has a phrase twice in a row that nobody said twice."""
    return bool(_doubled(heard) - _doubled(said))


def _doubled(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {
        tuple(words[at : at + length])
        for length in range(PHRASE_WORDS_MIN, len(words) // 2 + 1)
        for at in range(len(words) - 2 * length + 1)
        if words[at : at + length] == words[at + length : at + 2 * length]
    }
