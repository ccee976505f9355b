"""The inference nodes an orchestrator knows: which are there, how much room they have, whose turn it is.

A node is asked for its description all the time; one that does not answer, or whose stream was lost, is not chosen
until it answers again. A name that resolves to several addresses stands for as many nodes.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from voice_contract.failures import FailureReason
from voice_contract.messages import Event, NodeDescription, Payload, SessionClose, SessionConfigure
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import InferenceStream, StreamLostError

LOOK_EVERY_S: Final = 0.5
LOOK_DEADLINE_S: Final = 1.0
SILENCES_MAX: Final = 2
RESOLVE_EVERY_S: Final = 5.0
OPEN_DEADLINE_S: Final = 3.0
OPEN_DEADLINE_AMONG_SEVERAL_S: Final = 0.6
"""With another node to ask, a silent one is not waited for."""

Describe = Callable[[str, float], Awaitable[NodeDescription]]
OpenStream = Callable[[str, str, SessionConfigure, SessionClock, float], Awaitable[InferenceStream]]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Node:
    """One node as it was last seen. `sessions`: those of this orchestrator; `description` None: it never answered."""

    address: str
    healthy: bool = False
    description: NodeDescription | None = None
    sessions: int = 0
    looks: int = 0
    placed_since_look: int = 0
    silences: int = 0

    @property
    def free_slots(self) -> int:
        """Sessions it takes, those counted that were placed after it was asked."""
        if not self.healthy or self.description is None:
            return 0
        return max(0, self.description.free_session_slots - self.placed_since_look)


class NodePool:
    """`run` looks after the nodes until it is cancelled."""

    def __init__(self, addresses: Sequence[str], describe: Describe, open_stream: OpenStream) -> None:
        self._names = tuple(addresses)
        self._describe = describe
        self._open_stream = open_stream
        self._nodes: dict[str, Node] = {}
        self._last_chosen = ""
        self._looked: asyncio.Event | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, by address."""
        return tuple(self._nodes[address] for address in sorted(self._nodes))

    @property
    def placed(self) -> int:
        """Sessions of this orchestrator that have a node."""
        return sum(node.sessions for node in self._nodes.values())

    def room(self) -> int | None:
        """Sessions the nodes take in all; None when none of them is there."""
        healthy = [node for node in self._nodes.values() if node.healthy]
        return sum(node.free_slots for node in healthy) if healthy else None

    # --- looking after them

    async def run(self) -> None:
        """Resolves names and looks at every node until it is cancelled."""
        while True:
            await self._resolve()
            for _ in range(max(1, round(RESOLVE_EVERY_S / LOOK_EVERY_S))):
                await self.look()
                await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Asks every node once, side by side; who comes while they are being asked waits for the same answers."""
        if self._looked is not None:
            await self._looked.wait()
            return
        self._looked = asyncio.Event()
        try:
            if not self._nodes:
                await self._resolve()
            await asyncio.gather(*(self._look_at(node) for node in tuple(self._nodes.values())))
        finally:
            self._looked.set()
            self._looked = None

    async def _look_at(self, node: Node) -> None:
        placed_before = node.placed_since_look
        node.looks += 1
        try:
            node.description = await self._describe(node.address, LOOK_DEADLINE_S)
        except StreamLostError as error:
            node.silences += 1
            # A busy node may be late once; its sessions' heartbeats tell sooner whether it is dead.
            gone = error.reason is not FailureReason.PEER_SILENT or node.silences >= SILENCES_MAX
            if node.healthy and gone:
                log.warning("node_gone", node=node.address, detail=error.detail)
            node.healthy &= not gone
            return
        node.silences = 0
        node.placed_since_look -= placed_before
        if node.description.ready and not node.healthy:
            log.info("node_there", node=node.address, slots=node.description.session_slots)
        node.healthy = node.description.ready

    async def _resolve(self) -> None:
        found: list[str] = []
        for name in self._names:
            found += await _addresses_of(name)
        for address in found:
            self._nodes.setdefault(address, Node(address))
        for address in [known for known, node in self._nodes.items() if known not in found and not node.sessions]:
            del self._nodes[address]

    # --- choosing one

    def _candidates(self) -> list[Node]:
        """Healthy nodes with room, the emptiest share first; equal ones take turns."""
        order = sorted(self._nodes)
        after = order.index(self._last_chosen) + 1 if self._last_chosen in order else 0
        turns = {address: place for place, address in enumerate(order[after:] + order[:after])}
        able = [node for node in self._nodes.values() if node.free_slots > 0]
        return sorted(able, key=lambda node: (_load(node), turns[node.address]))

    async def open(self, session_id: str, configure: SessionConfigure, clock: SessionClock) -> InferenceStream:
        """A stream to the node whose turn it is, or to the next that takes the session; raises StreamLostError."""
        candidates = self._candidates()
        if not candidates:
            await self.look()
            candidates = self._candidates()
        if not candidates:
            raise self._nobody()
        deadline_s = OPEN_DEADLINE_AMONG_SEVERAL_S if len(candidates) > 1 else OPEN_DEADLINE_S
        lost: StreamLostError | None = None
        for node in candidates:
            node.placed_since_look += 1
            node.sessions += 1
            looks = node.looks
            self._last_chosen = node.address
            try:
                stream = await self._open_stream(node.address, session_id, configure, clock, deadline_s)
                return PooledStream(stream, node, looks)
            except StreamLostError as error:
                lost = error
                node.sessions -= 1
                if error.reason is not FailureReason.CAPACITY_EXHAUSTED:
                    node.healthy = False
                log.info("node_refused", node=node.address, reason=error.reason.value, detail=error.detail)
            except BaseException:
                node.sessions -= 1
                raise
        assert lost is not None, "there was a candidate"
        raise lost

    def _nobody(self) -> StreamLostError:
        if any(node.healthy for node in self._nodes.values()):
            return StreamLostError(FailureReason.CAPACITY_EXHAUSTED, "the inference nodes have no free session slots")
        return StreamLostError(FailureReason.INFERENCE_LOST, f"no inference node at {', '.join(self._names)}")


def _load(node: Node) -> float:
    """The share of its slots that is taken, in steps of a tenth: finer differences are noise of when it was asked."""
    slots = node.description.session_slots if node.description else 0
    return round(1 - node.free_slots / max(1, slots), 1)


class PooledStream:
    """Implements InferenceStream; a node whose stream ends without a farewell is not chosen until it answers again."""

    def __init__(self, stream: InferenceStream, node: Node, looks: int) -> None:
        """`looks`: how often the node had been asked when the session was placed on it."""
        self._stream = stream
        self._node = node
        self._looks = looks
        self._parted = False
        self._closed = False
        self.ready = stream.ready
        self.address = node.address

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        """See InferenceStream."""
        self._parted |= isinstance(payload, SessionClose)
        await self._stream.send(payload, run_id)

    async def receive(self) -> Event:
        """See InferenceStream."""
        return await self._stream.receive()

    async def close(self) -> None:
        """See InferenceStream."""
        if not self._closed:
            self._closed = True
            self._node.sessions -= 1
            if self._looks == self._node.looks:
                # It came and went between two answers of the node, neither of which counted it.
                self._node.placed_since_look -= 1
            # A session that ends before it could say farewell is cancelled: nothing is wrong with its node.
            task = asyncio.current_task()
            self._node.healthy &= self._parted or (task is not None and task.cancelling() > 0)
        await self._stream.close()


class PooledConnector:
    """Implements InferenceConnector for one session."""

    def __init__(self, pool: NodePool, clock: SessionClock) -> None:
        self._pool = pool
        self._clock = clock

    async def open(self, session_id: str, configure: SessionConfigure) -> InferenceStream:
        """See InferenceConnector."""
        return await self._pool.open(session_id, configure, self._clock)


async def _addresses_of(name: str) -> list[str]:
    """NAME/HOST:PORT of every address of a name; the name itself when it has one, is one, or cannot be resolved."""
    host, _, port = name.rpartition(":")
    bare = host.strip("[]")
    if _is_address(bare) or bare == "localhost":
        return [name]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(bare, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        log.warning("name_not_resolved", name=bare, detail=str(error))
        return [name]
    hosts = {str(address[0]) for *_, address in found}
    if len(hosts) == 1:
        # One node: its name stays, which certificates are checked against.
        return [name]
    return [f"{bare}/[{host}]:{port}" if ":" in host else f"{bare}/{host}:{port}" for host in sorted(hosts)]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
