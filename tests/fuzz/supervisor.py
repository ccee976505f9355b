"""Starts workers, several at a time, and turns the end of each into a tally: a worker that dies is a failure too."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, Final

from fuzz.worker import CPU_S_MAX, Failure, Tally

STANDSTILL_S: Final = 120
"""A worker whose seed stays the same for so long waits for something that will not come."""
DEATHS_MAX: Final = 50
"""After so many inputs that killed a worker the rest of the span is left alone."""
WHY_CHARS: Final = 3_000
SCRATCH: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where files under test are written: memory, where there is some."""
WORKER: Final = Path(__file__).with_name("worker.py")
ENVIRONMENT: Final = {"FUZZ_WORD": "words of the environment", "FUZZ_EMPTY": ""}
"""Variables that settings files under test name."""


@dataclass(frozen=True, slots=True)
class Span:
    """Seeds of one target for one worker; `fault` names a fault that is planted first and only has to be found once."""

    name: str
    first: int
    count: int
    fault: str = ""
    cpu_s_max: float = CPU_S_MAX
    standstill_s: float = STANDSTILL_S


@dataclass(slots=True)
class Total:
    """What came of all spans of one target."""

    cases: int = 0
    input_bytes: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    cpu_s: float = 0.0
    slowest_ms: float = 0.0
    slowest_seed: int = 0
    grown_mb: float = 0.0
    peak_mb: float = 0.0

    def add(self, tally: Tally) -> None:
        """Adds what a worker did."""
        self.cases += tally.cases
        self.input_bytes += tally.input_bytes
        self.cpu_s += tally.cpu_s
        for answer, count in tally.answers.items():
            self.answers[answer] = self.answers.get(answer, 0) + count
        for kind, failure in tally.failures.items():
            self.failures.setdefault(kind, Failure(failure.seed, failure.why, 0)).count += failure.count
        if tally.slowest_ms > self.slowest_ms:
            self.slowest_ms, self.slowest_seed = tally.slowest_ms, tally.slowest_seed
        self.grown_mb = max(self.grown_mb, tally.grown_mb)
        self.peak_mb = max(self.peak_mb, tally.peak_mb)

    def answered(self, how: str) -> int:
        """How many inputs were answered with what begins so."""
        return sum(count for answer, count in self.answers.items() if answer.startswith(how))


def spans_of(name: str, first: int, count: int, length: int) -> list[Span]:
    """Spans of at most `length` seeds."""
    return [Span(name, begin, min(length, first + count - begin)) for begin in range(first, first + count, length)]


def run_spans(spans: Iterable[Span], processes: int) -> Iterator[Tally]:
    """The tallies of spans in their order, so many at a time."""
    with ThreadPoolExecutor(processes) as pool:
        yield from pool.map(run_span, spans)


def run_span(span: Span) -> Tally:
    """What a worker made of a span; after an input that killed one, another goes on with the next."""
    total, first, end = Tally(), span.first, span.first + span.count
    for _ in range(1 if span.fault else DEATHS_MAX):
        tally, next_first = _run_worker(span, first, end - first)
        for kind, failure in tally.failures.items():
            total.failures.setdefault(kind, Failure(failure.seed, failure.why, 0)).count += failure.count
        if next_first == end:
            tally.failures = total.failures
            tally.cases += total.cases
            return tally
        total.cases += next_first - first
        first = next_first
        if first == end:
            break
    return total


def _run_worker(span: Span, first: int, count: int) -> tuple[Tally, int]:
    """The tally of a worker and the seed to go on with, which is the end of the span when the worker came there."""
    with TemporaryDirectory(dir=SCRATCH) as folder, TemporaryFile() as out, TemporaryFile() as errors:
        seed_file = Path(folder) / "seed"
        seed_file.write_bytes(first.to_bytes(8, "little"))
        command = [sys.executable, str(WORKER), span.name, str(first), str(count), folder]
        command += ["--cpu-seconds", str(span.cpu_s_max)]
        command += ["--fault", span.fault, "--until-failure"] if span.fault else []
        worker = subprocess.Popen(command, stdout=out, stderr=errors, env={**os.environ, **ENVIRONMENT})
        stood_still = _wait(worker, seed_file, span.standstill_s)
        seed = _seed(seed_file)
        out.seek(0)
        lines = [json.loads(line) for line in out.read().splitlines()]
        errors.seek(0)
        why = errors.read().decode(errors="replace").strip()[-WHY_CHARS:]
    code = worker.returncode
    if code == 0:
        plain = lines[-1]
        return Tally(**{**plain, "failures": _failures([plain["failures"]])}), first + count
    if code > 0 or -code in (signal.SIGINT, signal.SIGTERM):
        raise RuntimeError(f"the worker ended with exit code {code} at seed {seed}\n{why}")
    died = "stood still" if stood_still else _end_of(-code, span.cpu_s_max)
    return Tally(failures={**_failures(lines), died: Failure(seed, f"{died}\n{why}")}), seed + 1


def _failures(lines: list[dict[str, Any]]) -> dict[str, Failure]:
    return {kind: Failure(**failure) for line in lines for kind, failure in line.items()}


def _wait(worker: "subprocess.Popen[bytes]", seed_file: Path, standstill_s: float) -> bool:
    """Waits for the end of a worker; True when it stood still and was ended."""
    seed = -1
    while True:
        try:
            worker.wait(standstill_s)
            return False
        except subprocess.TimeoutExpired:
            if _seed(seed_file) == seed:
                worker.kill()
                worker.wait()
                return True
            seed = _seed(seed_file)


def _seed(seed_file: Path) -> int:
    return int.from_bytes(seed_file.read_bytes()[:8], "little")


def _end_of(number: int, cpu_s_max: float) -> str:
    if number == signal.SIGPROF:
        return f"took more than {cpu_s_max:g} s of processor time"
    return f"died of {signal.Signals(number).name}"
