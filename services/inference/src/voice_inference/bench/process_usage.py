"""What a process uses, as the kernel counts it: processor time, memory, libraries. Linux."""

import os
from pathlib import Path
from typing import Final

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
UTIME, STIME = 11, 12
"""Places in /proc/PID/stat, counted behind the name in brackets."""


def cpu_s(pid: int) -> float:
    """Processor seconds of all its threads since it began; raises OSError when it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[UTIME]) + int(fields[STIME])) / TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Memory it holds, MB; raises OSError when it is gone."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1_024
    return 0.0


def has_loaded(pid: int, library: str) -> bool:
    """Whether it has a file with `library` in its name in its memory."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    return any(library in line.rpartition("/")[2] for line in maps.splitlines() if "/" in line)
