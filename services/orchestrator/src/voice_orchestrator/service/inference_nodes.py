"""The pool of inference nodes as the service needs it: ways for sessions, room for admission, facts for operators."""

from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.node_pool import NodePool, PooledConnector
from voice_orchestrator.service.directory import NodeInfo


class InferenceNodes:
    """Implements Connectors."""

    def __init__(self, pool: NodePool) -> None:
        self._pool = pool

    @property
    def placed(self) -> int:
        """See Connectors."""
        return self._pool.placed

    def connector(self, clock: SessionClock) -> PooledConnector:
        """See Connectors."""
        return PooledConnector(self._pool, clock)

    def room(self) -> int | None:
        """See Connectors."""
        return self._pool.room()

    def nodes(self) -> tuple[NodeInfo, ...]:
        """See Connectors."""
        return tuple(
            NodeInfo(
                address=node.address,
                healthy=node.healthy,
                sessions=node.sessions,
                free_slots=node.description.free_session_slots if node.description is not None else None,
            )
            for node in self._pool.nodes
        )
