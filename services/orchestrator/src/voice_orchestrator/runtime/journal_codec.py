"""Events, commands and policies as JSON, so that equal values give equal bytes."""

import json
from typing import Any

from cattrs.preconf.json import make_converter
from cattrs.strategies import configure_tagged_union

from voice_orchestrator.session.commands import Command, EdgeMessage, InferenceMessage
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.policy import SessionPolicy

_converter = make_converter(forbid_extra_keys=True)
for _union in (InferenceMessage, EdgeMessage, Command, SessionEvent):
    configure_tagged_union(_union, _converter, tag_name="is")


def canonical(value: object) -> str:
    """JSON of already plain data: sorted keys, no spaces, no escapes of letters."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def event_to_plain(event: SessionEvent) -> Any:  # noqa: ANN401 - JSON
    """Plain data of an event."""
    return _converter.unstructure(event, unstructure_as=SessionEvent)


def event_from_plain(plain: Any) -> SessionEvent:  # noqa: ANN401
    """The event of plain data; raises ValueError when it is none."""
    event: SessionEvent = _structure(plain, SessionEvent)
    return event


def commands_to_plain(commands: tuple[Command, ...]) -> Any:  # noqa: ANN401
    """Plain data of commands, in order."""
    return [_converter.unstructure(command, unstructure_as=Command) for command in commands]


def policy_to_plain(policy: SessionPolicy) -> Any:  # noqa: ANN401
    """Plain data of a policy."""
    return _converter.unstructure(policy)


def policy_from_plain(plain: Any) -> SessionPolicy:  # noqa: ANN401
    """The policy of plain data; raises ValueError when it is none."""
    policy: SessionPolicy = _structure(plain, SessionPolicy)
    return policy


def _structure(plain: Any, kind: Any) -> Any:  # noqa: ANN401
    try:
        return _converter.structure(plain, kind)
    except Exception as error:  # cattrs raises groups of many kinds, KeyError for a tag among them
        raise ValueError(f"not a valid entry ({type(error).__name__})") from error
