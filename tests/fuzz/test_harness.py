"""What would not be found if the fuzzer were blind: planted faults, hangs, crashes; and that a seed is an input."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.planted import FAULTS, Found, source_of
from fuzz.run import story_of
from fuzz.supervisor import STANDSTILL_S, Span, Total, run_span
from fuzz.target import PLANS
from simulation.faults import planted

pytestmark = pytest.mark.fuzz

HERE = Path(__file__).parent
INPUTS_MAX = 20_000


def name_of(found: Found) -> str:
    return f"{found.target}: {found.fault.name}"


@pytest.mark.parametrize("found", FAULTS, ids=name_of)
def test_a_planted_fault_has_its_place(found: Found) -> None:
    assert planted(source_of(found.fault), found.fault)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("found", FAULTS, ids=name_of)
def test_a_planted_fault_is_found_and_told_with_its_repro(found: Found) -> None:
    # On a busy machine what takes long stands still as well: only what never comes is not waited for.
    patience_s = 2.0 if found.says == "stood still" else STANDSTILL_S
    tally = run_span(Span(found.target, 0, INPUTS_MAX, found.fault.name, found.cpu_s_max, patience_s))
    assert tally.failures, f"{tally.cases} inputs did not find it"
    ((kind, failure),) = tally.failures.items()
    assert found.says in f"{kind} {failure.why}"
    total = Total()
    total.add(tally)
    repro = f".venv/bin/python tests/fuzz/run.py --target {found.target} --seed {failure.seed}"
    assert repro in story_of(found.target, total).splitlines()


def test_the_seed_of_an_input_that_ends_the_process_is_told() -> None:
    tally = run_span(Span("wav", 0, INPUTS_MAX, "the end of the process"))
    ((kind, failure),) = tally.failures.items()
    assert kind == "died of SIGABRT"
    assert "wav_reader.py" in failure.why
    assert failure.seed < INPUTS_MAX


def test_a_worker_that_cannot_begin_is_no_failure_of_an_input() -> None:
    with pytest.raises(RuntimeError, match=r"exit code 1 at seed 7\n(?s:.*)KeyError"):
        run_span(Span("no such target", 7, 1))


def test_there_is_a_fault_for_every_target() -> None:
    assert {found.target for found in FAULTS} == set(PLANS)
    assert len({found.fault.name for found in FAULTS}) == len(FAULTS)


# --- a seed is an input


def _start_digest(hash_seed: str) -> "subprocess.Popen[str]":
    script = (
        "import hashlib, sys, tempfile\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from fuzz.target import PLANS, input_of, open_target\n"
        "for name in PLANS:\n"
        "    with tempfile.TemporaryDirectory() as folder:\n"
        "        target = open_target(name, Path(folder))\n"
        "        inputs = [input_of(target, name, seed) for seed in range(300)]\n"
        "    print(name, len(set(inputs)), hashlib.sha256(b''.join(inputs)).hexdigest())\n"
    )
    command = [sys.executable, "-c", script, str(HERE.parent)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONHASHSEED": hash_seed})


def test_a_seed_gives_the_same_input_in_any_process() -> None:
    processes = [_start_digest("1"), _start_digest("2")]
    first, second = [process.communicate(timeout=50)[0] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert first == second
    assert [line.split()[0] for line in first.splitlines()] == list(PLANS)
    assert all(int(line.split()[1]) >= 200 for line in first.splitlines())
