"""`python bench/many_callers/node_stops.py`: inference nodes hang, without closing anything.

Ten callers talk over one orchestrator and two scripted nodes. Again and again, at a random moment, the node that has
their sessions is stopped with SIGSTOP: its connections stay, nothing comes any more. Told are the time until the
orchestrator gave it up and until its sessions had the other node, and what became of turns. Five seconds after it was
stopped it goes on with SIGCONT, and what it still had to say must harm nobody. Nothing is asserted. A stop takes about
8 s: 12 of them two minutes.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "tests")]

import uvloop
from many_callers.caller import Caller, Manner
from many_callers.crowd import Crowd, crowd
from many_callers.figures import percentile, row, spread_row, write
from many_callers.outages import Outage, Resumed, strike_busiest
from many_callers.process_figures import load_now
from many_callers.stand import NodeSettings, Stand, stand

NODES: Final = 2
STOPPED_S: Final = 5.0
PHASE_S: Final = 2.0
SEEN_S: Final = 2.0
"""Until the orchestrator has noticed that a node is there again."""

LAST_S: Final = 8.0
MANNER: Final = Manner(patience_s=6.0)


async def stop_nodes(on: Stand, callers: Crowd, stops: int, draw: random.Random) -> list[Outage]:
    """The stops, one after the other; a node goes on before the next one."""
    outages = []
    for _ in range(stops):
        await asyncio.sleep(SEEN_S + draw.uniform(0.0, PHASE_S))
        victim, outage = strike_busiest(on, signal.SIGSTOP)
        outages.append(outage)
        await asyncio.sleep(STOPPED_S)
        victim.signal(signal.SIGCONT)
        if not callers.running:
            break
    return outages


async def bench(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything."""
    settings = NodeSettings(slots=options.sessions + 2)
    with stand(folder, nodes=NODES, settings=settings, sessions=options.sessions + 2) as on:
        async with crowd(on.orchestrator.address) as callers:
            await callers.grow(options.sessions, MANNER)
            await callers.settle()
            outages = await stop_nodes(on, callers, options.stops, random.Random(options.seed))
            await asyncio.sleep(LAST_S)
            lost = [caller for caller in callers.callers if caller not in callers.running]
        broken = sum(node.exit_code() is not None for node in on.nodes)
    return show(callers.callers, lost, outages, broken)


def show(callers: list[Caller], lost: list[Caller], outages: list[Outage], broken: int) -> dict[str, Any]:
    """The table."""
    found = Resumed()
    for caller in callers:
        found.add(caller, outages, outages[-1].at_s + STOPPED_S + LAST_S)
    twice = sum(len(caller.heard_twice()) for caller in callers)
    late = sum(caller.playout.late_samples for caller in callers if caller.playout)
    met = sum(len(outage.sessions) for outage in outages)
    print(f"\n{len(outages)} SIGSTOPs, {len(callers)} calls, {met} sessions met (load of the machine {load_now():.1f})")
    row("sessions lost", f"{len(lost)}", "0")
    for caller in lost:
        print(f"    {caller.log.session_id}: {caller.log.why}")
    spread_row("stop until the node was declared dead", found.lost, "at most 1200")
    spread_row("stop until the session had another", found.moved, "p95 at most 2000")
    row("sessions that got none", f"{found.never_moved}", "0")
    spread_row("turns resumed: silence until the answer", found.resumed)
    for moment, silences in found.silence.items():
        row(f"  stopped {moment.value}: heard to the end, cut", f"{len(silences)}, {found.cut[moment]}")
    row("sentences heard twice", f"{twice}", "0")
    row("agent samples that came after a flush", f"{late}", "0")
    row("nodes that ended when they went on", f"{broken}", "0")
    return {
        "stops": len(outages),
        "lost": len(lost),
        "declared_dead_max_ms": max(found.lost, default=float("nan")) * 1_000,
        "moved_p95_ms": percentile(found.moved, 95) * 1_000,
        "resumed_p95_ms": percentile(found.resumed, 95) * 1_000,
        "never_moved": found.never_moved,
        "cut": {moment.value: count for moment, count in found.cut.items()},
        "twice": twice,
    }


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stops", type=int, default=12)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voice-agent-bench-") as name:
        write(uvloop.run(bench(options, Path(name))), options.json)


if __name__ == "__main__":
    main()
