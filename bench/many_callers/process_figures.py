"""What a process uses, as the kernel counts it: processor time, memory, threads, open files. Linux."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
UTIME, STIME = 11, 12
"""Places in /proc/PID/stat, counted behind the name in brackets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """At one moment. `cpu_s` is of all threads since the process began."""

    cpu_s: float
    rss_bytes: int
    threads: int
    files: int


def usage_of(pid: int) -> Usage:
    """What the process `pid` uses now; raises OSError when it is gone."""
    folder = Path(f"/proc/{pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
    return Usage(
        cpu_s=(int(fields[UTIME]) + int(fields[STIME])) / TICKS_PER_S,
        rss_bytes=int(status["VmRSS"].split()[0]) * 1_024,
        threads=int(status["Threads"]),
        files=len(os.listdir(folder / "fd")),
    )


def load_now() -> float:
    """How many processes want a core, over the last minute: what else the machine was doing."""
    return os.getloadavg()[0]
