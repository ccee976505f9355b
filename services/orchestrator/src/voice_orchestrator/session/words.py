"""What transcribed words mean to turn-taking: sameness, backchannels, echo, dictation, what may be shown.

Pure text, no state. Words are compared without case and punctuation: engines differ in both from one pass to the
next.
"""

import re
from functools import lru_cache
from typing import Final

from voice_orchestrator.session.policy import Expects

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_VOWEL: Final = re.compile(r"[aeiouy]|[^\x00-\x7f]")
_DIGIT_WORDS: Final = frozenset(
    ["zero", "oh", "o", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "triple"]
)
_NUMBER_WORDS: Final = _DIGIT_WORDS | frozenset(
    [
        "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
        "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand",
    ]
)  # fmt: skip
_OPEN_WORDS: Final = frozenset(
    [
        "a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "this", "these", "those", "some",
        "any", "every", "and", "or", "but", "so", "because", "if", "when", "while", "although", "than", "as",
        "that", "which", "who", "whose", "where", "of", "to", "for", "with", "from", "in", "on", "at", "by", "into",
        "about", "between", "without", "under", "over", "is", "are", "was", "were", "be", "been", "am", "do",
        "does", "did", "have", "has", "had", "will", "would", "can", "could", "shall", "should", "may", "might",
        "must", "i", "we", "they", "he", "she", "you", "it's", "i'm", "i'd", "i'll", "i've", "we'd", "we'll",
        "want", "need", "like", "get", "make", "take", "give", "put", "very", "really", "um", "uh", "er",
    ]
)  # fmt: skip
"""English words that are seldom the last of a turn. Other languages have only the punctuation."""

_EMAIL_WORDS: Final = frozenset(["at", "dot", "dash", "hyphen", "underscore"])

SENTENCE_WORDS_MIN: Final = 3
"""Engines leave the mark off one or two words; from here on a missing one says that the sentence goes on."""

DICTATION_TAIL_WORDS: Final = 2
"""So many words at the end of what was said decide whether the caller is dictating."""

ECHO_WORDS_MIN: Final = 2
"""Fewer words than this in common with the agent's are chance, not echo."""


def words_of(text: str) -> list[str]:
    """The words of `text`, in lower case, without punctuation."""
    return _WORD.findall(text.lower().replace("\u2019", "'"))


def same_words(first: str, second: str) -> bool:
    """Whether two texts say the same."""
    return words_of(first) == words_of(second)


@lru_cache(maxsize=64)
def _phrases(phrases: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """The words of each phrase of a profile's list; a pure function of it, remembered because lists are long."""
    return frozenset(tuple(words_of(phrase)) for phrase in phrases) - {()}


def only_backchannels(text: str, phrases: tuple[str, ...]) -> bool:
    """Whether `text` is made of nothing but `phrases`, in any order and number."""
    known = _phrases(phrases)
    longest = max((len(phrase) for phrase in known), default=0)
    words = words_of(text)
    at = 0
    while at < len(words):
        for length in range(min(longest, len(words) - at), 0, -1):
            if tuple(words[at : at + length]) in known:
                at += length
                break
        else:
            return False
    return bool(words)


def contains_phrase(text: str, phrases: tuple[str, ...]) -> bool:
    """Whether any of `phrases` occurs in `text` as whole words."""
    words = f" {' '.join(words_of(text))} "
    return any(f" {' '.join(phrase)} " in words for phrase in _phrases(phrases))


def real_words(text: str) -> list[str]:
    """The words of `text` that can be words: "pfft" and "hm" have no vowel."""
    return [word for word in words_of(text) if word.isdigit() or _VOWEL.search(word)]


def is_echo(heard: str, spoken: str) -> bool:
    """Whether what was heard is a run of the words the agent was speaking."""
    words, source = words_of(heard), words_of(spoken)
    if len(words) < ECHO_WORDS_MIN:
        return False
    return any(source[at : at + len(words)] == words for at in range(len(source) - len(words) + 1))


def extend_shown(shown: str, before: str, now: str) -> str:
    """What may be shown after the partial texts `before` and then `now`, given what was `shown`; never less.

    Words on which two passes in a row agree stay (LocalAgreement-2, Liu et al. 2020, arXiv:2005.11185).
    """
    agreed = 0
    for first, second in zip(before.split(), now.split(), strict=False):
        if words_of(first) != words_of(second):
            break
        agreed += 1
    kept = len(shown.split())
    if agreed <= kept:
        return shown
    return " ".join([*shown.split(), *now.split()[kept:agreed]])


@lru_cache(maxsize=64)
def unfinished(text: str) -> bool:
    """Whether what was said breaks off: no end of a sentence was heard, or the last word asks for another."""
    words, said = words_of(text), text.rstrip()
    if said.endswith(("..", ",", "-", "\u2026")):
        return True
    if len(words) >= SENTENCE_WORDS_MIN and not said.endswith((".", "!", "?")):
        return True
    return bool(words) and words[-1] in _OPEN_WORDS


@lru_cache(maxsize=64)
def dictating(text: str, expects: Expects, expected_length: int) -> bool:
    """Whether the caller is in the middle of dictating what is expected."""
    words = words_of(text)
    if expects is Expects.SPEECH or not words:
        return False
    tail = words[-DICTATION_TAIL_WORDS:]
    if expects is Expects.NUMBER:
        inside = any(_is_number(word) for word in tail)
    elif expects is Expects.SPELLING:
        inside = any(len(word) == 1 or _is_number(word) for word in tail)
    else:
        inside = any(len(word) == 1 or _is_number(word) or word in _EMAIL_WORDS for word in tail)
    return inside and not (expected_length and dictated_length(text) >= expected_length)


def dictated_length(text: str) -> int:
    """How many digits and single letters `text` holds; "double" and "triple" count for what they repeat."""
    length, repeat = 0, 1
    for word in words_of(text):
        if word in ("double", "triple"):
            repeat = 2 if word == "double" else 3
            continue
        if word.isdigit():
            length += len(word) * repeat
        elif word in _DIGIT_WORDS or len(word) == 1:
            length += repeat
        repeat = 1
    return length


def _is_number(word: str) -> bool:
    return word.isdigit() or word in _NUMBER_WORDS
