"""The orchestrator as `serve` runs it, on real sockets, with its operators' side."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from support.eventually import eventually
from support.served_orchestrator import plain_profile

from voice_operations.security import ClientSecurity, ServerSecurity
from voice_orchestrator.records.limits import RecordLimits
from voice_orchestrator.records.store import RecordStore
from voice_orchestrator.service.server import Service, ServiceSettings
from voice_orchestrator.traces.endpoint import parse_endpoint


@dataclass(slots=True, kw_only=True)
class Running:
    """A service that runs; `ask` is its REST."""

    edges: str
    ask: httpx.AsyncClient
    stop: asyncio.Event

    async def samples(self) -> dict[tuple[str, ...], float]:
        """What /metrics shows, by name and the values of labels in the order of the labels' names."""
        text = (await self.ask.get("/metrics")).text
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@asynccontextmanager
async def running_service(
    folder: Path, node: str, *, sessions: int = 4, drain_s: float = 0.0, traces: str | None = None
) -> AsyncIterator[Running]:
    """The whole service for the length of the block; it is drained at the end and everything of it is gone after."""
    ready, stop = folder / "ready.json", asyncio.Event()
    settings = ServiceSettings(
        listen="127.0.0.1:0",
        http="127.0.0.1:0",
        inference=(node,),
        sessions=sessions,
        sessions_per_peer=sessions,
        drain_s=drain_s,
        ready_file=ready,
        traces=parse_endpoint(traces) if traces else None,
    )
    store = RecordStore(folder / "data", RecordLimits())
    profiles = {"plain": plain_profile(folder)}
    service = Service(settings, profiles, store, ServerSecurity(), ClientSecurity(), lambda line: None)
    async with asyncio.TaskGroup() as group:
        group.create_task(service.run(stop))
        await eventually(lambda: ready.exists() and service.host.accepting)
        at = json.loads(ready.read_text(encoding="utf-8"))
        try:
            async with httpx.AsyncClient(base_url=f"http://{at['http']}", trust_env=False) as ask:
                yield Running(edges=at["grpc"], ask=ask, stop=stop)
        finally:
            stop.set()
