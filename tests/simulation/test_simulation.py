"""The session core under simulation: volume, regressions, teeth, determinism. `make sim` runs these."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from simulation.coverage import missing, table
from simulation.faults import FAULTS, PACKAGE, SCHEDULES_MAX, Fault, planted
from simulation.run import Tally, rate_of, run_many, story_of
from simulation.world import EVENTS_BEFORE_REST, Schedule

import voice_orchestrator.session

pytestmark = pytest.mark.sim

HERE = Path(__file__).parent
SCHEDULES = 50_000
TWICE_EVERY = 20
FAULTS_LEAST = 20
SESSION = Path(voice_orchestrator.session.__file__).parent


def regressions() -> list[tuple[int, str]]:
    """Seeds that once found something, with what it was."""
    lines = (HERE / "regressions.txt").read_text(encoding="utf-8").splitlines()
    return [(int(line.split()[0]), line.split(maxsplit=1)[1]) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(("seed", "found"), regressions())
def test_what_was_found_once_stays_mended(seed: int, found: str) -> None:
    del found
    Schedule(seed).run()


@pytest.mark.timeout(900)
def test_every_invariant_holds_in_every_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    total, began_s = Tally(), time.perf_counter()
    processes = len(os.sched_getaffinity(0))
    for tally in run_many(0, SCHEDULES, processes):
        total.add(tally)
        for seed, why in sorted(total.failed.items())[:1]:
            pytest.fail(story_of(seed, why, fenced=False))
    with capsys.disabled():
        print(f"\n{rate_of(total, time.perf_counter() - began_s)} on {processes} process(es)\n{table(total.seen)}")
    assert total.schedules == SCHEDULES
    assert total.events >= SCHEDULES * EVENTS_BEFORE_REST
    assert missing(total.seen) == []


# --- teeth


def test_there_are_enough_planted_faults_with_names_of_their_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= FAULTS_LEAST


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_has_its_place(fault: Fault) -> None:
    assert planted(SESSION / f"{fault.module}.py", fault)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(fault: Fault) -> None:
    finding = subprocess.run(
        [sys.executable, str(HERE / "faults.py"), fault.name], capture_output=True, text=True, check=True, timeout=280
    )
    schedules = finding.stdout.strip()
    assert schedules != "None", f"{SCHEDULES_MAX} schedules did not find it"
    print(f"{fault.name}: found by schedule {schedules} ({PACKAGE}.{fault.module})")


# --- determinism


def _start_digest(hash_seed: str) -> "subprocess.Popen[str]":
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from simulation.digest import digest_of\n"
        f"print(digest_of(range(0, {SCHEDULES}, {TWICE_EVERY})))\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", script, str(HERE.parent)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.timeout(900)
def test_a_seed_gives_the_same_trace_in_any_process() -> None:
    processes = [_start_digest("1"), _start_digest("2")]
    first, second = [process.communicate(timeout=600)[0] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert first == second != ""
