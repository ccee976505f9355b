"""Where each word of a text ends in its sound, from the lengths of the phonemes that were spoken. Pure.

Phonemes know no words: a voice says "of the" as one and "25" as two, and what a word sounds like depends on its
neighbours. So the phonemes that were spoken are matched with those of every word said alone, and a word ends where the
phonemes matched with its last one end.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

SPACE: Final = " "
STRESS: Final = frozenset("ˈˌ")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenPhoneme:
    """A phoneme and one past its last sample, counted from the beginning of the sound."""

    phoneme: str
    end_samples: int


def word_ends(spoken: Sequence[SpokenPhoneme], words: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """For each of `words`, given as the phonemes it has when said alone, where it ends in samples; does not fall.

    A word without phonemes ends where the one before it does; the last word that has some ends with the last phoneme.
    """
    heard = [phoneme for phoneme in spoken if _counts(phoneme.phoneme)]
    while heard and heard[-1].phoneme == SPACE:
        heard.pop()
    expected: list[str] = []
    last_of_word: list[int] = []
    for word in words:
        sounds = [phoneme for phoneme in word if _counts(phoneme) and phoneme != SPACE]
        if sounds:
            expected += ([SPACE] if expected else []) + sounds
        last_of_word.append(len(expected) - 1)
    if not heard or not expected:
        return (heard[-1].end_samples if heard else 0,) * len(words)
    matched = _matched([phoneme.phoneme for phoneme in heard], expected)
    ends: list[int] = []
    for last in last_of_word:
        at = matched[last] if last >= 0 else -1
        # A pause belongs to no word.
        while at > 0 and heard[at].phoneme == SPACE:
            at -= 1
        end = heard[at].end_samples if at >= 0 else 0
        ends.append(max(end, ends[-1] if ends else 0))
    return tuple(ends)


def _matched(heard: list[str], expected: list[str]) -> list[int]:
    """For each of `expected`, the index in `heard` it is matched with; between matches in proportion."""
    blocks = SequenceMatcher(None, heard, expected, autojunk=False).get_matching_blocks()
    anchors = [(-1, -1)]
    for block in blocks:
        anchors += [(block.b + offset, block.a + offset) for offset in range(block.size)]
    # Both end together, whatever was matched last.
    if anchors[-1] != (len(expected) - 1, len(heard) - 1):
        while anchors[-1][0] == len(expected) - 1:
            anchors.pop()
        anchors.append((len(expected) - 1, len(heard) - 1))
    positions = [position for position, _ in anchors]
    found: list[int] = []
    for position in range(len(expected)):
        right = bisect_right(positions, position)
        before, behind = anchors[right - 1], anchors[min(right, len(anchors) - 1)]
        span = behind[0] - before[0]
        share = (position - before[0]) / span if span else 0.0
        found.append(round(before[1] + share * (behind[1] - before[1])))
    return found


def _counts(phoneme: str) -> bool:
    """Whether a phoneme is matched: a sound or the space between words, not punctuation and not stress."""
    return phoneme == SPACE or (
        bool(phoneme) and phoneme not in STRESS and not any(unicodedata.category(sign)[0] in "PZ" for sign in phoneme)
    )
