"""A node of its own for the bench: `voice-inference serve` as a child process on free loopback ports."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from voice_inference.bench.figures import Stopwatch
from voice_inference.placement.model import Placement
from voice_operations.operator_error import OperatorError

START_S_MAX: Final = 300.0
STOP_S_MAX: Final = 10.0
POLL_S: Final = 0.01
MAIN: Final = "import sys; from voice_inference.cli.main import main; sys.argv[0] = 'voice-inference'; main()"
TIME_IMPORTS: Final = (
    "import time; began = time.perf_counter(); import voice_inference.cli.serve; print(time.perf_counter() - began)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProcess:
    """A node that serves. `serving_s`: from the command to SERVING."""

    pid: int
    address: str
    serving_s: float


@contextmanager
def node_process(placement: Placement, cache: Path, folder: Path) -> Iterator[NodeProcess]:
    """A node with this placement for the length of the block; `folder` is for its files.

    Raises OperatorError when it does not come up.
    """
    placed, ready, said = folder / "placement.yaml", folder / "ready.json", folder / "node.log"
    placed.write_text(placement_yaml(placement), encoding="utf-8")
    command = [sys.executable, "-c", MAIN, "--log-level=warning", "serve", f"--placement={placed}", f"--cache={cache}"]
    command += ["--grpc=127.0.0.1:0", "--http=127.0.0.1:0", f"--ready-file={ready}", "--exit-with-parent"]
    watch = Stopwatch()
    with said.open("wb") as output:
        # A group of its own: Ctrl-C at the terminal is for the bench, which ends the node.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        while not ready.exists():
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_S)
            if process.returncode is not None or watch.ms() > START_S_MAX * 1_000:
                raise OperatorError(f"the node did not come up: {_last_line(said)}; see `voice-inference serve`")
        serving_s = watch.ms() / 1_000
        address = json.loads(ready.read_text(encoding="utf-8"))["grpc"]
        yield NodeProcess(pid=process.pid, address=address, serving_s=serving_s)
    finally:
        _end(process)


def placement_yaml(placement: Placement) -> str:
    """The placement as a file has it, one engine a line."""
    data = placement.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    lines = ["engines:"]
    for stage, engine in data.pop("engines").items():
        flow = yaml.safe_dump(engine, default_flow_style=True, sort_keys=False, width=1_000).strip()
        lines.append(f"  {stage}: {flow}")
    rest = yaml.safe_dump(data, sort_keys=False) if data else ""
    return "\n".join(lines) + "\n" + rest


def import_s() -> float:
    """Seconds the node's own modules take to import, in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", TIME_IMPORTS], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(said: Path) -> str:
    lines = said.read_text(encoding="utf-8", errors="replace").split("\n")
    told = [line.removeprefix("error: ").strip() for line in lines if line.strip()]
    return told[-1] if told else "it said nothing"
