"""The phases of a session and the edges between them; the table LLD.md draws."""

from typing import Final

from voice_contract.messages import Phase

PHASE_EDGES: Final[dict[Phase, frozenset[Phase]]] = {
    Phase.CREATED: frozenset({Phase.CONNECTING, Phase.TERMINATED}),
    Phase.CONNECTING: frozenset({Phase.ACTIVE, Phase.TERMINATED}),
    Phase.ACTIVE: frozenset({Phase.PROCESSING, Phase.RESPONDING, Phase.CONNECTING, Phase.TERMINATED}),
    Phase.PROCESSING: frozenset({Phase.RESPONDING, Phase.ACTIVE, Phase.CONNECTING, Phase.TERMINATED}),
    Phase.RESPONDING: frozenset({Phase.ACTIVE, Phase.CONNECTING, Phase.TERMINATED}),
    Phase.TERMINATED: frozenset(),
}
"""From each phase, the phases that may follow."""


class IllegalPhaseEdgeError(AssertionError):
    """The reducer tried an edge that is not in the table: a defect, never caught inside a session."""


def require_edge(before: Phase, after: Phase) -> None:
    """Raises IllegalPhaseEdgeError unless `after` may follow `before`."""
    if after not in PHASE_EDGES[before]:
        raise IllegalPhaseEdgeError(f"{before.name} may not become {after.name}")
