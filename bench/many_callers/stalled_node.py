"""`python bench/many_callers/stalled_node.py`: the only inference node stands still for five seconds.

Twenty callers talk over one orchestrator and one scripted node, which is stopped with SIGSTOP and goes on with SIGCONT
five seconds later. It is declared dead after one; its sessions look for a node until their time to connect is over.
Told are: how much caller sound was on its way on the streams that stalled when the node went on, and how old what it
was given then was; how old the sound was that the sessions' next streams began with, which is the open turn's and what
nobody had heard; what the orchestrator's memory did; and what became of the calls. Nothing is asserted. About 40 s.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "tests")]

import uvloop
from many_callers.caller import Caller, Manner
from many_callers.crowd import Crowd, crowd
from many_callers.figures import percentile, row, spread_row, write
from many_callers.process_figures import load_now, usage_of
from many_callers.stand import NodeSettings, Stand, stand
from support.node_log import Arrival, arrivals_of

from voice_contract.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ

STALL_S: Final = 5.0
BEFORE_S: Final = 6.0
AFTER_S: Final = 10.0
OLD_S: Final = 0.5
SAMPLE_EVERY_S: Final = 0.1
FRAME_S: Final = FRAME_SAMPLES / SAMPLE_RATE_HZ
MANNER: Final = Manner(patience_s=12.0)


@dataclass(slots=True)
class Stall:
    """When the node stood still, and the orchestrator's memory: before, at most during and after it, bytes."""

    stopped_s: float = 0.0
    went_on_s: float = 0.0
    rss_before: int = 0
    rss_most: int = 0
    lost: list[Caller] = field(default_factory=list)


async def run(on: Stand, callers: Crowd, sessions: int) -> Stall:
    """Lets everybody talk, stops the node, and lets it go on."""
    stall, orchestrator = Stall(), on.orchestrator.pid
    await callers.grow(sessions, MANNER)
    await callers.settle()
    await asyncio.sleep(BEFORE_S)
    stall.rss_before = stall.rss_most = usage_of(orchestrator).rss_bytes
    stall.stopped_s = time.monotonic()
    on.nodes[0].signal(signal.SIGSTOP)
    while time.monotonic() < stall.stopped_s + STALL_S + AFTER_S:
        await asyncio.sleep(SAMPLE_EVERY_S)
        stall.rss_most = max(stall.rss_most, usage_of(orchestrator).rss_bytes)
        if not stall.went_on_s and time.monotonic() > stall.stopped_s + STALL_S:
            stall.went_on_s = time.monotonic()
            on.nodes[0].signal(signal.SIGCONT)
    stall.lost = [caller for caller in callers.callers if caller not in callers.running]
    return stall


async def bench(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything."""
    settings = NodeSettings(slots=2 * options.sessions, log_sound=True)
    with stand(folder, settings=settings, sessions=options.sessions + 2) as on:
        async with crowd(on.orchestrator.address) as callers:
            stall = await run(on, callers, options.sessions)
        on.nodes[0].signal(signal.SIGTERM)
        while on.nodes[0].exit_code() is None:
            await asyncio.sleep(SAMPLE_EVERY_S)
        return show(callers, stall, list(arrivals_of(on.log_of(on.nodes[0]))))


def show(callers: Crowd, stall: Stall, arrivals: list[Arrival]) -> dict[str, Any]:
    """The table."""
    began_s = {caller.log.session_id: caller.log.began_s for caller in callers.callers}
    stalled = {arrival.stream for arrival in arrivals if arrival.arrived_s < stall.stopped_s}
    queued_s: dict[str, float] = defaultdict(float)
    late_s, resent_s, fresh_s = [], [], []
    for arrival in arrivals:
        if arrival.arrived_s < stall.went_on_s:
            continue
        age_s = arrival.arrived_s - began_s[arrival.session_id] - arrival.offset_samples / SAMPLE_RATE_HZ - FRAME_S
        if arrival.stream in stalled:
            queued_s[arrival.session_id] += FRAME_S
            late_s.append(age_s)
        elif arrival.sent_s - began_s[arrival.session_id] - arrival.offset_samples / SAMPLE_RATE_HZ > OLD_S:
            resent_s.append(age_s)
        else:
            fresh_s.append(age_s)
    moved_s = [
        min(found) - stall.went_on_s
        for caller in callers.callers
        if (found := [each for each in caller.log.link_found_s if each > stall.stopped_s])
    ]
    dead_s = [each - stall.stopped_s for caller in callers.callers for each in caller.log.link_lost_s[:1]]
    grown_mb = (stall.rss_most - stall.rss_before) / 1e6
    print(f"\nthe only node stalled for {STALL_S:g} s, {len(callers.callers)} calls (load {load_now():.1f})")
    spread_row("stop until the node was declared dead", dead_s, "at most 1200")
    spread_row("its going on until sessions had it again", moved_s)
    row("sessions lost", f"{len(stall.lost)}", "0")
    for why, count in Counter(caller.log.why for caller in stall.lost).items():
        print(f"    {count} of them: {why}")
    spread_row("sound on the stalled streams when it went on", list(queued_s.values()), "at most 500")
    spread_row("  its age when it was processed", late_s)
    row("  of it older than 500 ms", f"{sum(age > OLD_S for age in late_s)} frames", "0")
    spread_row("sound sent again to the next stream, its age", resent_s)
    spread_row("sound after that, its age", fresh_s, "at most 500")
    row("memory of the orchestrator, MB more", f"{grown_mb:.1f}", "at most 5")
    return {
        "lost": len(stall.lost),
        "queued_max_ms": max(queued_s.values(), default=0.0) * 1_000,
        "late_frames": sum(age > OLD_S for age in late_s),
        "fresh_p99_ms": percentile(fresh_s, 99) * 1_000,
        "moved_p95_ms": percentile(moved_s, 95) * 1_000,
        "grown_mb": grown_mb,
    }


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voice-agent-bench-") as name:
        write(uvloop.run(bench(options, Path(name))), options.json)


if __name__ == "__main__":
    main()
