"""The benches of many callers in small: real processes that are killed, stopped, drained and crowded by signal.

What is asserted are counts; what they measure is told by the benches themselves.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHES = Path(__file__).resolve().parents[2] / "bench" / "many_callers"
pytestmark = pytest.mark.timeout(150)


def run(bench: str, folder: Path, *options: str) -> dict[str, Any]:
    """What a bench found."""
    found = folder / "found.json"
    command = [sys.executable, str(BENCHES / f"{bench}.py"), *options, f"--json={found}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=140, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    figures: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return figures


def test_nodes_that_are_killed_cost_no_call_and_nothing_is_said_twice(tmp_path: Path) -> None:
    found = run("node_kills", tmp_path, "--kills=4", "--sessions=4")
    assert (found["lost"], found["never_moved"], found["twice"]) == (0, 0, 0)
    assert found["sessions_met"] > 0


def test_a_node_that_hangs_is_left_and_harms_nobody_when_it_goes_on(tmp_path: Path) -> None:
    found = run("node_stops", tmp_path, "--stops=1", "--sessions=4")
    assert (found["lost"], found["never_moved"], found["twice"]) == (0, 0, 0)


def test_who_finds_no_seat_is_told_so_and_takes_nobody_elses(tmp_path: Path) -> None:
    found = run("overload", tmp_path, "--sessions=6", "--window=3")
    assert found["attempts"] > 0
    assert (found["taken_beyond"], found["without_hint"], found["lost"]) == (0, 0, [])


def test_every_process_can_be_replaced_under_running_calls(tmp_path: Path) -> None:
    found = run("rolling_restart", tmp_path, "--sessions=6")
    assert found["dropped"] == 0
    assert found["node_exit_codes"] == [0, 0, 0]
    shutdown = found["shutdown"]
    assert (shutdown["kept"], shutdown["exit_code"]) == (shutdown["running"], 0)
    assert all("draining" in why for why in shutdown["late"])


def test_calls_leave_no_task_behind(tmp_path: Path) -> None:
    found = run("churn", tmp_path, "--sessions=400", "--rest=12")
    assert found["failed"] == {}
    assert found["after"]["tasks"] == found["before"]["tasks"]
    assert found["after"]["files"] <= found["before"]["files"]
