"""A disk that is really full: a file system of a few hundred kilobytes in a namespace of its own."""

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

TIMEOUT_S: Final = 50.0
MAP_ROOT: Final = () if os.geteuid() == 0 else ("--map-root-user",)


@functools.cache
def can_be_made() -> bool:
    """Whether this machine lets a test mount a file system."""
    words = ("unshare", "--mount", *MAP_ROOT, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt")
    try:
        return subprocess.run(words, capture_output=True, check=False, timeout=TIMEOUT_S).returncode == 0
    except FileNotFoundError:
        return False


def run_on_small_disk(script: Path, folder: Path, size_kib: int, *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs a Python script to its end with `folder` on a disk of `size_kib`, which is gone afterwards."""
    shell = 'mount -t tmpfs -o "size=$1k,mode=700" tmpfs "$2" && shift 2 && exec "$@"'
    return subprocess.run(
        [
            *("unshare", "--mount", *MAP_ROOT, "sh", "-c", shell, "sh"),
            *(str(size_kib), str(folder), sys.executable, str(script), str(folder), *words),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )
