"""Gives one target a span of inputs in a process of its own, whose end tells of hangs, crashes and greed.

Every warning is an error here. The seed at work stands in a small file, so that whoever started the process knows the
input that killed it: an input may take CPU_S_MAX seconds of processor time, then SIGPROF ends the process with a
traceback, inside a C library as well; memory beyond MEMORY_MB_MAX more than was there is not to be had.
"""

import argparse
import faulthandler
import gc
import json
import mmap
import resource
import signal
import sys
import time
import traceback
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

CPU_S_MAX: Final = 5.0
MEMORY_MB_MAX: Final = 512
WHY_CHARS: Final = 2_000
WARM_UP: Final = 500
"""Inputs after which a process has everything it will need."""
PAGE_BYTES: Final = resource.getpagesize()
ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Failure:
    """A kind of failure: the first input that showed it, what happened, and how often it did."""

    seed: int
    why: str
    count: int = 1


@dataclass(slots=True)
class Tally:
    """What came of the inputs of one process: processor time, and memory it holds, MB."""

    cases: int = 0
    input_bytes: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    cpu_s: float = 0.0
    slowest_ms: float = 0.0
    slowest_seed: int = 0
    warm_mb: float = 0.0
    end_mb: float = 0.0
    peak_mb: float = 0.0

    @property
    def grown_mb(self) -> float:
        """How much more the process held at its end than when it was warm."""
        return self.end_mb - self.warm_mb


def held_mb() -> float:
    """Resident memory of this process, MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 2**20


def peak_mb() -> float:
    """The most this process held, MB; getrusage would count what its parent held."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return next(int(line.split()[1]) / 1_024 for line in status.splitlines() if line.startswith("VmHWM"))


def bound_memory(more_mb: int) -> None:
    """From here on the process gets `more_mb` and no more."""
    now_bytes = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * PAGE_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now_bytes + (more_mb << 20), hard))


def kind_of(error: BaseException) -> str:
    """The type of an error and the last line of this project that it passed: equal kinds have one cause."""
    where = "nowhere"
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and ".venv" not in path.parts:
            where = f"{path.relative_to(ROOT)}:{frame.lineno}"
    return f"{type(error).__name__} at {where}"


def limit_processor_time(cpu_s: float) -> None:
    """The process ends with a traceback when it takes so much from here on; 0: without limit."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)


def be_strict() -> None:
    """Warnings are errors; crashes and SIGPROF say where they came."""
    warnings.simplefilter("error")
    # What Python's patterns may mean one day is no concern of whoever writes one into a schema.
    warnings.filterwarnings("ignore", "Possible ", FutureWarning)
    faulthandler.enable()
    # Chained, the signal does after the traceback what it always does: it ends the process.
    faulthandler.register(signal.SIGPROF, chain=True)


def run_span(options: argparse.Namespace, seed_at_work: mmap.mmap) -> Tally:
    """Gives the target the inputs of `count` seeds from `first` on."""
    from fuzz.target import input_of, open_target

    name: str = options.name
    target, tally = open_target(name, options.folder), Tally()
    tally.warm_mb = held_mb()
    bound_memory(2 * MEMORY_MB_MAX)
    for seed in range(options.first, options.first + options.count):
        seed_at_work[:8] = seed.to_bytes(8, "little")
        limit_processor_time(options.cpu_seconds)
        began_s = time.process_time()
        try:
            data = input_of(target, name, seed)
            tally.input_bytes += len(data)
            answer = target.check(data)
            tally.answers[answer] = tally.answers.get(answer, 0) + 1
        except Exception as error:
            _note(tally, kind_of(error), Failure(seed, f"{type(error).__name__}: {error}"[:WHY_CHARS]))
        took_s = time.process_time() - began_s
        tally.cpu_s += took_s
        if took_s * 1_000 > tally.slowest_ms:
            tally.slowest_ms, tally.slowest_seed = took_s * 1_000, seed
        tally.cases += 1
        if tally.failures and options.until_failure:
            break
        if tally.cases == WARM_UP:
            tally.warm_mb = held_mb()
            bound_memory(MEMORY_MB_MAX)
    limit_processor_time(0)
    tally.end_mb = held_mb()
    tally.peak_mb = peak_mb()
    return tally


def _note(tally: Tally, kind: str, failure: Failure) -> None:
    """Counts a failure; one of a new kind is told at once, as the next input may end the process."""
    known = tally.failures.setdefault(kind, failure)
    if known is not failure:
        known.count += 1
        return
    print(json.dumps({kind: asdict(failure)}), flush=True)


def main() -> None:
    """Runs a span; prints each new kind of failure and at last the tally, a line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path, help="for files; holds `seed`, where the seed at work is written")
    parser.add_argument("--cpu-seconds", type=float, default=CPU_S_MAX)
    parser.add_argument("--fault", default="", help="plant this fault first")
    parser.add_argument("--until-failure", action="store_true", help="stop at the first")
    options = parser.parse_args()
    be_strict()
    if options.fault:
        from fuzz.planted import plant

        plant(options.fault)
    with (options.folder / "seed").open("r+b") as stream:
        tally = run_span(options, mmap.mmap(stream.fileno(), 8))
    print(json.dumps(asdict(tally)))


if __name__ == "__main__":
    main()
