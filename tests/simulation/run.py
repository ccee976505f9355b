"""Runs schedules: `python tests/simulation/run.py --count 50000`, or one of them: `--seed 4711 --trace`.

Prints the rate and what was reached; the first failing seed is printed as a one-line repro, shrunk, and exits 1.
"""

import argparse
import gc
import multiprocessing
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from simulation.coverage import missing, table
from simulation.shrink import readable, shrink
from simulation.world import EVENTS_BEFORE_REST, Schedule

REPRO: Final = ".venv/bin/python tests/simulation/run.py --seed {seed} --trace"
CHUNK: Final = 250


@dataclass(slots=True)
class Tally:
    """What schedules did."""

    schedules: int = 0
    events: int = 0
    seen: set[Any] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Adds what other schedules did."""
        self.schedules += other.schedules
        self.events += other.events
        self.seen |= other.seen
        self.failed |= other.failed


def run_chunk(span: tuple[int, int]) -> Tally:
    """Runs the seeds from the first up to but not including the second."""
    tally = Tally()
    gc.disable()
    for seed in range(*span):
        schedule = Schedule(seed)
        try:
            schedule.run()
        except Exception as error:
            tally.failed[seed] = f"{type(error).__name__}: {error}"
        tally.schedules += 1
        tally.events += schedule.events
        tally.seen |= schedule.checker.seen
        # States refer to older ones in no cycle; what the collector could find is small and made here only.
        if seed % 50 == 0:
            gc.collect(0)
    return tally


def run_many(first: int, count: int, processes: int) -> Iterator[Tally]:
    """The tallies of `count` seeds from `first` on, in chunks, on so many processes."""
    spans = [(begin, min(begin + CHUNK, first + count)) for begin in range(first, first + count, CHUNK)]
    if processes == 1:
        yield from map(run_chunk, spans)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(run_chunk, spans)


def report_failure(seed: int, why: str) -> None:
    """Prints how to see a failure again, and the smallest form of it that was found."""
    print(f"\nseed {seed} failed: {why}\nrepro: {REPRO.format(seed=seed)}\n", flush=True)
    print(readable(shrink(seed)))
    print("\nwhen it is mended, add the seed to tests/simulation/regressions.txt")


def main() -> None:
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one schedule")
    parser.add_argument("--trace", action="store_true", help="print every event and command of it")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=50_000, help="how many schedules")
    parser.add_argument("--processes", type=int, default=1, help="how many processes")
    options = parser.parse_args()
    if options.seed is not None:
        _one(options.seed, trace=options.trace)
        return
    total, began_s = Tally(), time.perf_counter()
    try:
        for tally in run_many(options.first, options.count, options.processes):
            total.add(tally)
            took_s = time.perf_counter() - began_s
            if sys.stderr.isatty():
                print(f"\r{total.schedules} schedules, {total.events / took_s:.0f} events/s", end="", file=sys.stderr)
            if total.failed:
                break
    except KeyboardInterrupt:
        sys.exit("\nstopped")
    took_s = time.perf_counter() - began_s
    print(
        f"{total.schedules} schedules of {total.events / max(1, total.schedules):.0f} events "
        f"(at least {EVENTS_BEFORE_REST}) in {took_s:.1f} s: {total.schedules / took_s:.0f} schedules/s, "
        f"{total.events / took_s:.0f} events/s on {options.processes} process(es)"
    )
    print(table(total.seen))
    for seed, why in sorted(total.failed.items())[:1]:
        report_failure(seed, why)
        sys.exit(1)
    if options.count >= 5_000 and (lacking := missing(total.seen)):
        sys.exit(f"never reached: {', '.join(lacking)}")


def _one(seed: int, *, trace: bool) -> None:
    lines: list[str] = []
    schedule = Schedule(seed, lambda event, transition: lines.append(readable([(event, transition)])))
    failure = ""
    try:
        schedule.run()
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    if trace:
        print(schedule.nature)
        print("\n".join(lines))
    print(f"seed {seed}: {schedule.events} events, {failure or 'nothing wrong'}")
    if failure:
        sys.exit(1)


if __name__ == "__main__":
    main()
