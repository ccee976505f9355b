"""Damage to the text of YAML, and YAML that is small and grows in the hands of who reads it."""

from itertools import pairwise
from random import Random
from typing import Final

from fuzz.bytes_mutations import LARGE_BYTES, often_damaged, one_in
from fuzz.yaml_documents import ODD

TOKENS: Final = (
    "&a ", "*a", "*a ", "<<: *a\n", "? ", ": ", "- ", "---\n", "...\n", "%YAML 1.1\n---\n", "%YAML 9.9\n---\n",
    "%TAG ! x\n---\n", "!!", "!", "|\n", ">\n", "\t", " ", "\n", "\r", "#", "\0", "\ufeff", "\u2028", "\x85", "${",
    "}", "[", "]", "{", "}", ",", "'", '"', "\\", "\U000e0001",
)  # fmt: skip
BEGINNINGS: Final = ("", "0x", '"', "'", "|2\n", "!!int ", "&", "*", "!", "#", "!!binary ")
DEPTH_MAX: Final = 2_000
"""Deeper than anything is read; the library needs a second for 30,000 brackets."""
PIECES: Final = (
    "x", "x ", "${a:-", "${a:-}", "${", "\\", "9", "1:1", "\n\n", "# ", "é", "{keys}", "''", "\\n", "0x", "_",
    "\u2028", "\U0001f600", "(",
)  # fmt: skip
"""What long scalars are made of."""
NAMES: Final = "abcdefghijklmnopqrstuvwxyz"


def damaged_text(rng: Random, text: str, other: str) -> bytes:
    """The text with one to four things wrong in its lines, its tokens or its bytes."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        text = _damaged(rng, text, other)
    data = text.encode("utf-8", "replace")
    if one_in(rng, 8):
        return often_damaged(rng, data, other.encode())
    if one_in(rng, 100):
        return text.encode(rng.choice(("utf-16", "utf-8-sig", "utf-32", "utf-7")), "replace")
    return data


def _damaged(rng: Random, text: str, other: str) -> str:
    lines = text.splitlines(keepends=True) or ["\n"]
    at = rng.randrange(len(lines))
    match rng.randrange(8):
        case 0:
            return "".join(lines[:at] + lines[at + 1 :])
        case 1:
            return "".join([*lines[:at], lines[at], *lines[at:]])
        case 2:
            rng.shuffle(lines)
            return "".join(lines)
        case 3:
            return "".join([*lines[:at], rng.choice((" ", "  ", "- ", "\t", "? ")) + lines[at], *lines[at + 1 :]])
        case 4:
            begin = rng.randrange(len(other) + 1)
            return "".join(lines[: at + 1]) + other[begin : begin + 100] + "".join(lines[at + 1 :])
        case 5:
            head, colon, _ = lines[at].partition(": ")
            return "".join([*lines[:at], f"{head}{colon}{rng.choice(ODD)}\n", *lines[at + 1 :]])
        case _:
            where = rng.randrange(len(text) + 1)
            return text[:where] + rng.choice(TOKENS) + text[where + rng.choice((0, 0, 1)) :]


# --- more than it looks


def bomb(rng: Random, head: str, key: str) -> bytes:
    """A valid beginning, then a key whose value is small to write and large, deep, endless or slow to read.

    `head` may end in the middle of a mapping, behind the indentation of its next key.
    """
    size = int(2 ** rng.uniform(0, 12))
    if one_in(rng, 12):
        size *= 16
    return (head + rng.choice(BOMBS)(rng, key, size)).encode()[: LARGE_BYTES + 1]


def _laughs(rng: Random, key: str, size: int) -> str:
    """Lists, mappings or merges of aliases of the same, to a power."""
    width = rng.choice((2, 9))
    levels = max(1, min(len(NAMES), size.bit_length() * 2))
    lines = [f"{NAMES[0]}0: &{NAMES[0]} {{k: v}}"]
    style = rng.randrange(4)
    for before, name in pairwise(NAMES[:levels]):
        aliases = ", ".join([f"*{before}"] * width)
        inside = (
            f"[{aliases}]",
            "{" + ", ".join(f"{each}: *{before}" for each in NAMES[:width]) + "}",
            f"{{<<: [{aliases}], {name}1: 1}}",
            f"[{{<<: *{before}, {name}: 1}}, *{before}]",
        )[style]
        lines.append(f"{name}0: &{name} {inside}")
    last = NAMES[levels - 1]
    return "\n".join([*lines, f"? *{last}\n: x" if one_in(rng, 4) else f"{key}: *{last}"])


def _nested(rng: Random, key: str, size: int) -> str:
    opening, closing = rng.choice(
        (("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("[[", "]]"), ("{not: ", "}"), ("!!set {", "}"))
    )
    middle = rng.choice(("", "x", "*a", "{}"))
    # Between the depth that every reader takes and the depth that none does.
    size = min(size, DEPTH_MAX) if one_in(rng, 3) else rng.randint(100, 300)
    if opening in ("- ", "? "):
        return f"{key}:\n {opening * size}{middle}"
    return f"{key}: &a {opening * size}{middle}{closing * rng.choice((size, size, size - 1, 0))}"


def _wide(rng: Random, key: str, size: int) -> str:
    piece = rng.choice(("a,", "1,", "[],", "{},", "a: 1,", "&a 1,", "*x,", "'x',", "2001-01-01,", "? ,"))
    return f"{key}: {rng.choice('[{')}{piece * size}"


def _many_keys(rng: Random, key: str, size: int) -> str:
    place = rng.choice(("", f"{key}: "))
    pairs = [f"{rng.choice(('k', '', 'turn_taking', '$'))}{number}" for number in range(size)]
    return place + "{" + ", ".join(pairs) + "}" if place else "\n".join(f"{pair}:" for pair in pairs)


def _long(rng: Random, key: str, size: int) -> str:
    return f"{key}: {rng.choice(BEGINNINGS)}{rng.choice(PIECES) * size * 4}"


def _endless(rng: Random, key: str, size: int) -> str:
    del size
    inside = rng.choice(
        ("[*a]", "{a: *a}", "{<<: *a}", "{? *a : 1}", "[{b: [*a]}]", "!!set {*a}", "{<<: [*a, *a]}", "!!omap [a: *a]")
    )
    return f"{key}: &a {inside}"


BOMBS: Final = (_laughs, _laughs, _nested, _wide, _many_keys, _long, _long, _endless)
