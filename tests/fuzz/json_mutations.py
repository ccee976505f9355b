"""Damage to JSON: to the tree, and to the text with what no tree can hold."""

import json
from random import Random
from typing import Any, Final

from fuzz.bytes_mutations import INTEGERS, one_in

VALUES: Final[tuple[Any, ...]] = (
    None, True, False, "", "x", "\0", "\x1b[2J", "a\nb", "\u2028", "é", "\ud800", "‮", "1", "nan",
    "2020-01-01T00:00:00", [], {}, [[]], [None], {"": None}, {"is": "Tick"}, {"is": []}, {"is": None}, 0.0, -0.0, 0.5,
    1e308, -1e-320, 2**400,
)  # fmt: skip
RAW: Final = (
    "NaN", "Infinity", "-Infinity", "1e999", "-0", "9" * 5_000, "1" + "0" * 400, "01", "+1", "'x'", '"\\ud800"',
    '"\\udfff\\ud800"', '"\\u0000"', '"\\x"', '"\t"', "[" * 3_000, "[" * 500 + "]" * 500,
    '{"a":' * 500 + "0" + "}" * 500, "{}{}", "", "nul", "/*x*/0", '{"is":"Tick","is":"CallOpened"}',
    '"' + "x" * 5_000 + '"', "0x10", "\ufeff0", "[1,]",
)  # fmt: skip
MARK: Final = "<raw>"


def value(rng: Random) -> Any:
    """Any plain value."""
    return rng.choice(INTEGERS) * rng.choice((1, 1, -1)) if one_in(rng, 3) else rng.choice(VALUES)


def damage_tree(rng: Random, tree: Any) -> Any:
    """`tree` with one thing wrong somewhere inside it."""
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        key = rng.choice(sorted(tree))
        match rng.randrange(12):
            case 0:
                return {name: inner for name, inner in tree.items() if name != key}
            case 1:
                return {**tree, rng.choice(("", "is", "x", "n", "end", key + "_", "__class__")): value(rng)}
            case 2:
                return {(key.upper() if name == key else name): inner for name, inner in tree.items()}
            case 3:
                return {**tree, key: tree[rng.choice(sorted(tree))]}
            case _:
                return {**tree, key: damage_tree(rng, tree[key])}
    if isinstance(tree, list) and tree and rng.random() < 0.9:
        at = rng.randrange(len(tree))
        match rng.randrange(8):
            case 0:
                return tree[:at] + tree[at + 1 :]
            case 1:
                return tree * rng.choice((2, 2, 20))
            case _:
                return [*tree[:at], damage_tree(rng, tree[at]), *tree[at + 1 :]]
    return MARK if one_in(rng, 5) else value(rng)


def text_of(rng: Random, tree: Any) -> str:
    """The tree as JSON; where it was marked stands something that need not be JSON."""
    text = json.dumps(tree, ensure_ascii=one_in(rng, 2), separators=(",", ":"))
    depth = rng.randint(1, 1_200)
    raw = rng.choice((*RAW, "[" * depth + "]" * depth, '{"a":' * depth + "0" + "}" * depth))
    return text.replace(json.dumps(MARK), raw)
