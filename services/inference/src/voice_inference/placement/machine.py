"""What this machine has: cores, memory, GPUs."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One CUDA device; memory in MB."""

    name: str
    free_mb: int


class MachineProbe(Protocol):
    """Asks a machine what it has."""

    def cores(self) -> int:
        """Cores this process may use."""

    def available_mb(self) -> int:
        """Memory that can be had without swapping, MB."""

    def gpus(self) -> tuple[Gpu, ...]:
        """CUDA devices in order; asks torch, which is imported for it."""


class ThisMachine:
    """The machine the process runs on."""

    def cores(self) -> int:
        """See MachineProbe."""
        return len(os.sched_getaffinity(0))

    def available_mb(self) -> int:
        """See MachineProbe; the smaller of the kernel's estimate and the control group's limit."""
        texts = [path.read_text().strip() for path in CGROUP_LIMITS if path.exists()]
        return min([_meminfo_mb(), *(int(text) >> 20 for text in texts if text.isdigit())])

    def gpus(self) -> tuple[Gpu, ...]:
        """See MachineProbe; without torch there is no engine here that could use one."""
        if importlib.util.find_spec("torch") is None:
            return ()
        import torch

        if not torch.cuda.is_available():
            return ()
        found = []
        for index in range(torch.cuda.device_count()):
            free_bytes, _ = torch.cuda.mem_get_info(index)
            found.append(Gpu(name=torch.cuda.get_device_name(index), free_mb=free_bytes >> 20))
        return tuple(found)


def _meminfo_mb() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return 0
