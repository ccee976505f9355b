"""`python bench/many_callers/node_kills.py`: inference nodes are killed while people talk.

Ten callers talk over one orchestrator and two scripted nodes. Again and again, at a random moment, the node that has
their sessions is killed with SIGKILL and started anew. Told are the sessions that were lost, how long the turns that
were open or being answered then were silent, and sentences that were heard twice. Nothing is asserted. A kill takes
about 3 s: 200 of them 10 minutes.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "tests")]

import uvloop
from many_callers.caller import Caller, Manner
from many_callers.crowd import Crowd, crowd
from many_callers.figures import percentile, row, spread_row, write
from many_callers.outages import Outage, Resumed, strike_busiest
from many_callers.process_figures import load_now
from many_callers.stand import START_S, NodeSettings, Program, Stand, stand

NODES: Final = 2
PHASE_S: Final = 2.0
"""A kill comes at any moment of so long a time: turns and answers together take about four seconds."""

SEEN_S: Final = 1.2
"""Until the orchestrator has noticed that a node is there again."""

LAST_S: Final = 8.0
"""Left to the turns that were open at the last kill."""

MANNER: Final = Manner(patience_s=6.0)


async def kill_nodes(on: Stand, callers: Crowd, kills: int, draw: random.Random) -> list[Outage]:
    """The kills, one after the other; a node is back before the next one."""
    outages = []
    for _ in range(kills):
        await asyncio.sleep(SEEN_S + draw.uniform(0.0, PHASE_S))
        victim, outage = strike_busiest(on, signal.SIGKILL)
        outages.append(outage)
        victim.kill()
        victim.start()
        await ready(victim)
        if not callers.running:
            break
    return outages


async def ready(node: Program) -> None:
    """Until a node serves; the callers go on meanwhile."""
    deadline_s = time.monotonic() + START_S
    while not node.is_ready and time.monotonic() < deadline_s:
        await asyncio.sleep(0.02)
    assert node.is_ready, node.output.read_text()[-2_000:]


async def bench(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything."""
    settings = NodeSettings(slots=options.sessions + 2)
    with stand(folder, nodes=NODES, settings=settings, sessions=options.sessions + 2) as on:
        async with crowd(on.orchestrator.address) as callers:
            await callers.grow(options.sessions, MANNER)
            await callers.settle()
            outages = await kill_nodes(on, callers, options.kills, random.Random(options.seed))
            await asyncio.sleep(LAST_S)
            lost = [caller for caller in callers.callers if caller not in callers.running]
    return show(callers.callers, lost, outages)


def show(callers: list[Caller], lost: list[Caller], outages: list[Outage]) -> dict[str, Any]:
    """The table."""
    found = Resumed()
    for caller in callers:
        found.add(caller, outages, outages[-1].at_s + LAST_S)
    twice = sum(len(caller.heard_twice()) for caller in callers)
    met = sum(len(outage.sessions) for outage in outages)
    repeated = sum(caller.playout.repeated_samples for caller in callers if caller.playout)
    turns = [turn for caller in callers for turn in caller.log.turns]
    print(f"\n{len(outages)} SIGKILLs, {len(callers)} calls, {met} sessions met (load of the machine {load_now():.1f})")
    row("sessions lost", f"{len(lost)}", "0")
    for caller in lost:
        print(f"    {caller.log.session_id}: {caller.log.why}")
    spread_row("kill until the orchestrator knew", found.lost)
    spread_row("kill until the session had a node", found.moved)
    spread_row("turns resumed: silence until the answer", found.resumed, "p95 at most 1500")
    for moment, silences in found.silence.items():
        spread_row(f"  killed {moment.value}", silences)
        row(f"    answers not heard to their end {moment.value}", f"{found.cut[moment]}")
    row("sentences heard twice", f"{twice}", "0")
    row("samples heard twice", f"{repeated}", "0")
    row("turns in all, without any answer", f"{len(turns)}, {sum(turn.unanswered for turn in turns)}")
    return {
        "kills": len(outages),
        "sessions_met": met,
        "lost": len(lost),
        "never_moved": found.never_moved,
        "moved_p95_ms": percentile(found.moved, 95) * 1_000,
        "resumed_n": len(found.resumed),
        "resumed_p50_ms": percentile(found.resumed, 50) * 1_000,
        "resumed_p95_ms": percentile(found.resumed, 95) * 1_000,
        "cut": {moment.value: count for moment, count in found.cut.items()},
        "twice": twice,
    }


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voice-agent-bench-") as name:
        write(uvloop.run(bench(options, Path(name))), options.json)


if __name__ == "__main__":
    main()
