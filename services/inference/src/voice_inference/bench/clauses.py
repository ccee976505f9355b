"""Cuts a reply into pieces to be spoken while it is still being written. Pure."""

import re
from typing import Final

FIRST_CHARS_MIN: Final = 12
FIRST_CHARS_MAX: Final = 64
"""A first piece without any mark is cut here: somebody waits for it."""

_SENTENCE: Final = re.compile(r"[.!?]+[\"')]*(?=\s)")
_CLAUSE: Final = re.compile(r"[,;:.!?]+(?=\s)")
_SPEAKABLE: Final = re.compile(r"\w")


def next_piece(text: str, *, first: bool, ended: bool) -> tuple[str, str]:
    """The first complete piece of `text` and what is left; an empty piece while there is none.

    The first piece of a reply may be a clause, later ones are sentences; when the text has `ended` so has its last
    piece.
    """
    mark = _CLAUSE.search(text, FIRST_CHARS_MIN) if first else _SENTENCE.search(text)
    if mark is not None:
        cut = mark.end()
    elif first and len(text) > FIRST_CHARS_MAX and " " in text[FIRST_CHARS_MIN:FIRST_CHARS_MAX]:
        cut = text.rindex(" ", 0, FIRST_CHARS_MAX)
    elif ended:
        cut = len(text)
    else:
        return "", text
    piece, rest = " ".join(text[:cut].split()), text[cut:].lstrip()
    if _SPEAKABLE.search(piece):
        return piece, rest
    return next_piece(rest, first=first, ended=ended) if rest else ("", "")
