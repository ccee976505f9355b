"""The processes a bench stands on: one `voice-orchestrator serve` and scripted inference nodes.

Each is the leader of a process group of its own; whatever happens, the groups are killed when the stand is left.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT: Final = Path(__file__).resolve().parents[2]
NODE_PROGRAM: Final = ROOT / "tests" / "support" / "scripted_node_process.py"
WATCHED_PROGRAM: Final = ROOT / "bench" / "many_callers" / "watched_orchestrator.py"
START_S: Final = 60.0
TASKS: Final = "tasks.txt"
PROFILE_NAME: Final = "teller"
PROFILE: Final = """
system_prompt: You answer with the number of the turn.
greeting: Good day to you.
turn_taking:
  min_delay_ms: 150
  max_delay_ms: 300
away:
  user_away_timeout_ms: 120000
limits:
  idle_ms: 600000
  call_ms: 3600000
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """A scripted node's; see tests/support/scripted_node_process.py."""

    slots: int = 200
    sentences: int = 3
    token_ms: float = 5.0
    word_ms: int = 120
    tts_speed: float = 20.0
    drain_s: float = 5.0
    log_sound: bool = False

    @property
    def words(self) -> list[str]:
        """Its command line."""
        return [
            f"--slots={self.slots}",
            f"--sentences={self.sentences}",
            f"--token-ms={self.token_ms}",
            f"--word-ms={self.word_ms}",
            f"--tts-speed={self.tts_speed}",
            f"--drain-seconds={self.drain_s}",
            *(["--log-sound"] if self.log_sound else []),
        ]


class Program:
    """A process that writes a file when it is ready. `start` again after it ended."""

    def __init__(self, name: str, folder: Path, command: Callable[[str], list[str]]) -> None:
        """`command` makes the words that start it from the address it is to have."""
        self.name = name
        self.ready = folder / f"{name}.ready"
        self.output = folder / f"{name}.log"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.address = "127.0.0.1:0"

    @property
    def pid(self) -> int:
        """Of the running or last process."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it serves; from then on `address` is its own, and the next process gets the same."""
        if self._process is None or not self.ready.exists():
            return False
        with suppress(OSError, ValueError):
            self.address = json.loads(self.ready.read_text())["grpc"]
        return self._process.poll() is None

    def start(self) -> None:
        """Begins to start it."""
        self.ready.unlink(missing_ok=True)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(self.address), stdout=output, stderr=output, cwd=ROOT, start_new_session=True
            )

    def wait_ready(self) -> None:
        """Until it serves; exits when it does not come up."""
        until(lambda: self.is_ready or self.exit_code() is not None, START_S, f"{self.name} did not come up")
        if self.exit_code() is not None:
            sys.exit(f"error: {self.name} did not come up:\n{self.output.read_text()[-2_000:]}")

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        os.kill(self.pid, number)

    def exit_code(self) -> int | None:
        """How it ended; None while it has not."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """Ends it and whatever it started, now."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """What runs."""

    folder: Path
    orchestrator: Program
    nodes: tuple[Program, ...]

    def tasks(self) -> int:
        """Asyncio tasks of the orchestrator."""
        told = self.folder / TASKS
        told.unlink(missing_ok=True)
        self.orchestrator.signal(signal.SIGUSR2)
        until(told.exists, START_S, "the orchestrator did not tell its tasks")
        return int(told.read_text())

    def log_of(self, node: Program) -> Path:
        """Where a node writes down who came."""
        return self.folder / f"{node.name}-log"


@contextmanager
def stand(
    folder: Path,
    *,
    nodes: int = 1,
    settings: NodeSettings | None = None,
    sessions: int = 200,
    drain_s: float = 30.0,
    profile: str = PROFILE,
) -> Iterator[Stand]:
    """Nodes and an orchestrator that knows them, for the length of the block; nothing of them is left after it."""
    settings = settings or NodeSettings()
    profiles = folder / "profiles"
    profiles.mkdir(parents=True, exist_ok=True)
    (profiles / f"{PROFILE_NAME}.yaml").write_text(profile, encoding="utf-8")
    programs = [_node(folder, f"node-{index}", settings) for index in range(nodes)]
    orchestrator = Program("orchestrator", folder, lambda address: _serve(folder, programs, sessions, drain_s))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        for node in programs:
            node.start()
        for node in programs:
            node.wait_ready()
        orchestrator.start()
        orchestrator.wait_ready()
        until(lambda: is_serving(orchestrator.address), START_S, "the orchestrator did not take calls")
        yield Stand(folder=folder, orchestrator=orchestrator, nodes=tuple(programs))
    finally:
        for program in (orchestrator, *programs):
            program.kill()


def _node(folder: Path, name: str, settings: NodeSettings) -> Program:
    def command(address: str) -> list[str]:
        return [
            sys.executable,
            str(NODE_PROGRAM),
            f"--port={address.rpartition(':')[2]}",
            f"--ready-file={folder / name}.ready",
            f"--log={folder / name}-log",
            *settings.words,
        ]

    return Program(name, folder, command)


def _serve(folder: Path, nodes: list[Program], sessions: int, drain_s: float) -> list[str]:
    return [
        sys.executable,
        str(WATCHED_PROGRAM),
        str(folder / TASKS),
        "--log-level=warning",
        "serve",
        "--listen=127.0.0.1:0",
        "--http=127.0.0.1:0",
        f"--inference={','.join(node.address for node in nodes)}",
        f"--profiles={folder / 'profiles'}",
        f"--data={folder / 'data'}",
        f"--sessions={sessions}",
        f"--drain-seconds={drain_s}",
        f"--ready-file={folder / 'orchestrator.ready'}",
    ]


def is_serving(address: str) -> bool:
    """Whether the health service at `address` says SERVING."""
    with grpc.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        try:
            said = health.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
        except grpc.RpcError:
            return False
        return bool(said.status == health_pb2.HealthCheckResponse.SERVING)


def until(holds: Callable[[], bool], timeout_s: float, why: str) -> None:
    """Waits until something is so; exits with `why` when it does not become so in time."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline_s:
            sys.exit(f"error: {why} within {timeout_s:g} s")
        time.sleep(0.01)
