"""Events and commands of a journal as short lines of a list."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from voice_orchestrator.runtime.journal_codec import commands_to_plain, event_to_plain
from voice_orchestrator.runtime.replay import ReplayStep

TEXT_CHARS_MAX: Final = 240
VALUE_CHARS_MAX: Final = 120
COMMANDS_MAX: Final = 16
TOLD_ELSEWHERE: Final = frozenset({"is", "at_ms", "run_id", "message", "text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event: when, what, of which run (0: none), what it says, what it made the core command.

    ignored: why it did nothing. phase: where the session stands after it.
    """

    at_ms: int
    kind: str
    run_id: int
    text: str
    commands: tuple[str, ...]
    ignored: str | None
    phase: str


def event_row(step: ReplayStep) -> EventRow:
    """The row of a step; texts are cut, a page of a long call has tens of thousands."""
    plain = event_to_plain(step.event)
    commands = [_command_text(command) for command in commands_to_plain(step.transition.commands)]
    if len(commands) > COMMANDS_MAX:
        commands = [*commands[:COMMANDS_MAX], f"and {len(commands) - COMMANDS_MAX} more"]
    return EventRow(
        at_ms=step.event.at_ms,
        kind=plain["is"],
        run_id=plain.get("run_id", 0),
        text=_values(plain),
        commands=tuple(commands),
        ignored=step.transition.ignored,
        phase=step.transition.state.phase.value,
    )


def _command_text(plain: Mapping[str, Any]) -> str:
    """What is commanded, to whom, of which run, with what."""
    message = plain.get("message")
    if not isinstance(message, Mapping):
        name, values = plain["is"], _values(plain)
    else:
        whom = {"ToEdge": "edge", "ToInference": "node"}[plain["is"]]
        name, values = f"→ {whom}: {message['is']}", _values(message)
    run = f" run {plain['run_id']}" if plain.get("run_id") else ""
    return f"{name}{run} {values}".rstrip()


def _values(plain: Mapping[str, Any]) -> str:
    """What was said or written, then everything else that is not empty, by its path."""
    said = [f"“{_cut(plain['text'], VALUE_CHARS_MAX)}”"] if plain.get("text") else []
    return _cut(" ".join([*said, *_leaves("", plain)]), TEXT_CHARS_MAX)


def _leaves(path: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping) and "total_us" in value:
        yield from [f"took={value['total_us'] / 1_000:.1f}ms"] if value["total_us"] else []
    elif isinstance(value, Mapping):
        for key in sorted(value):
            if path or key not in TOLD_ELSEWHERE:
                yield from _leaves(f"{path}.{key}" if path else key, value[key])
    elif isinstance(value, list) and (len(value) > 3 or any(isinstance(inner, Mapping) for inner in value)):
        yield f"{path}=({len(value)})"
    elif value not in (None, "", 0, False, []):
        shown = ", ".join(map(_leaf, value)) if isinstance(value, list) else _leaf(value)
        yield f"{path}={_cut(' '.join(shown.split()), VALUE_CHARS_MAX)}"


def _leaf(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[:chars_max]}…"
