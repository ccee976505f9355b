"""Cuts a reply into pieces to be spoken, while it is still being written.

A segment ends where a voice may pause: at the end of a sentence, or, for the first segment of a reply only, at a comma
or the like once enough was said, or where a breath fits after some eight words, because the caller is waiting for it.
Later segments are whole sentences: their prosody is worth more than their delay.
"""

import re
from typing import Final

FIRST_CLAUSE_CHARS_MIN: Final = 9
"""Before its mark. "I'm sorry," can stand alone; a shorter first clause ("Yes,") sounds cut off, and would be over
before the next is ready.
"""

SEGMENT_CHARS_MAX: Final = 240
"""A longer run of words without a full stop is cut at a space; about 16 s of speech."""

FIRST_SEGMENT_CHARS_MAX: Final = 40
"""A first segment without any mark is cut here, before a word that may follow a breath: the caller is waiting."""

_LINK: Final = re.compile(
    r"\s(?=(?:and|or|but|so|because|that|which|who|when|where|if|while|with|for|to|in|on|at|from|about|by|of)\s)"
)
_SENTENCE_END: Final = re.compile(r"[.!?…]+[\"')\]]*(?=\s)|(?<=[^\W\d_])[!?](?=$)")
_CLAUSE_END: Final = re.compile("[,;:\u2013\u2014](?=\\s)|(?<=[^\\W\\d_])[,;](?=$)")
"""A mark is the end when a space was seen behind it, these at once behind a letter, where nothing else can follow: the
caller waits for every token. Behind a full stop "com" may follow, behind a digit another.
"""
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(])(?:(?:mr|mrs|ms|dr|st|prof|vs|etc|approx|apt|e\.g|i\.e|a\.m|p\.m)|[a-z])\.$", re.IGNORECASE
)
_NUMBER: Final = re.compile(r"(?:^|[\s(])no\.$", re.IGNORECASE)
"""The end of a sentence, or "number": what follows tells."""

_MARKUP: Final = re.compile(r"[*#`_~|<>]+")
_SPEAKABLE: Final = re.compile(r"[^\W_]")


def speakable(text: str) -> str:
    """`text` without markup and with single spaces; empty when nothing in it can be pronounced."""
    plain = " ".join(_MARKUP.sub(" ", text).split())
    return plain if _SPEAKABLE.search(plain) else ""


def _cut_at(buffer: str, *, first: bool) -> int:
    """Length of the first complete segment of `buffer`; 0 while there is none."""
    for match in _SENTENCE_END.finditer(buffer):
        if _ends_sentence(buffer, match.end()):
            end = match.end()
            break
    else:
        end = 0
    if first:
        for match in _CLAUSE_END.finditer(buffer, FIRST_CLAUSE_CHARS_MIN):
            end = min(end or match.end(), match.end())
            break
    if end:
        return end
    longest = FIRST_SEGMENT_CHARS_MAX if first else SEGMENT_CHARS_MAX
    if len(buffer) > longest:
        link = [match.start() for match in _LINK.finditer(buffer, FIRST_CLAUSE_CHARS_MIN, longest)] if first else []
        space = link[-1] if link else buffer.rfind(" ", 1, longest)
        return space if space > 0 else longest
    return 0


def _ends_sentence(buffer: str, end: int) -> bool:
    """Whether the full stop before `end` is more than part of an abbreviation."""
    before, behind = buffer[:end], buffer[end:].lstrip()
    if _ABBREVIATION.search(before) or not speakable(before):
        return False
    return not _NUMBER.search(before) or bool(behind and not behind[0].isdigit())


def split_ready(buffer: str, *, first: bool) -> tuple[tuple[str, ...], str]:
    """Complete segments at the beginning of `buffer`, and the rest.

    `first` says that nothing of the reply was cut before.
    """
    segments: list[str] = []
    while end := _cut_at(buffer, first=first and not segments):
        if segment := speakable(buffer[:end]):
            segments.append(segment)
        buffer = buffer[end:].lstrip()
    return tuple(segments), buffer


def split_all(text: str, *, first: bool) -> tuple[str, ...]:
    """Every segment of a finished text."""
    segments, rest = split_ready(text, first=first)
    last = speakable(rest)
    return (*segments, last) if last else segments
