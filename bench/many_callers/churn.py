"""`python bench/many_callers/churn.py`: what sessions leave behind in the orchestrator, when they are over.

Calls are opened, get an inference node, send a little sound, hang up and end, a few at the same time, ten thousand in
all, each over a connection of its own. Told are the slope of the orchestrator's memory over the number of sessions,
without the first thousand, and its asyncio tasks, open files and threads, before and after. Nothing is asserted. About
4 minutes; --sessions 2000 takes one.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "tests")]

import uvloop
from many_callers.caller import FORMAT, SILENCE, monotonic_us
from many_callers.figures import row, slope, write
from many_callers.process_figures import load_now, usage_of
from many_callers.stand import PROFILE_NAME, NodeSettings, Stand, stand

from voice_contract.audio import FRAME_SAMPLES
from voice_contract.messages import Audio, CallEnded, CallOpen, EndCause, HangUp, Phase, PhaseChanged
from voice_operations.security import ClientSecurity
from voice_orchestrator.edges.edge_client import OrchestratorUnreachableError, edge_client
from voice_orchestrator.runtime.ports import EdgeGoneError

AT_ONCE: Final = 2
"""So few that their records reach the disk as fast as they come: what waits for it is no leak."""

SEATS: Final = 2_000
"""Those of sessions that have just ended are free a moment later, and a node tells its room twice a second."""

WARM_SESSIONS: Final = 300
SLOPE_FROM: Final = 1_000
SAMPLE_EVERY: Final = 100
FRAMES: Final = 3
STEADY_SHARE: Final = 0.15
"""Of the rest: nothing that changes any more for so long is what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the orchestrator has."""

    tasks: int
    files: int
    threads: int


@dataclass(slots=True)
class Churn:
    """How far it is. memory: sessions so far and resident bytes."""

    done: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    memory: list[tuple[float, float]] = field(default_factory=list)


async def one_call(address: str) -> str:
    """A short call; gives what went wrong, empty when nothing did."""
    try:
        async with edge_client(address, ClientSecurity(), monotonic_us) as stream:
            await stream.send(CallOpen(profile=PROFILE_NAME, caller_format=FORMAT, agent_format=FORMAT))
            while True:
                match (await stream.receive()).payload:
                    case PhaseChanged(to_phase=Phase.ACTIVE):
                        for number in range(FRAMES):
                            await stream.send(Audio(pcm=SILENCE, offset_samples=number * FRAME_SAMPLES))
                        await stream.send(HangUp())
                    case CallEnded(cause=EndCause.CALLER_HUNG_UP):
                        return ""
                    case CallEnded(cause=cause, failure=failure):
                        return f"{cause.value} {failure.detail if failure else ''}".strip()
                    case _:
                        pass
    except (EdgeGoneError, OrchestratorUnreachableError) as error:
        return str(error)


async def churn(on: Stand, sessions: int, found: Churn) -> None:
    """So many calls, some at the same time."""
    left = sessions

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            if why := await one_call(on.orchestrator.address):
                found.failed[why] = found.failed.get(why, 0) + 1
            found.done += 1
            if found.done % SAMPLE_EVERY == 0:
                found.memory.append((float(found.done), float(usage_of(on.orchestrator.pid).rss_bytes)))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


def left_now(on: Stand) -> Left:
    """At this moment."""
    usage = usage_of(on.orchestrator.pid)
    return Left(tasks=on.tasks(), files=usage.files, threads=usage.threads)


async def at_rest(on: Stand, wanted: Left | None, rest_s: float) -> Left:
    """What is left once that is `wanted`, or does not change any more."""
    deadline_s = time.monotonic() + rest_s
    steady_since_s, last = time.monotonic(), left_now(on)
    while time.monotonic() < deadline_s:
        await asyncio.sleep(0.2)
        now = left_now(on)
        if now == wanted:
            return now
        if now != last:
            steady_since_s, last = time.monotonic(), now
        elif wanted is None and time.monotonic() - steady_since_s > STEADY_SHARE * rest_s:
            return now
    return last


async def bench(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything."""
    found = Churn()
    with stand(folder, settings=NodeSettings(slots=SEATS), sessions=SEATS) as on:
        await churn(on, WARM_SESSIONS, found)
        before = await at_rest(on, None, options.rest)
        began_s = time.monotonic()
        await churn(on, max(0, options.sessions - WARM_SESSIONS), found)
        took_s = time.monotonic() - began_s
        after = await at_rest(on, before, options.rest)
    kib = slope([(done, rss) for done, rss in found.memory if done >= min(SLOPE_FROM, options.sessions / 2)]) / 1_024
    print(f"\n{found.done} sessions, {options.sessions / took_s:.0f} a second (load of the machine {load_now():.1f})")
    row("calls that did not go as they should", f"{sum(found.failed.values())}", "0")
    for why, count in found.failed.items():
        print(f"    {count} of them: {why}")
    row("memory of the orchestrator, KiB more a session", f"{kib:.2f}", "at most 1")
    first, last = found.memory[0][1] / 1e6, found.memory[-1][1] / 1e6
    row(f"  after {SAMPLE_EVERY} sessions and at the end, MB", f"{first:.1f}, {last:.1f}")
    for name in ("tasks", "files", "threads"):
        row(f"{name} before and after", f"{getattr(before, name)}, {getattr(after, name)}", "equal")
    return {
        "sessions": found.done,
        "failed": found.failed,
        "kib_per_session": kib,
        "before": {"tasks": before.tasks, "files": before.files, "threads": before.threads},
        "after": {"tasks": after.tasks, "files": after.files, "threads": after.threads},
        "memory": found.memory,
    }


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--rest", type=float, default=60.0, help="seconds at most until all of the last ones is gone")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voice-agent-bench-") as name:
        write(uvloop.run(bench(options, Path(name))), options.json)


if __name__ == "__main__":
    main()
