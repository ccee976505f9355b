"""`python bench/many_callers/rolling_restart.py`: every process is replaced while people talk.

Twenty callers talk over one orchestrator and three scripted nodes. Each node in turn is told to end with SIGTERM: it
drains, cuts the sessions that are left when its time is over, ends, and is started anew before the next one. Then the
orchestrator itself is told to end: its health turns, new callers are told that it drains, running calls go on until
they hang up, and it exits with 0. Nothing is asserted. About a minute.
"""

import argparse
import asyncio
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
from many_callers.figures import row, spread_row, write
from many_callers.node_kills import ready
from many_callers.outages import Outage, Resumed, sessions_on
from many_callers.process_figures import load_now
from many_callers.stand import NodeSettings, Program, Stand, is_serving, stand
from support.node_log import visits_of

NODES: Final = 3
DRAIN_S: Final = 3.0
SEEN_S: Final = 1.5
LAST_S: Final = 8.0
END_S: Final = 20.0
LATE_CALLERS: Final = 5
MANNER: Final = Manner(patience_s=6.0)


async def ended(program: Program) -> int | None:
    """Its exit code; None when it does not end."""
    deadline_s = time.monotonic() + END_S
    while program.exit_code() is None and time.monotonic() < deadline_s:
        await asyncio.sleep(0.01)
    return program.exit_code()


async def replace_nodes(on: Stand) -> tuple[list[Outage], list[int | None]]:
    """Each node ends and comes back; gives when it cut whom, and its exit codes."""
    outages, codes = [], []
    for number, node in enumerate(on.nodes):
        await asyncio.sleep(SEEN_S)
        node.signal(signal.SIGTERM)
        told_s = time.monotonic()
        await asyncio.sleep(DRAIN_S - 0.1)
        found = sessions_on([visits_of(on.log_of(each)) for each in on.nodes], number, time.monotonic())
        outages.append(Outage(at_s=told_s + DRAIN_S, sessions=found))
        codes.append(await ended(node))
        node.start()
        await ready(node)
    await asyncio.sleep(LAST_S)
    return outages, codes


async def end_orchestrator(on: Stand, callers: Crowd) -> dict[str, Any]:
    """SIGTERM while everybody talks, and what becomes of whom."""
    orchestrator, address = on.orchestrator, on.orchestrator.address
    running = len(callers.running)
    orchestrator.signal(signal.SIGTERM)
    told_s = time.monotonic()
    while await asyncio.to_thread(is_serving, address):
        await asyncio.sleep(0)
    health_s = time.monotonic() - told_s
    late = [Caller(MANNER) for _ in range(LATE_CALLERS)]
    await asyncio.gather(*(caller.run(address) for caller in late))
    await asyncio.sleep(SEEN_S)
    kept = len(callers.running)
    await callers.leave()
    code = await ended(orchestrator)
    return {
        "running": running,
        "kept": kept,
        "health_ms": health_s * 1_000,
        "late": [caller.log.why for caller in late],
        "politely_ended": callers.fates(),
        "exit_code": code,
    }


async def bench(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything."""
    settings = NodeSettings(slots=options.sessions + 2, drain_s=DRAIN_S)
    with stand(folder, nodes=NODES, settings=settings, sessions=options.sessions + LATE_CALLERS) as on:
        async with crowd(on.orchestrator.address) as callers:
            await callers.grow(options.sessions, MANNER)
            await callers.settle()
            outages, codes = await replace_nodes(on)
            lost = [caller for caller in callers.callers if caller not in callers.running]
            found = Resumed()
            for caller in callers.callers:
                found.add(caller, outages, time.monotonic())
            shutdown = await end_orchestrator(on, callers)
    show(callers.callers, lost, found, codes, shutdown)
    return {"dropped": len(lost), "node_exit_codes": codes, "cut_sessions": len(found.lost), "shutdown": shutdown}


def show(
    callers: list[Caller], lost: list[Caller], found: Resumed, codes: list[int | None], shutdown: dict[str, Any]
) -> None:
    """The table."""
    print(f"\nrolling restart of {NODES} nodes under {len(callers)} calls (load of the machine {load_now():.1f})")
    row("calls dropped", f"{len(lost)}", "0")
    for caller in lost:
        print(f"    {caller.log.session_id}: {caller.log.why}")
    row("exit codes of the nodes", f"{codes}", "all 0")
    row("sessions that were left when a drain was over", f"{len(found.lost)}")
    spread_row("  moved to another node after", found.moved)
    for moment, silences in found.silence.items():
        row(f"  cut {moment.value}: heard to the end, not", f"{len(silences)}, {found.cut[moment]}")
    row("sentences heard twice", f"{sum(len(caller.heard_twice()) for caller in callers)}", "0")
    turns = [turn for caller in callers for turn in caller.log.turns]
    row("turns in all, without any answer", f"{len(turns)}, {sum(turn.unanswered for turn in turns)}")
    print("\nSIGTERM of the orchestrator")
    row("health says NOT_SERVING after, ms", f"{shutdown['health_ms']:.0f}")
    row("new callers were told", "; ".join(sorted(set(shutdown["late"]))))
    row("running calls that went on", f"{shutdown['kept']} of {shutdown['running']}", "all")
    row("how all calls ended", f"{shutdown['politely_ended']}")
    row("exit code", f"{shutdown['exit_code']}", "0")


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
