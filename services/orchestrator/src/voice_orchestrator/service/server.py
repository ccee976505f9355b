"""Composition root of `voice-orchestrator serve`: nodes, host and faces put together, started, drained and stopped."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from voice_operations.addresses import parse_address
from voice_operations.grpc_guard import GrpcGuard
from voice_operations.http_guard import HttpGuard
from voice_operations.security import ClientSecurity, ServerSecurity
from voice_orchestrator import __version__
from voice_orchestrator.profiles.loader import LoadedProfile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.records.store import RecordStore
from voice_orchestrator.reports.json_document import write_json
from voice_orchestrator.runtime.clock import SessionClock, wall_time
from voice_orchestrator.runtime.grpc_inference import describe, open_stream
from voice_orchestrator.runtime.node_pool import NodePool, PooledConnector
from voice_orchestrator.service.call_host import CallHost
from voice_orchestrator.service.edge_server import EdgeServer
from voice_orchestrator.service.edge_servicer import EdgeServicer
from voice_orchestrator.service.http_face import HttpFace
from voice_orchestrator.service.inference_nodes import InferenceNodes
from voice_orchestrator.service.loop_lag import LoopLagSampler
from voice_orchestrator.service.metrics import ServiceMetrics
from voice_orchestrator.service.prepared_lines import LinePreparer
from voice_orchestrator.service.stored_calls import StoreKeeper
from voice_orchestrator.service.trace_counts import count_spans
from voice_orchestrator.traces.endpoint import TraceEndpoint, open_exporter

SWEEP_EVERY_S: Final = 3_600.0
WATCH_EVERY_S: Final = 0.25
"""How often health follows whether calls are taken."""

TRACES_FLUSH_S: Final = 2.0
"""How long the last traces may take to leave when everything else is over."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What the command line says. `traces` None: none are made."""

    listen: str
    http: str
    inference: tuple[str, ...]
    sessions: int
    sessions_per_peer: int
    drain_s: float
    ready_file: Path | None
    traces: TraceEndpoint | None = None


class Service:
    """One orchestrator. `say` is told about progress, for people."""

    def __init__(
        self,
        settings: ServiceSettings,
        profiles: Mapping[str, LoadedProfile],
        store: RecordStore,
        security: ServerSecurity,
        node_security: ClientSecurity,
        say: Callable[[str], None],
    ) -> None:
        """Raises OperatorError when traces are wanted and what they need is not installed."""
        self._settings = settings
        self._say = say
        self._store = store
        self._metrics = ServiceMetrics()
        self._metrics.attach_records(store.stats)
        self._pool = NodePool(
            settings.inference,
            partial(describe, security=node_security),
            partial(open_stream, security=node_security),
        )
        self._traces = None
        if settings.traces is not None:
            self._traces = open_exporter(settings.traces, __version__, count_spans(self._metrics.registry))
        policies = {name: policy_of(loaded.profile) for name, loaded in profiles.items()}
        self._preparer = LinePreparer(policies, PooledConnector(self._pool, SessionClock()))
        self.host = CallHost(
            profiles,
            InferenceNodes(self._pool),
            StoreKeeper(store),
            slots=settings.sessions,
            slots_per_peer=settings.sessions_per_peer,
            lines=self._preparer.shelf,
            metrics=self._metrics,
            traces=self._traces,
        )
        self._security = security
        self._http = HttpFace(
            parse_address(settings.http, listening=True),
            self._metrics,
            self.host,
            HttpGuard(security, self._metrics.peers),
            version=__version__,
            now=wall_time,
        )

    async def run(self, stop: asyncio.Event) -> int:
        """Serves until `stop` is set, then drains; gives how many calls the drain had to end. Raises OSError."""
        async with asyncio.TaskGroup() as calls, asyncio.TaskGroup() as group:
            guard = GrpcGuard(self._security, self._metrics.peers)
            servicer = EdgeServicer(self.host, calls, self._metrics.peer_cut)
            server = EdgeServer(self._settings.listen, servicer, guard)
            http = f"{self._settings.http.rpartition(':')[0]}:{await self._http.start()}"
            address = f"{self._settings.listen.rpartition(':')[0]}:{await server.start()}"
            loop = asyncio.get_running_loop()
            lag = LoopLagSampler(self._metrics.flow.loop_lag.observe, loop.time, asyncio.sleep)
            tasks = [
                group.create_task(self._pool.run(), name="node-pool"),
                group.create_task(self._follow_health(server), name="health"),
                group.create_task(self._preparer.run(), name="prepared-lines"),
                group.create_task(self._sweep(), name="sweep"),
                group.create_task(lag.run(), name="loop-lag"),
            ]
            try:
                nodes = ", ".join(self._settings.inference)
                self._say(f"listening on {address} (operators on {http}), inference at {nodes}")
                self._write_ready_file(address, http)
                await stop.wait()
                return await self._drain(server)
            finally:
                self._remove_ready_file()
                await server.stop()
                await self._http.stop()
                await self._store.close()
                if self._traces is not None:
                    await self._traces.close(TRACES_FLUSH_S)
                for task in tasks:
                    task.cancel()

    async def _follow_health(self, server: EdgeServer) -> None:
        """Ready while calls are taken; a node that is not there yet is waited for."""
        said: bool | None = None
        while True:
            accepting = self.host.accepting
            if accepting is not said:
                await server.set_serving(accepting)
                if said is not None or accepting:
                    self._say("calls are taken" if accepting else "no calls are taken: no inference node is there")
                said = accepting
            await asyncio.sleep(WATCH_EVERY_S)

    async def _sweep(self) -> None:
        """Applies the limits of the records, off the event loop, now and then."""
        while True:
            swept = await asyncio.to_thread(self._store.sweep)
            log.info("records_swept", kept=swept.kept, closed=swept.closed, removed=swept.too_old + swept.too_much)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _drain(self, server: EdgeServer) -> int:
        self.host.admission.draining = True
        await server.set_serving(False)
        running = len(self.host.sessions())
        if running:
            self._say(f"draining: {running} calls may go on for {self._settings.drain_s:g} s")
        return await self.host.drain(self._settings.drain_s)

    def _write_ready_file(self, address: str, http: str) -> None:
        if self._settings.ready_file is not None:
            write_json(self._settings.ready_file, {"grpc": address, "http": http})

    def _remove_ready_file(self) -> None:
        if self._settings.ready_file is not None:
            self._settings.ready_file.unlink(missing_ok=True)
