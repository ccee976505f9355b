"""The production fence, loudspeaker and playout under simulation: every sample is heard once, or not at all."""

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import pytest
from simulation.faults import SCHEDULES_MAX, Fault, planted
from simulation.fence_faults import FENCE_FAULTS
from simulation.run import Tally, rate_of, run_many, schedule_of, story_of

pytestmark = pytest.mark.sim

HERE = Path(__file__).parent
SCHEDULES = 4_000


def regressions() -> list[tuple[int, str]]:
    """Seeds that once found something, with what it was."""
    lines = (HERE / "regressions_fenced.txt").read_text(encoding="utf-8").splitlines()
    return [(int(line.split()[0]), line.split(maxsplit=1)[1]) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(("seed", "found"), regressions())
def test_what_was_found_once_behind_the_fence_stays_mended(seed: int, found: str) -> None:
    del found
    schedule_of(seed, fenced=True).run()


@pytest.mark.timeout(300)
def test_what_is_said_to_be_heard_is_what_the_ear_got(capsys: pytest.CaptureFixture[str]) -> None:
    total, began_s = Tally(), time.perf_counter()
    for tally in run_many(0, SCHEDULES, 1, fenced=True):
        total.add(tally)
        for seed, why in sorted(total.failed.items())[:1]:
            pytest.fail(story_of(seed, why, fenced=True))
    with capsys.disabled():
        print(f"\nfenced: {rate_of(total, time.perf_counter() - began_s)}")
    assert total.schedules == SCHEDULES


@pytest.mark.parametrize("fault", FENCE_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_the_fence_has_its_place(fault: Fault) -> None:
    source = importlib.util.find_spec(f"{fault.package}.{fault.module}")
    assert source is not None
    assert source.origin is not None
    assert planted(Path(source.origin), fault)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FENCE_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_the_fence_is_found(fault: Fault) -> None:
    finding = subprocess.run(
        [sys.executable, str(HERE / "fence_faults.py"), fault.name],
        capture_output=True,
        text=True,
        check=True,
        timeout=280,
    )
    schedules = finding.stdout.strip()
    assert schedules != "None", f"{SCHEDULES_MAX} schedules did not find it"
    print(f"{fault.name}: found by schedule {schedules} ({fault.package}.{fault.module})")
