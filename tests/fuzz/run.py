"""Fuzzes: `python tests/fuzz/run.py`, or one target: `--target wav --count 1000000`, or one input: `--seed 4711`.

Prints what was answered and each kind of failure with a one-line repro; exits 1 when there is one.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.supervisor import ENVIRONMENT, Total, run_spans, spans_of
from fuzz.target import PLANS, input_of, open_target
from fuzz.worker import CPU_S_MAX, MEMORY_MB_MAX, be_strict, bound_memory, limit_processor_time

REPRO: Final = ".venv/bin/python tests/fuzz/run.py --target {name} --seed {seed}"
SPAN: Final = 50_000
"""Inputs one process is given: enough to see memory grow."""
LINE_CHARS: Final = 110


def story_of(name: str, total: Total) -> str:
    """Every kind of failure, how to see it again, and what to do then."""
    lines = [f"{name}: {len(total.failures)} kinds of failure"]
    for kind, failure in sorted(total.failures.items(), key=lambda item: -item[1].count):
        lines += [
            f"\n{kind}, {failure.count} times; {failure.why}",
            REPRO.format(name=name, seed=failure.seed),
        ]
    return "\n".join([*lines, "\nwhen it is mended, add target and seed to tests/fuzz/regressions.txt"])


def rate_of(name: str, total: Total, took_s: float) -> str:
    """What was done, in one line."""
    took, refused = total.answered("took"), total.answered("refused")
    return (
        f"{name}: {total.cases} inputs of {total.input_bytes / max(1, total.cases):.0f} bytes in {took_s:.1f} s "
        f"({total.cases / took_s:.0f}/s): {took} taken, {refused} refused, {len(total.answers)} different answers; "
        f"{total.cpu_s:.1f} s of processor time, slowest {total.slowest_ms:.0f} ms (seed {total.slowest_seed}); "
        f"memory grew {total.grown_mb:.1f} MB to at most {total.peak_mb:.0f} MB"
    )


def fuzz(name: str, first: int, count: int, processes: int) -> tuple[Total, float]:
    """Gives a target inputs on so many processes; gives what came of it and how long it took, s."""
    total, began_s = Total(), time.perf_counter()
    length = min(SPAN, -(-count // processes))
    for tally in run_spans(spans_of(name, first, count, length), processes):
        total.add(tally)
        if sys.stderr.isatty():
            print(f"\r{name}: {total.cases} inputs, {len(total.failures)} failures", end="", file=sys.stderr)
    return total, time.perf_counter() - began_s


def one(name: str, seed: int, keep: Path | None) -> bool:
    """Shows the input of one seed and what comes of it; False when it fails."""
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as folder:
        target = open_target(name, Path(folder))
        data = input_of(target, name, seed)
        print(f"{len(data)} bytes: {data[:400]!r}{' ...' if len(data) > 400 else ''}", flush=True)
        if keep is not None:
            keep.write_bytes(data)
        be_strict()
        bound_memory(MEMORY_MB_MAX)
        limit_processor_time(CPU_S_MAX)
        try:
            print(target.check(data))
        except Exception:
            traceback.print_exc()
            return False
    return True


def main() -> None:
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=sorted(PLANS), help="only this one")
    parser.add_argument("--seed", type=int, help="run this one input of the target")
    parser.add_argument("--keep", type=Path, help="with --seed: write the input to this file")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, help="how many inputs; as many as the tests run when left out")
    parser.add_argument("--processes", type=int, default=1, help="how many processes")
    parser.add_argument("--answers", action="store_true", help="print how often each answer was given")
    options = parser.parse_args()
    if options.seed is not None:
        if options.target is None:
            parser.error("--seed needs --target")
        sys.exit(not one(options.target, options.seed, options.keep))
    failed = False
    for name in [options.target] if options.target else PLANS:
        total, took_s = fuzz(name, options.first, options.count or PLANS[name].count, options.processes)
        print(rate_of(name, total, took_s), flush=True)
        if options.answers:
            for answer, count in sorted(total.answers.items(), key=lambda item: -item[1]):
                print(f"{count:9} {answer[:LINE_CHARS]}")
        if total.failures:
            failed = True
            print(story_of(name, total), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
