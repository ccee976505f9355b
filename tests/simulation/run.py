"""Runs schedules: `python tests/simulation/run.py --count 50000`, or one of them: `--seed 4711 --trace`.

Prints the rate and what was reached; the first failing seed is printed as a one-line repro, shrunk, and exits 1.
"""

import argparse
import gc
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from simulation.coverage import missing, table
from simulation.fenced import FencedSchedule
from simulation.shrink import readable, shrink
from simulation.stage import Observer
from simulation.world import EVENTS_BEFORE_REST, Schedule

REPRO: Final = ".venv/bin/python tests/simulation/run.py{kind} --seed {seed} --trace"
CHUNK: Final = 250
COLLECT_EVERY: Final = 50


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


def schedule_of(seed: int, *, fenced: bool, observer: Observer | None = None) -> Schedule:
    """The schedule of a seed; `fenced`: with the production fence, loudspeaker and playout in it."""
    return FencedSchedule(seed, observer) if fenced else Schedule(seed, observer)


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Nothing is looked for among what was there before, and only when it is said."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def run_chunk(chunk: tuple[int, int, bool]) -> Tally:
    """Runs the seeds from the first up to but not including the second, fenced or not."""
    first, end, fenced = chunk
    tally = Tally()
    with collector_at_rest():
        for seed in range(first, end):
            _run_one(seed, tally, fenced=fenced)
            if seed % COLLECT_EVERY == 0:
                gc.collect()
    return tally


def _run_one(seed: int, tally: Tally, *, fenced: bool) -> None:
    schedule = schedule_of(seed, fenced=fenced)
    try:
        schedule.run()
    except Exception as error:
        tally.failed[seed] = f"{type(error).__name__}: {error}"
    tally.schedules += 1
    tally.events += schedule.events
    tally.seen |= schedule.checker.seen


def run_many(first: int, count: int, processes: int, *, fenced: bool = False) -> Iterator[Tally]:
    """The tallies of `count` seeds from `first` on, in chunks, on so many processes."""
    spans = [(begin, min(begin + CHUNK, first + count), fenced) for begin in range(first, first + count, CHUNK)]
    if processes == 1:
        yield from map(run_chunk, spans)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(run_chunk, spans)


def story_of(seed: int, why: str, *, fenced: bool) -> str:
    """How to see a failure again, and the smallest form of it that was found."""
    repro = REPRO.format(seed=seed, kind=" --fenced" if fenced else "")
    trace = readable(shrink(seed, FencedSchedule if fenced else Schedule))
    return f"seed {seed} failed: {why}\nrepro: {repro}\n\n{trace}"


def rate_of(total: Tally, took_s: float) -> str:
    """How many schedules and events that was, and how fast."""
    return (
        f"{total.schedules} schedules of {total.events / max(1, total.schedules):.0f} events "
        f"(at least {EVENTS_BEFORE_REST}) in {took_s:.1f} s: {total.schedules / took_s:.0f} schedules/s, "
        f"{total.events / took_s:.0f} events/s"
    )


def report_failure(seed: int, why: str, *, fenced: bool) -> None:
    """Prints the story of a failure."""
    print(f"\n{story_of(seed, why, fenced=fenced)}", flush=True)
    print("\nwhen it is mended, add the seed to tests/simulation/regressions.txt")


def main() -> None:
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one schedule")
    parser.add_argument("--trace", action="store_true", help="print every event and command of it")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=50_000, help="how many schedules")
    parser.add_argument("--processes", type=int, default=1, help="how many processes")
    parser.add_argument("--fenced", action="store_true", help="with the production fence, loudspeaker and playout")
    options = parser.parse_args()
    if options.seed is not None:
        _one(options.seed, trace=options.trace, fenced=options.fenced)
        return
    total, began_s = Tally(), time.perf_counter()
    try:
        for tally in run_many(options.first, options.count, options.processes, fenced=options.fenced):
            total.add(tally)
            took_s = time.perf_counter() - began_s
            if sys.stderr.isatty():
                print(f"\r{total.schedules} schedules, {total.events / took_s:.0f} events/s", end="", file=sys.stderr)
            if total.failed:
                break
    except KeyboardInterrupt:
        sys.exit("\nstopped")
    took_s = time.perf_counter() - began_s
    print(f"{rate_of(total, took_s)} on {options.processes} process(es)")
    print(table(total.seen))
    for seed, why in sorted(total.failed.items())[:1]:
        report_failure(seed, why, fenced=options.fenced)
        sys.exit(1)
    if options.count >= 5_000 and (lacking := missing(total.seen)):
        sys.exit(f"never reached: {', '.join(lacking)}")


def _one(seed: int, *, trace: bool, fenced: bool) -> None:
    lines: list[str] = []
    schedule = schedule_of(
        seed, fenced=fenced, observer=lambda event, transition: lines.append(readable([(event, transition)]))
    )
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
