"""`voice-orchestrator serve`: the orchestrator as a process."""

import asyncio
import faulthandler
import os
import signal
from datetime import timedelta
from pathlib import Path

import click
import uvloop

from voice_operations.addresses import parse_address
from voice_operations.command_line import EXIT_INTERRUPTED
from voice_operations.native_memory import limit_arenas
from voice_operations.operator_error import OperatorError
from voice_operations.security import ClientSecurity, ServerSecurity
from voice_operations.security_options import client_security_options, server_security_options
from voice_orchestrator.cli.inference_option import DEFAULT_ADDRESS
from voice_orchestrator.cli.records import data_option
from voice_orchestrator.profiles.loader import LoadedProfile, known_profiles, load_profile
from voice_orchestrator.records.limits import GIB, RecordLimits
from voice_orchestrator.records.store import RecordStore
from voice_orchestrator.service.openapi import DEFAULT_HTTP_ADDRESS
from voice_orchestrator.service.server import Service, ServiceSettings
from voice_orchestrator.traces.endpoint import parse_endpoint


@click.command()
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:50051",
    envvar="VOICE_AGENT_LISTEN",
    show_default=True,
    help="gRPC address for edges; port 0 takes a free one.",
)
@click.option(
    "--http",
    metavar="HOST:PORT",
    default=DEFAULT_HTTP_ADDRESS,
    envvar="VOICE_AGENT_HTTP",
    show_default=True,
    help="Address of /metrics, /healthz, /readyz and the operators' REST.",
)
@click.option(
    "--inference",
    metavar="HOST:PORT[,...]",
    default=DEFAULT_ADDRESS,
    envvar="VOICE_AGENT_INFERENCE",
    show_default=True,
    help="Inference nodes. A name with several addresses stands for as many nodes.",
)
@click.option(
    "--profiles",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="VOICE_AGENT_PROFILES",
    help="Folder of agent profiles.  [default: configs/agent_profiles]",
)
@data_option
@click.option(
    "--max-age-days",
    type=click.IntRange(0),
    default=30,
    envvar="VOICE_AGENT_MAX_AGE_DAYS",
    show_default=True,
    help="Records older than this are removed; 0: keep them for ever.",
)
@click.option(
    "--max-total-gib",
    type=click.FloatRange(0),
    default=20,
    envvar="VOICE_AGENT_MAX_TOTAL_GIB",
    show_default=True,
    help="The oldest records beyond this are removed; 0: no limit.",
)
@click.option(
    "--sessions",
    type=click.IntRange(1, 10_000),
    default=50,
    envvar="VOICE_AGENT_SESSIONS",
    show_default=True,
    help="Calls at the same time.",
)
@click.option(
    "--sessions-per-peer", type=click.IntRange(1, 10_000), help="Of those, calls of one edge.  [default: all]"
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0, 86_400),
    default=300.0,
    show_default=True,
    help="Time left to running calls after SIGTERM.",
)
@click.option(
    "--traces",
    metavar="OTLP_ENDPOINT",
    envvar="VOICE_AGENT_TRACES",
    help="Send a trace of every turn to this OTLP receiver (gRPC), as http://127.0.0.1:4317.  [default: none are made]",
)
@click.option(
    "--ready-file", type=click.Path(path_type=Path), help="Written with the address once listening, removed at the end."
)
@server_security_options
@client_security_options("inference")
def serve(
    listen: str,
    http: str,
    inference: str,
    profiles: Path | None,
    data: Path,
    max_age_days: int,
    max_total_gib: float,
    sessions: int,
    sessions_per_peer: int | None,
    drain_seconds: float,
    traces: str | None,
    ready_file: Path | None,
    security: ServerSecurity,
    inference_security: ClientSecurity,
) -> None:
    """Take calls from edges until SIGTERM or Ctrl-C, then let running ones finish; a second one ends at once."""
    limit_arenas(1)
    nodes = tuple(str(parse_address(part.strip())) for part in inference.split(",") if part.strip())
    for address in (listen, http):
        security.require_for(parse_address(address, listening=True), mutual=False)
    for node in nodes:
        inference_security.require_for(parse_address(node))
    settings = ServiceSettings(
        listen=str(parse_address(listen, listening=True)),
        http=str(parse_address(http, listening=True)),
        inference=nodes,
        sessions=sessions,
        sessions_per_peer=sessions_per_peer or sessions,
        drain_s=drain_seconds,
        ready_file=ready_file,
        traces=parse_endpoint(traces) if traces else None,
    )
    limits = RecordLimits(
        age_max=timedelta(days=max_age_days) if max_age_days else None,
        total_bytes_max=int(max_total_gib * GIB) if max_total_gib else None,
    )
    store = RecordStore(data, limits)
    try:
        store.check()
    except OSError as error:
        raise OperatorError(f"{data}: {error.strerror}; choose another folder with --data") from error
    uvloop.run(_run(settings, _load(profiles), store, security, inference_security))


def _load(folder: Path | None) -> dict[str, LoadedProfile]:
    known = known_profiles((folder,) if folder is not None else None)
    if not known:
        raise OperatorError("there are no agent profiles; name a folder that has some with --profiles")
    return {name: load_profile(path) for name, path in known.items()}


async def _run(
    settings: ServiceSettings,
    profiles: dict[str, LoadedProfile],
    store: RecordStore,
    security: ServerSecurity,
    inference_security: ClientSecurity,
) -> int:
    # kill -USR1 shows what every thread is doing.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    # Made here, because a gRPC server belongs to the loop that runs when it is made.
    service = Service(settings, profiles, store, security, inference_security, click.echo)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(EXIT_INTERRUPTED)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        return await service.run(stop)
    except* OSError as errors:
        raise OperatorError(f"{errors.exceptions[0]}; choose other addresses with --listen and --http") from errors
