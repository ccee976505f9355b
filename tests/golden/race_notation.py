"""A session as text a person can read: what happened when, and under it the exact commands.

    at_ms  Event field=value ...
             receiver  Command run=1 field=value ...

A field that holds its default is left out, and so is what the policy alone decides and no event can change: the model's
sampling, the formats and VAD settings of a connection, the system text.
"""

import json
from dataclasses import MISSING, fields
from enum import Enum
from typing import Any

from support.session_script import Script

from voice_contract.messages import ChatMessage, ChatRole, Generate, PhaseChanged, PrimePrompt, SessionConfigure
from voice_orchestrator.session import commands as c
from voice_orchestrator.session.reducer import Transition

OF_THE_POLICY = {"max_tokens", "temperature", "top_p", "seed", "stop", "tools", "speaking_rate"}
WIDTH = 11


class Story(Script):
    """A script with remarks between its events."""

    def __init__(self, *args: Any, title: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = title
        self.remarks: list[tuple[int, str]] = []

    def tell(self, remark: str) -> "Story":
        """Says what the next events are about."""
        self.remarks.append((len(self.log), remark))
        return self


def told(story: Story) -> str:
    """The whole story, with what is remembered at its end."""
    lines = [story.title, ""] if story.title else []
    for index, (event, transition) in enumerate(story.log):
        lines += [f"  # {remark}" for at, remark in story.remarks if at == index]
        lines.append(f"{event.at_ms:>6}  {_plain(event, {'at_ms'})}{_why_ignored(transition)}")
        lines += [f"{'':10}{_command(command)}" for command in transition.commands]
    lines += [f"  # {remark}" for at, remark in story.remarks if at == len(story.log)]
    lines += ["", f"phase    {story.state.phase.value}", "history"]
    for said in story.state.history:
        mark = "  (interrupted)" if said.interrupted else ""
        lines.append(f"{'':10}{_message(said)}{mark}")
    return "\n".join(lines) + "\n"


def _why_ignored(transition: Transition) -> str:
    return f"  (ignored: {transition.ignored})" if transition.ignored else ""


def _command(command: c.Command) -> str:
    if not isinstance(command, c.ToInference | c.ToEdge):
        return f"{'runtime':{WIDTH}}{_plain(command, set())}"
    receiver = "inference" if isinstance(command, c.ToInference) else "edge"
    run = f" run={command.run_id}" if command.run_id else ""
    name, *rest = _plain(command.message, set()).split(" ", 1)
    return f"{receiver:{WIDTH}}{name}{run}{''.join(f' {part}' for part in rest)}"


def _plain(value: Any, without: set[str]) -> str:
    parts = [type(value).__name__]
    if isinstance(value, PhaseChanged):
        return f"{parts[0]} {value.from_phase.value} > {value.to_phase.value}"
    if isinstance(value, Generate | PrimePrompt):
        parts += [_message(message) for message in value.messages if message.role is not ChatRole.SYSTEM]
        without = without | {"messages"} | OF_THE_POLICY
        if isinstance(value, Generate) and value.tools:
            parts.append(f"tools={','.join(tool.name for tool in value.tools)}")
    for field in fields(value):
        item = getattr(value, field.name)
        default = field.default if field.default is not MISSING else None
        if field.name in without | {"speaking_rate", "timing"} or item == () or (item == default and item is not True):
            continue
        parts.append(_field(field.name, item))
    return " ".join(parts)


def _field(name: str, item: Any) -> str:
    if isinstance(item, bool):
        return name if item else f"{name}=no"
    if isinstance(item, SessionConfigure):
        return f"hears={_yes(item.caller_format)} speaks={_yes(item.agent_format)}"
    return f"{name.removesuffix('_id')}={_item(item)}"


def _item(item: Any) -> str:
    if isinstance(item, Enum):
        return str(item.value)
    if isinstance(item, str):
        return json.dumps(item, ensure_ascii=False)
    if isinstance(item, int | float | tuple):
        return str(item)
    return f"({_plain(item, set())})"


def _message(message: ChatMessage | Any) -> str:
    asks = f" {message.tool_name}{message.tool_arguments}" if message.tool_arguments else ""
    of = f"[{message.tool_call_id}{asks}]" if message.tool_call_id else ""
    return f"{message.role.value}{of}: {json.dumps(message.text, ensure_ascii=False)}"


def _yes(item: object) -> str:
    return "no" if item is None else "yes"
