"""`python bench/many_callers/control_plane.py`: what a session costs the orchestrator, and how many it holds in time.

N callers talk in real time to one `voice-orchestrator serve`, whose inference node is scripted: sound in frames of
20 ms goes through in both directions, turns are taken, nothing is computed. First 50 sessions, for the cost of one, and
beside it what the messages alone cost; then a growing number, until the 99th percentile of the delay that is added to
sound, against a single session, passes 20 ms. The scripted node and the callers run on the same machine and need about
as much as the orchestrator. Nothing is asserted: machines differ. About 3 minutes.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "tests")]

import uvloop
from many_callers import bare_relay
from many_callers.caller import Fate, Manner
from many_callers.crowd import crowd
from many_callers.figures import percentile, row, slope, spread_row, write
from many_callers.pacing import Pacing
from many_callers.process_figures import Usage, load_now, usage_of
from many_callers.stand import NodeSettings, Stand, stand
from support.node_log import Arrival, arrivals_of

STEPS: Final = (10, 25, 50, 75, 100, 150)
ADDED_MS_MAX: Final = 20.0
IDLE_S: Final = 2.0
MANNER: Final = Manner(keeps_frames=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What `sessions` sessions cost; the cores are those of the three kinds of processes while they all talked."""

    sessions: int
    lost: list[str]
    cores: dict[str, float]
    rss: list[tuple[float, float]]
    pacing: Pacing
    latencies_s: list[float]

    def added_ms(self, alone: "Measured") -> tuple[float, float]:
        """Delay at the 99th percentile beyond that of a single session: of the agent's sound, of the caller's."""
        agent = percentile(self.pacing.left, 99) - percentile(alone.pacing.left, 99)
        caller = percentile(self.pacing.through, 99) - percentile(alone.pacing.through, 99)
        return agent * 1_000, caller * 1_000


async def load(on: Stand, sessions: int, window_s: float) -> Measured:
    """So many sessions, measured for `window_s` once all of them talk."""
    pids = {"orchestrator": on.orchestrator.pid, "node": on.nodes[0].pid, "callers": os.getpid()}
    idle_before = usage_of(on.orchestrator.pid)
    await asyncio.sleep(IDLE_S)
    idle_cores = (usage_of(on.orchestrator.pid).cpu_s - idle_before.cpu_s) / IDLE_S
    async with crowd(on.orchestrator.address) as callers:
        await callers.grow(1, MANNER)
        await callers.settle()
        await asyncio.sleep(IDLE_S)
        rss = [(1.0, float(usage_of(pids["orchestrator"]).rss_bytes))]
        await callers.grow(sessions - 1, MANNER)
        await callers.settle()
        before, since_s = _usages(pids), time.monotonic()
        await asyncio.sleep(window_s)
        after, until_s = _usages(pids), time.monotonic()
        rss.append((float(len(callers.running)), float(after["orchestrator"].rss_bytes)))
        lost = [caller.log.why for caller in callers.callers if caller.log.fate is not Fate.RUNNING]
    pacing, latencies_s = Pacing(), []
    arrivals = _arrivals(on, since_s)
    for caller in callers.callers:
        pacing.add_agent(frame for frame in caller.log.frames if since_s <= frame.came_s <= until_s)
        pacing.add_caller(caller.log, arrivals[caller.log.session_id], since_s)
        latencies_s += [latency / 1_000 for latency in caller.log.latencies_ms]
    took_s = until_s - since_s
    cores = {name: (after[name].cpu_s - before[name].cpu_s) / took_s for name in pids}
    return Measured(
        sessions=sessions,
        lost=lost,
        cores={**cores, "idle": idle_cores},
        rss=rss,
        pacing=pacing,
        latencies_s=latencies_s,
    )


def _usages(pids: dict[str, int]) -> dict[str, Usage]:
    return {name: usage_of(pid) for name, pid in pids.items()}


def _arrivals(on: Stand, since_s: float) -> dict[str, list[Arrival]]:
    found: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals_of(on.log_of(on.nodes[0])):
        if arrival.arrived_s >= since_s:
            found[arrival.session_id].append(arrival)
    return found


async def measure(sessions: int, window_s: float) -> Measured:
    """The same on processes of its own: what a step leaves behind is not the next one's."""
    settings = NodeSettings(slots=sessions + 8, log_sound=True)
    with (
        tempfile.TemporaryDirectory(prefix="voice-agent-bench-") as name,
        stand(Path(name), settings=settings, sessions=sessions + 8) as on,
    ):
        return await load(on, sessions, window_s)


def show_cost(found: Measured, bare: float) -> dict[str, Any]:
    """The table of what one session costs; `bare` is what the messages alone cost, cores a session."""
    core = found.cores["orchestrator"] / found.sessions
    memory_mb = slope(found.rss) / 1e6
    print(f"\n{found.sessions} paced duplex sessions, one orchestrator process (load of the machine {load_now():.1f})")
    row("orchestrator, core a session", f"{core:.4f}", "at most 0.01")
    row("  the messages alone, through a bare gRPC relay", f"{bare:.4f}")
    row("  the orchestrator as a multiple of that", f"{core / bare:.2f}")
    row("  the process itself, without a call, core", f"{found.cores['idle']:.4f}")
    row("orchestrator, MB a session", f"{memory_mb:.2f}", "at most 1.5")
    spread_row("agent sound behind its ideal time at the edge", found.pacing.came, "p99 at most 5")
    spread_row("  by the orchestrator's own stamps", found.pacing.left)
    spread_row("caller sound, edge to leaving the orchestrator", found.pacing.through)
    spread_row("  to the node", found.pacing.arrived)
    spread_row("voice to voice, scripted engines", found.latencies_s)
    row("calls lost", f"{len(found.lost)}", "0")
    for why, count in Counter(found.lost).items():
        print(f"    {count} of them: {why}")
    return {
        "core_per_session": core,
        "bare_relay_core_per_session": bare,
        "cores": found.cores,
        "mb_per_session": memory_mb,
        "agent_p99_ms": percentile(found.pacing.came, 99) * 1_000,
        "agent_p99_by_stamps_ms": percentile(found.pacing.left, 99) * 1_000,
        "caller_p99_ms": percentile(found.pacing.through, 99) * 1_000,
        "lost": len(found.lost),
    }


async def show_curve(alone: Measured, steps: tuple[int, ...], window_s: float) -> list[dict[str, Any]]:
    """The table of delay by number of sessions; ends where the bar is passed."""
    heads = ("sessions", "cores", "a session", "agent p99", "added", "caller p99", "added", "lost", "node", "callers")
    print("\ndelay added by one orchestrator process, ms; cores of the scripted node and the callers beside it")
    print("".join(f"{head:>11}" for head in heads))
    curve = []
    for sessions in (1, *steps):
        found = alone if sessions == 1 else await measure(sessions, window_s)
        agent, caller = found.added_ms(alone)
        cells = (
            f"{sessions}", f"{found.cores['orchestrator']:.2f}", f"{found.cores['orchestrator'] / sessions:.4f}",
            f"{percentile(found.pacing.left, 99) * 1_000:.1f}", f"{agent:.1f}",
            f"{percentile(found.pacing.through, 99) * 1_000:.1f}", f"{caller:.1f}", f"{len(found.lost)}",
            f"{found.cores['node']:.2f}", f"{found.cores['callers']:.2f}",
        )  # fmt: skip
        print("".join(f"{cell:>11}" for cell in cells), flush=True)
        curve.append({"sessions": sessions, "agent_added_ms": agent, "caller_added_ms": caller, **found.cores})
        if max(agent, caller) > ADDED_MS_MAX:
            break
    return curve


async def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, on one event loop: gRPC knows only one in the life of a process."""
    bare = await bare_relay.measure(options.sessions, options.window / 2)
    cost = show_cost(await measure(options.sessions, options.window), bare)
    if not options.steps:
        return {"cost": cost}
    alone = await measure(1, options.step_window)
    return {"cost": cost, "curve": await show_curve(alone, tuple(options.steps), options.step_window)}


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50, help="for the cost of one")
    parser.add_argument("--window", type=float, default=20.0, help="seconds that are measured, of the cost")
    parser.add_argument("--step-window", type=float, default=10.0, help="the same, of each step of the curve")
    parser.add_argument("--steps", type=int, nargs="*", default=STEPS, help="numbers of sessions of the curve")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    write(uvloop.run(bench(options)), options.json)


if __name__ == "__main__":
    main()
