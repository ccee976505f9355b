"""The product as its users run it: real processes, real files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
SPEECH: Final = ROOT / "test_data" / "speech"
START_S: Final = 90.0
STOP_S: Final = 10.0


def program(name: str) -> str:
    """A console script of this environment."""
    return str(Path(sys.executable).with_name(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A program that has ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one error line; fails when there is a traceback or more than one line."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert "Traceback" not in self.err, self.err
        errors = [line for line in lines if line.startswith("error: ")]
        assert len(errors) == 1, self.err
        return errors[0]


def run(*words: str, stdin: str = "", timeout_s: float = 90.0, **environment: str) -> Done:
    """Runs a program of the product to its end."""
    done = subprocess.run(
        [program(words[0]), *words[1:]],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningNode:
    """An inference node that serves."""

    process: "subprocess.Popen[bytes]"
    grpc: str
    http: str


@contextmanager
def running_node(folder: Path, *options: str, grpc: str = "127.0.0.1:0") -> Iterator[RunningNode]:
    """A node with the real models, on free ports, for the length of the block."""
    ready = folder / f"ready-{os.getpid()}-{time.monotonic_ns()}.json"
    log = folder / "node.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                program("voice-inference"),
                "serve",
                f"--grpc={grpc}",
                "--http=127.0.0.1:0",
                f"--ready-file={ready}",
                "--exit-with-parent",
                *options,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    try:
        wait_until(lambda: ready.exists() or process.poll() is not None, START_S)
        assert process.poll() is None, log.read_text()
        addresses: dict[str, Any] = json.loads(ready.read_text())
        yield RunningNode(process=process, grpc=addresses["grpc"], http=addresses["http"])
    finally:
        stop(process)


def stop(process: "subprocess.Popen[Any]", number: signal.Signals = signal.SIGTERM) -> int:
    """Ends a process and gives its exit code; fails when it does not end."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_S)
        raise


def wait_until(holds: Any, timeout_s: float) -> None:
    """Waits for a condition outside this process; fails after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    step_s = 0.02
    while not holds():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(step_s)


def call_folder(out: Path) -> Path:
    """The one folder of a call under `out`."""
    (folder,) = out.iterdir()
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningOrchestrator:
    """An orchestrator that serves; `data` is where it keeps calls."""

    process: "subprocess.Popen[bytes]"
    grpc: str
    data: Path


@contextmanager
def running_orchestrator(folder: Path, *nodes: str, options: tuple[str, ...] = ()) -> Iterator[RunningOrchestrator]:
    """An orchestrator over the nodes, on a free port, for the length of the block."""
    ready, data = folder / f"orchestrator-{time.monotonic_ns()}.json", folder / "data"
    with (folder / "orchestrator.log").open("ab") as output:
        process = subprocess.Popen(
            [
                program("voice-orchestrator"),
                "--log-level=info",
                "serve",
                "--listen=127.0.0.1:0",
                f"--inference={','.join(nodes)}",
                f"--data={data}",
                f"--ready-file={ready}",
                *options,
            ],
            cwd=ROOT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: ready.exists() or process.poll() is not None, START_S)
        assert process.poll() is None, (folder / "orchestrator.log").read_text()
        address: str = json.loads(ready.read_text())["grpc"]
        yield RunningOrchestrator(process=process, grpc=address, data=data)
    finally:
        stop(process)
