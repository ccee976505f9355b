"""What schedules must have reached between them, so that a simulator that goes blind is noticed."""

import typing
from typing import Any, Final

from voice_contract.messages import BargeInCause, BargeInOutcome, Phase
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.phases import PHASE_EDGES

EVENTS: Final[tuple[type[Any], ...]] = typing.get_args(e.SessionEvent)
COMMANDS: Final[tuple[type[Any], ...]] = typing.get_args(c.Command)
NOT_IN: Final = frozenset({(e.InferenceReady, Phase.CREATED), (e.InferenceLost, Phase.CREATED)})


def missing(seen: set[Any]) -> list[str]:
    """Names of what was not reached."""
    kinds = {item[0] for item in seen if isinstance(item, tuple) and isinstance(item[0], type)}
    lacking = [kind.__name__ for kind in EVENTS if kind not in kinds]
    lacking += [kind.__name__ for kind in COMMANDS if kind not in seen]
    causes = {item[1] for item in seen if isinstance(item, tuple) and isinstance(item[0], BargeInOutcome)}
    lacking += [cause.name for cause in BargeInCause if cause not in causes]
    for before, following in PHASE_EDGES.items():
        lacking += [
            f"{before.name} to {after.name}"
            for after in sorted(following, key=lambda phase: phase.value)
            if (before, after) not in seen and not _passed(seen, before, after)
        ]
    return lacking


def _passed(seen: set[Any], before: Phase, after: Phase) -> bool:
    """Whether the edge was passed inside one step: a step may go through several phases."""
    return ("edge", before, after) in seen


def table(seen: set[Any]) -> str:
    """Event types by the phases they met."""
    lines = [f"{'event':22}" + "".join(f"{phase.name:>12}" for phase in Phase)]
    for kind in EVENTS:
        cells = "".join(f"{'x' if (kind, phase.value) in seen else '-':>12}" for phase in Phase)
        lines.append(f"{kind.__name__:22}{cells}")
    ignored = sorted(item for item in seen if isinstance(item, str))
    lines.append(f"ignored as: {', '.join(ignored)}")
    return "\n".join(lines)
