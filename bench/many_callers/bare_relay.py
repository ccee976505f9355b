"""The floor under the control plane: as many messages of the same size through grpc.aio, and nothing done with them.

    python bench/many_callers/bare_relay.py node|relay|callers --sessions 50 [--node HOST:PORT] [--relay HOST:PORT]

`measure` starts the three and tells what the relay cost. What the orchestrator costs beyond it is its own.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import grpc
import uvloop
from many_callers.process_figures import usage_of

from voice_contract.channel_options import CLIENT_OPTIONS, SERVER_OPTIONS

METHOD: Final = "/bare.Relay/Pass"
FRAME: Final = bytes(670)
"""20 ms of sound and its envelope."""

FRAME_S: Final = 0.02
AGENT_SHARE: Final = 0.6
"""Of the time in which an agent speaks, as in the calls of the bench."""

ARRIVALS_S: Final = 0.03
SETTLE_S: Final = 3.0


class _Handler(grpc.GenericRpcHandler):
    """One method that takes and gives bytes."""

    def __init__(self, method: Callable[[AsyncIterator[bytes], Any], Awaitable[None]]) -> None:
        self._method = method

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401
        """See GenericRpcHandler."""
        return grpc.stream_stream_rpc_method_handler(self._method)


async def _every(period_s: float, do: Callable[[], Awaitable[None]]) -> None:
    due_s = time.monotonic()
    while True:
        due_s += period_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        await do()


async def _drain(messages: AsyncIterator[bytes]) -> None:
    async for _ in messages:
        pass


async def _serve(method: Callable[[AsyncIterator[bytes], Any], Awaitable[None]]) -> None:
    server = grpc.aio.server(options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers((_Handler(method),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


async def node(options: argparse.Namespace) -> None:
    """Takes what comes, and gives sound in pieces of 200 ms."""
    del options

    async def method(requests: AsyncIterator[bytes], context: Any) -> None:  # noqa: ANN401
        async with asyncio.TaskGroup() as group:
            group.create_task(_drain(requests))
            group.create_task(_every(10 * FRAME_S / AGENT_SHARE, lambda: context.write(10 * FRAME)))

    await _serve(method)


async def relay(options: argparse.Namespace) -> None:
    """Passes on every frame of a caller, and gives frames to it at the pace of speech."""

    async def method(requests: AsyncIterator[bytes], context: Any) -> None:  # noqa: ANN401
        async with grpc.aio.insecure_channel(options.node, options=CLIENT_OPTIONS) as channel:
            call: Any = channel.stream_stream(METHOD)()
            async with asyncio.TaskGroup() as group:
                group.create_task(_drain(call))
                group.create_task(_every(FRAME_S / AGENT_SHARE, lambda: context.write(FRAME)))
                async for message in requests:
                    await call.write(message)

    await _serve(method)


async def callers(options: argparse.Namespace) -> None:
    """Send a frame every 20 ms each, and take what comes, until killed."""
    async with asyncio.TaskGroup() as group:
        for _ in range(options.sessions):
            call: Any = grpc.aio.insecure_channel(options.relay, options=CLIENT_OPTIONS).stream_stream(METHOD)()
            group.create_task(_drain(call))
            group.create_task(_every(FRAME_S, partial(call.write, FRAME)))
            await asyncio.sleep(ARRIVALS_S)


async def measure(sessions: int, window_s: float) -> float:
    """Cores a session that the relay needed."""
    programs: list[subprocess.Popen[str]] = []

    def begin(role: str, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, __file__, role, f"--sessions={sessions}", *words]
        programs.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
        return programs[-1]

    def address(program: subprocess.Popen[str]) -> str:
        assert program.stdout is not None
        return program.stdout.readline().strip()

    try:
        far = await asyncio.to_thread(address, begin("node"))
        passing = begin("relay", f"--node={far}")
        begin("callers", f"--relay={await asyncio.to_thread(address, passing)}")
        await asyncio.sleep(sessions * ARRIVALS_S + SETTLE_S)
        before, since_s = usage_of(passing.pid).cpu_s, time.monotonic()
        await asyncio.sleep(window_s)
        return (usage_of(passing.pid).cpu_s - before) / (time.monotonic() - since_s) / sessions
    finally:
        for program in programs:
            program.kill()
            program.wait()


ROLES: Final = {"node": node, "relay": relay, "callers": callers}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--node", default="")
    parser.add_argument("--relay", default="")
    found = parser.parse_args()
    uvloop.run(ROLES[found.role](found))
