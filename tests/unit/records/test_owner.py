"""Which processes are known to be alive: by a lock that goes with them."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from voice_orchestrator.records.owner import (
    HOUSEKEEPING_FILE,
    OWNERS_FOLDER,
    Owner,
    housekeeping,
    is_alive,
    tidy_owners,
)

CHILD = """
import sys
from pathlib import Path
from voice_orchestrator.records.owner import Owner
owner = Owner(Path(sys.argv[1]))
owner.take()
print(owner.id, flush=True)
sys.stdin.read()
"""


def test_a_process_is_alive_until_it_is_killed(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        assert is_alive(tmp_path, name)
        tidy_owners(tmp_path)
        assert is_alive(tmp_path, name)
        child.kill()
        child.wait(20)
    assert not is_alive(tmp_path, name)
    assert os.listdir(tmp_path / OWNERS_FOLDER) == []


def test_an_owner_knows_itself_and_gives_back(tmp_path: Path) -> None:
    owner, other = Owner(tmp_path / "data"), Owner(tmp_path / "data")
    owner.take()
    other.take()
    first = owner.id
    owner.take()
    assert owner.id == first != other.id
    assert is_alive(tmp_path / "data", first)
    owner.give_back()
    owner.give_back()
    assert not is_alive(tmp_path / "data", first)
    assert is_alive(tmp_path / "data", other.id)
    other.give_back()
    assert (tmp_path / "data" / HOUSEKEEPING_FILE).exists()
    assert os.listdir(tmp_path / "data" / OWNERS_FOLDER) == []


def test_it_is_taken_once_however_many_threads_take_it(tmp_path: Path) -> None:
    owner, ready = Owner(tmp_path), threading.Barrier(8)

    def take() -> None:
        ready.wait(20)
        owner.take()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert os.listdir(tmp_path / OWNERS_FOLDER) == [owner.id]
    owner.give_back()


def test_housekeeping_holds_up_nobody_who_begins_to_write(tmp_path: Path) -> None:
    with housekeeping(tmp_path):
        Owner(tmp_path).take()


@pytest.mark.parametrize("name", ["", "gone", "../.owners/x", "/etc/passwd"])
def test_a_name_nobody_has_is_nobody(tmp_path: Path, name: str) -> None:
    Owner(tmp_path).take()
    assert not is_alive(tmp_path, name)
