"""The real orchestrator service on a real socket, over whatever inference nodes a test has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from voice_contract import messages as m
from voice_contract.messages import AudioEncoding, AudioFormat, Event, Payload
from voice_operations.grpc_guard import GrpcGuard
from voice_operations.security import ClientSecurity
from voice_orchestrator.edges.edge_client import edge_client
from voice_orchestrator.profiles.loader import LoadedProfile, load_profile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.edge_stream import EdgeStream
from voice_orchestrator.runtime.grpc_inference import describe, open_stream
from voice_orchestrator.runtime.node_pool import NodePool, PooledConnector
from voice_orchestrator.runtime.ports import EdgeGoneError
from voice_orchestrator.service.call_folder import FolderKeeper
from voice_orchestrator.service.call_host import CallHost
from voice_orchestrator.service.edge_server import EdgeServer
from voice_orchestrator.service.edge_servicer import EdgeServicer
from voice_orchestrator.service.inference_nodes import InferenceNodes
from voice_orchestrator.service.prepared_lines import LinePreparer

P = TypeVar("P")

PROFILE = """
system_prompt: You are a test.
greeting: Hello there.
turn_taking:
  min_delay_ms: 100
  max_delay_ms: 200
"""


def plain_profile(folder: Path, text: str = PROFILE) -> LoadedProfile:
    path = folder / "plain.yaml"
    path.write_text(text, encoding="utf-8")
    return load_profile(path)


@dataclass(slots=True, kw_only=True)
class ServedOrchestrator:
    """An orchestrator that listens."""

    address: str
    host: CallHost
    pool: NodePool
    server: EdgeServer
    data: Path
    preparer: LinePreparer


@asynccontextmanager
async def served_orchestrator(
    folder: Path, nodes: tuple[str, ...], *, slots: int = 4, slots_per_peer: int = 4, profile: str = PROFILE
) -> AsyncIterator[ServedOrchestrator]:
    """An orchestrator for the length of the block, with the profile `plain`; everything of it is gone after."""
    pool, data = NodePool(nodes, describe, open_stream), folder / "data"
    loaded = plain_profile(folder, profile)
    preparer = LinePreparer({"plain": policy_of(loaded.profile)}, PooledConnector(pool, SessionClock()))
    host = CallHost(
        {"plain": loaded},
        InferenceNodes(pool),
        FolderKeeper(data),
        slots=slots,
        slots_per_peer=slots_per_peer,
        lines=preparer.shelf,
    )
    await pool.look()
    if pool.room():
        await preparer.run()
    async with asyncio.TaskGroup() as group:
        server = EdgeServer("127.0.0.1:0", EdgeServicer(host, group), GrpcGuard.open())
        port = await server.start()
        looking = group.create_task(pool.run())
        try:
            yield ServedOrchestrator(
                address=f"127.0.0.1:{port}", host=host, pool=pool, server=server, data=data, preparer=preparer
            )
        finally:
            looking.cancel()
            await host.drain(0.0)
            await server.stop()


@dataclass(slots=True)
class Caller:
    """An edge's end of a call, for tests: keeps what it is sent and can send sound in real time."""

    stream: EdgeStream
    format: AudioFormat = field(default_factory=AudioFormat)
    seen: list[Event] = field(default_factory=list)
    sent_samples: int = 0
    _arrived: "asyncio.Queue[Event | EdgeGoneError]" = field(default_factory=lambda: asyncio.Queue(10_000))

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        await self.stream.send(payload, run_id)

    async def listen(self) -> None:
        """Reads as an edge does, whatever the test is doing, until the stream ends."""
        try:
            while True:
                self._arrived.put_nowait(await self.stream.receive())
        except EdgeGoneError as error:
            self._arrived.put_nowait(error)

    async def until(self, kind: type[P], timeout_s: float = 20.0) -> tuple[P, int]:
        """The next payload of `kind` and its run id; raises EdgeGoneError when the stream ends before it."""
        async with asyncio.timeout(timeout_s):
            while True:
                event = await self._arrived.get()
                if isinstance(event, EdgeGoneError):
                    raise event
                self.seen.append(event)
                if isinstance(event.payload, kind):
                    return event.payload, event.run_id

    def all(self, kind: type[P]) -> list[P]:
        return [event.payload for event in self.seen if isinstance(event.payload, kind)]

    async def speak(self, seconds: float, *, loud: bool = True) -> None:
        """Sends caller sound at the pace at which it is spoken."""
        samples = self.format.sample_rate_hz // 50
        if self.format.encoding is AudioEncoding.S16LE:
            pcm = (6_000 if loud else 0).to_bytes(2, "little", signed=True) * samples
        else:
            pcm = (b"\x80" if loud else b"\xff") * samples
        for _ in range(int(seconds * 50)):
            await self.send(m.Audio(pcm=pcm, offset_samples=self.sent_samples))
            self.sent_samples += samples
            await asyncio.sleep(0.02)


@asynccontextmanager
async def caller_of(
    address: str, *, profile: str = "plain", format_: AudioFormat | None = None, opens: bool = True
) -> AsyncIterator[Caller]:
    """A caller who has asked for a call in the 16 kHz format unless another is given."""
    wanted = format_ or AudioFormat()
    async with (
        edge_client(address, ClientSecurity(), SessionClock().monotonic_us) as stream,
        asyncio.TaskGroup() as group,
    ):
        caller = Caller(stream, wanted)
        tasks = [group.create_task(stream.beat()), group.create_task(caller.listen())]
        try:
            if opens:
                await stream.send(m.CallOpen(profile=profile, caller_format=wanted, agent_format=wanted))
            yield caller
        finally:
            for task in tasks:
                task.cancel()
