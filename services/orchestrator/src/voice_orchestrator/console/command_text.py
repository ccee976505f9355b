"""Commands of the session core as a person reads them, and how two lists of them differ."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

VALUE_CHARS_MAX: Final = 60
FIELDS_SHOWN_MAX: Final = 8
CONTEXT_CHARS: Final = 12
"""Characters that are shown before the place where two long texts begin to differ."""


def command_text(plain: Mapping[str, Any]) -> str:
    """One line: what is commanded, of which run, with what."""
    fields = [f"{path}={_shortened(value)}" for path, value in _fields(plain)]
    left_out = len(fields) - FIELDS_SHOWN_MAX
    more = [f"and {left_out} more"] if left_out > 0 else []
    return " ".join([command_name(plain), *fields[:FIELDS_SHOWN_MAX], *more])


def command_name(plain: Mapping[str, Any]) -> str:
    """The command, and the message inside it."""
    names = [str(plain["is"])]
    if isinstance(message := plain.get("message"), Mapping):
        names.append(str(message["is"]))
    if plain.get("run_id"):
        names.append(f"run {plain['run_id']}")
    return " ".join(names)


def difference_lines(recorded: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines: "-" only recorded, "+" only now, "~" the same command with other values, "=" the same."""
    before, after = [command_name(each) for each in recorded], [command_name(each) for each in now]
    lines: list[str] = []
    for tag, first, until, other_first, other_until in SequenceMatcher(None, before, after, False).get_opcodes():
        if tag == "equal":
            pairs = zip(recorded[first:until], now[other_first:other_until], strict=True)
            lines += [line for one, other in pairs for line in _compared(one, other)]
        else:
            lines += [f"- {command_text(each)}" for each in recorded[first:until]]
            lines += [f"+ {command_text(each)}" for each in now[other_first:other_until]]
    return lines


def _compared(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    was, becomes = dict(_fields(recorded)), dict(_fields(now))
    if was == becomes:
        return [f"= {command_name(recorded)}"]
    changed = [path for path in (was | becomes) if was.get(path) != becomes.get(path)]
    lines = [f"~ {command_name(recorded)}"]
    for path in changed[:FIELDS_SHOWN_MAX]:
        one, other = _around_difference(str(was.get(path, "-")), str(becomes.get(path, "-")))
        lines.append(f"    {path}: {one} → {other}")
    if len(changed) > FIELDS_SHOWN_MAX:
        lines.append(f"    and {len(changed) - FIELDS_SHOWN_MAX} more")
    return lines


def _fields(plain: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every plain value of a command by its path, without what its name says already."""
    for key, value in plain.items():
        if key == "message" and isinstance(value, Mapping):
            yield from _fields(value)
        elif key not in ("is", "run_id"):
            yield from _leaves(key, value)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(f"{path}[{index}]", inner)
    elif value is not None and value != "":
        yield path, value


def _around_difference(one: str, other: str) -> tuple[str, str]:
    """Both texts from shortly before the place where they differ."""
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = max(0, same - CONTEXT_CHARS)
    lead = "…" if start else ""
    return f"{lead}{_shortened(one[start:])}", f"{lead}{_shortened(other[start:])}"


def _shortened(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[:VALUE_CHARS_MAX]}…"
