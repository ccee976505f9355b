"""`voice-inference serve`: the node as a process."""

import asyncio
import ctypes
import faulthandler
import os
import signal
import sys
from pathlib import Path
from typing import Final

import click
import uvloop

from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.cli.default_placement import default_placement
from voice_inference.placement.machine import ThisMachine
from voice_inference.placement.model import load_placement
from voice_inference.placement.resolve import resolve
from voice_inference.server.node import Node
from voice_operations.command_line import EXIT_INTERRUPTED
from voice_operations.native_memory import limit_arenas
from voice_operations.operator_error import OperatorError
from voice_operations.security import ServerSecurity
from voice_operations.security_options import server_security_options

PR_SET_PDEATHSIG: Final = 1


@click.command()
@click.option("--placement", type=click.Path(path_type=Path), help="Placement file.  [default: cpu-2core.yaml]")
@click.option("--grpc", "grpc_address", metavar="HOST:PORT", help="gRPC address; port 0 takes a free one.")
@click.option("--http", "http_address", metavar="HOST:PORT", help="Address of /metrics, /healthz and /readyz.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the weights.")
@click.option(
    "--ready-file", type=click.Path(path_type=Path), help="Written with the addresses once SERVING, removed at the end."
)
@click.option(
    "--drain-seconds", type=click.FloatRange(0, 3600), default=5.0, show_default=True, help="Time left to sessions."
)
@click.option("--exit-with-parent", is_flag=True, help="End when the process that started this one ends (Linux).")
@server_security_options
def serve(
    placement: Path | None,
    grpc_address: str | None,
    http_address: str | None,
    cache: Path | None,
    ready_file: Path | None,
    drain_seconds: float,
    exit_with_parent: bool,
    security: ServerSecurity,
) -> None:
    """Load the models and serve sessions until SIGTERM or Ctrl-C; a second one ends at once."""
    limit_arenas(1)
    if exit_with_parent:
        _exit_with_parent()
    # kill -USR1 shows what every thread is doing.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    placed = load_placement(placement or default_placement())
    store = ModelStore(cache or default_cache_dir())
    node = Node(resolve(placed, ThisMachine()), store, lambda line: click.echo(line), security)

    async def run() -> bool:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _Stopper(stop))
        return await node.run(
            grpc_address=grpc_address or placed.listen.grpc,
            http_address=http_address or placed.listen.http,
            ready_file=ready_file,
            stop=stop,
            drain_s=drain_seconds,
        )

    if not uvloop.run(run()):
        # The interpreter must not be taken down under a thread that is inside a library: that crashes.
        click.echo("interrupted", err=True)
        sys.stdout.flush()
        os._exit(EXIT_INTERRUPTED)


class _Stopper:
    """Asks for a drain the first time and ends the process the second time."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def __call__(self) -> None:
        if self._stop.is_set():
            os._exit(EXIT_INTERRUPTED)
        self._stop.set()


def _exit_with_parent() -> None:
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise OperatorError("--exit-with-parent is not possible on this system; leave it out")
    if os.getppid() != parent:
        raise OperatorError("the parent process ended before the node could begin")
