"""A call in this process: the same host a server has, for one edge and one inference node."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from voice_operations.operator_error import OperatorError
from voice_operations.security import ClientSecurity
from voice_orchestrator.profiles.loader import LoadedProfile
from voice_orchestrator.runtime.clock import SessionClock, new_session_id
from voice_orchestrator.runtime.edge_pair import edge_pair
from voice_orchestrator.runtime.grpc_inference import GrpcConnector
from voice_orchestrator.runtime.session_runtime import SessionOutcome
from voice_orchestrator.service.call_folder import CallFolder, FolderKeeper
from voice_orchestrator.service.call_host import CallHost, IncomingCall
from voice_orchestrator.service.directory import NodeInfo

LOCAL_PEER = "this process"


class OneNode:
    """Implements Connectors: the node was looked at before the call."""

    def __init__(self, address: str, security: ClientSecurity) -> None:
        self._address = address
        self._security = security

    @property
    def placed(self) -> int:
        """See Connectors."""
        return 0

    def connector(self, clock: SessionClock) -> GrpcConnector:
        """See Connectors."""
        return GrpcConnector(self._address, clock, self._security)

    def room(self) -> int:
        """See Connectors."""
        return 1

    def nodes(self) -> tuple[NodeInfo, ...]:
        """See Connectors."""
        return (NodeInfo(address=self._address, healthy=True, sessions=0, free_slots=None),)


class LocalCall:
    """One call of `profile` through the node at `inference`, kept in a folder of its own under `out`."""

    def __init__(self, profile: LoadedProfile, inference: str, security: ClientSecurity, out: Path) -> None:
        self.clock = SessionClock()
        self._session_id = new_session_id()
        self._keeper = FolderKeeper(out)
        self._host = CallHost(
            {profile.name: profile}, OneNode(inference, security), self._keeper, slots=1, slots_per_peer=1
        )
        self._session_end, self.edge = edge_pair(self._session_id, self.clock.monotonic_us)

    def end(self) -> None:
        """Ends the call politely."""
        self._host.hang_up(self._session_id)

    async def make(self, edge: Coroutine[Any, Any, object]) -> tuple[SessionOutcome, CallFolder]:
        """Makes the call with what `edge` does at its end; gives how it ended and what is kept of it.

        Raises OSError when there is no place for the folder.
        """
        call = IncomingCall(edge=self._session_end, session_id=self._session_id, peer=LOCAL_PEER, clock=self.clock)
        async with asyncio.TaskGroup() as group:
            hosting = group.create_task(self._host.host(call), name="session")
            group.create_task(edge, name="edge")
        outcome, folder = hosting.result().outcome, self._keeper.begun
        if outcome is None or folder is None:
            raise self._keeper.error or OperatorError("the call was over before it began")
        return outcome, folder
