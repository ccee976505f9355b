"""`python bench/many_callers/overload.py`: twice as many callers as there are seats.

One orchestrator with seats for a number of calls and a scripted node. First half of the seats are taken: the unloaded
case. Then all of them, and as many callers again who find no seat, and try again every half second. Told are how fast
and how those are refused, and what their knocking costs the calls that were taken. Nothing is asserted. About a minute.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "tests")]

import uvloop
from many_callers.caller import Caller, Fate, Manner
from many_callers.crowd import Crowd, crowd
from many_callers.figures import percentile, row, spread_row, write
from many_callers.process_figures import load_now
from many_callers.stand import NodeSettings, Stand, stand

AGAIN_S: Final = 0.5
MANNER: Final = Manner(speech_s=0.6, sentences=1)
"""Short turns and answers, so that there are many."""

SETTLE_S: Final = 2.0


@dataclass(slots=True)
class Excess:
    """What callers without a seat were told: by reason, how soon, and whether with a hint when to try again."""

    refused_s: list[float] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    without_hint: int = 0
    taken: int = 0
    lost: list[str] = field(default_factory=list)
    """Calls beside them that had a seat and did not keep it."""

    def add(self, caller: Caller) -> None:
        """One attempt, over by now."""
        log = caller.log
        if log.fate is not Fate.REFUSED or log.ended is None or log.ended.failure is None:
            self.taken += 1
            return
        self.refused_s.append(log.ended_s - log.opened_s)
        self.reasons[log.ended.failure.reason.value] += 1
        self.without_hint += log.ended.retry_after_ms is None


async def knock(address: str, excess: Excess, until_s: float, wait_s: float) -> None:
    """One caller who tries again and again."""
    await asyncio.sleep(wait_s)
    while time.monotonic() < until_s:
        caller = Caller(MANNER)
        await caller.run(address)
        excess.add(caller)
        await asyncio.sleep(AGAIN_S)


async def measure(on: Stand, calls: int, knocking: int, window_s: float) -> tuple[Crowd, Excess]:
    """So many calls for so long, and so many callers who find no seat."""
    excess = Excess()
    async with crowd(on.orchestrator.address) as callers:
        await callers.grow(calls, MANNER)
        await callers.settle()
        await asyncio.sleep(SETTLE_S)
        for caller in callers.callers:
            caller.log.latencies_ms.clear()
        until_s = time.monotonic() + window_s
        async with asyncio.TaskGroup() as group:
            for number in range(knocking):
                group.create_task(knock(on.orchestrator.address, excess, until_s, AGAIN_S * number / knocking))
            await asyncio.sleep(window_s)
        excess.lost = [caller.log.why for caller in callers.callers if caller.log.fate is not Fate.RUNNING]
    # Their seats are free a moment after they were told that the call is over.
    await asyncio.sleep(SETTLE_S)
    return callers, excess


def latencies_s(callers: Crowd) -> list[float]:
    """Of all turns, voice to voice, as the callers were told."""
    return [latency / 1_000 for caller in callers.callers for latency in caller.log.latencies_ms]


async def bench(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything."""
    seats: int = options.sessions
    with stand(folder, settings=NodeSettings(slots=2 * seats, sentences=MANNER.sentences), sessions=seats) as on:
        half, _ = await measure(on, seats // 2, 0, options.window)
        whole, _ = await measure(on, seats, 0, options.window)
        loaded, excess = await measure(on, seats, seats, options.window)
    unloaded, full, under = (percentile(latencies_s(each), 95) for each in (half, whole, loaded))
    print(f"\n{seats} seats, {2 * seats} callers (load of the machine {load_now():.1f})")
    attempts = len(excess.refused_s) + excess.taken
    row("attempts beyond the seats, of them refused", f"{attempts}, {len(excess.refused_s)}", "all")
    spread_row("call_open until refused", excess.refused_s, "max at most 100")
    row("reasons", ", ".join(f"{reason} {count}" for reason, count in excess.reasons.items()) or "-")
    row("calls that had a seat and lost it", f"{len(excess.lost)}{''.join(f', {why}' for why in excess.lost)}", "0")
    row("refused without a hint when to try again", f"{excess.without_hint}", "0")
    spread_row("voice to voice, half of the seats taken", latencies_s(half))
    spread_row("voice to voice, all seats taken", latencies_s(whole))
    spread_row("voice to voice, and as many knocking", latencies_s(loaded))
    row("p95 with the excess : half of the seats", f"{under / unloaded:.2f}", "at most 1.10")
    row("p95 with the excess : all seats, nobody knocking", f"{under / full:.2f}")
    return {
        "attempts": attempts,
        "taken_beyond": excess.taken,
        "lost": excess.lost,
        "refused_max_ms": max(excess.refused_s, default=float("nan")) * 1_000,
        "reasons": dict(excess.reasons),
        "without_hint": excess.without_hint,
        "p95_ratio": under / unloaded,
        "p95_ratio_to_full": under / full,
    }


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20, help="seats")
    parser.add_argument("--window", type=float, default=15.0, help="seconds that are measured, three times")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voice-agent-bench-") as name:
        write(uvloop.run(bench(options, Path(name))), options.json)


if __name__ == "__main__":
    main()
