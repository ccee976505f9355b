"""The product as it is deployed: an inference node and an orchestrator that serve, and calls brought to them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from first_call import ROOT, START_S, Started, program, start_node, stop

SHIPPED: Final = ROOT / "configs" / "agent_profiles"
BENCH: Final = ROOT / "bench" / "profiles"
RECEPTIONIST: Final = "dental_receptionist"
TALKATIVE: Final = "talkative"
REPLY_TOKENS: Final = 24
"""Most of a receptionist's reply, about five seconds of sound: the shipped 60 would have the bench listen for minutes
more. What a caller waits for is over long before."""

CALL_S: Final = 400.0
RECORD_WAIT_S: Final = 10.0
POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What runs. `data`: where the orchestrator keeps its calls; `profiles`: the agents it knows."""

    folder: Path
    node: Started
    address: str
    data: Path
    profiles: Path

    def profile(self, name: str) -> Path:
        """File of an agent."""
        return self.profiles / f"{name}.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished call: what the caller's edge kept, and the orchestrator's own record of it.

    `report` is the edge's. `record` has report.json and journal.jsonl.
    """

    folder: Path
    report: dict[str, Any]
    record: Path


def warm_starts_s(folder: Path, count: int) -> list[float]:
    """Seconds to SERVING, files in the kernel's cache: one start before them is not counted."""
    took_s = []
    for index in range(count + 1):
        started = start_node(folder, f"start-{index}")
        stop(started)
        took_s.append(started.start_s)
    return took_s[1:]


@contextmanager
def product(folder: Path) -> Iterator[Product]:
    """A node of the default placement and an orchestrator before it, for the length of the block."""
    profiles, data = folder / "profiles", folder / "sessions"
    profiles.mkdir()
    (profiles / f"{TALKATIVE}.yaml").write_bytes((BENCH / f"{TALKATIVE}.yaml").read_bytes())
    agent = yaml.safe_load((SHIPPED / f"{RECEPTIONIST}.yaml").read_text(encoding="utf-8"))
    agent["generation"] = {**agent.get("generation", {}), "max_tokens": REPLY_TOKENS}
    (profiles / f"{RECEPTIONIST}.yaml").write_text(yaml.safe_dump(agent), encoding="utf-8")
    node = start_node(folder, "node")
    orchestrator = None
    try:
        orchestrator, address = _start_orchestrator(folder, node.address, profiles, data)
        yield Product(folder=folder, node=node, address=address, data=data, profiles=profiles)
    finally:
        if orchestrator is not None:
            orchestrator.terminate()
            orchestrator.wait(timeout=20)
        stop(node)


def _start_orchestrator(
    folder: Path, inference: str, profiles: Path, data: Path
) -> tuple["subprocess.Popen[bytes]", str]:
    ready = folder / "orchestrator.json"
    process = subprocess.Popen(
        [program("voice-orchestrator"), "--log-level=error", "serve", "--listen=127.0.0.1:0", "--http=127.0.0.1:0",
         f"--inference={inference}", f"--profiles={profiles}", f"--data={data}", f"--ready-file={ready}",
         "--drain-seconds=1"],
        stdout=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    deadline_s = time.monotonic() + START_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline_s:
            process.kill()
            sys.exit("error: the orchestrator did not come up; run `voice-orchestrator serve` to see why")
        time.sleep(POLL_S)
    return process, json.loads(ready.read_text())["grpc"]


def begin_call(on: Product, profile: str, played: Sequence[str]) -> "subprocess.Popen[str]":
    """Starts a caller; `played` are .wav files, or one --scenario=FILE."""
    words = [program("voice-orchestrator"), "call", *played, f"--profile={on.profile(profile)}"]
    words += [f"--connect={on.address}", f"--out={on.folder / 'calls'}", "--json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT, text=True)


def end_call(on: Product, caller: "subprocess.Popen[str]") -> Made:
    """Waits for a caller and for the record of the call."""
    try:
        text, _ = caller.communicate(timeout=CALL_S)
    except subprocess.TimeoutExpired:
        sys.exit(f"error: a call was not over after {CALL_S:g} s")
    finally:
        caller.kill()
    if caller.returncode not in (0, 3):
        sys.exit("error: the call failed; its reason is above")
    report: dict[str, Any] = json.loads(text)
    session = report["session_id"]
    folder = next(path for path in (on.folder / "calls").iterdir() if path.name.endswith(session))
    deadline_s = time.monotonic() + RECORD_WAIT_S
    while time.monotonic() < deadline_s:
        # report.json is written when the journal is complete.
        if found := list(on.data.rglob(f"*{session}*/report.json")):
            return Made(folder=folder, report=report, record=found[0].parent)
        time.sleep(POLL_S)
    sys.exit(f"error: the orchestrator kept no record of call {session} within {RECORD_WAIT_S:g} s")


def make_call(on: Product, profile: str, played: Sequence[str]) -> Made:
    """One call, from its beginning to its record."""
    return end_call(on, begin_call(on, profile, played))
