"""Which machine the figures belong to."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from voice_inference import __version__
from voice_inference.bench.findings import MachineFacts
from voice_inference.placement.machine import ThisMachine

LIBRARIES: Final = ("ctranslate2", "faster-whisper", "llama-cpp-python", "onnxruntime", "piper-tts", "numpy")


def machine_facts() -> MachineFacts:
    """What this machine is and has free now."""
    machine = ThisMachine()
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = {"voice-inference": __version__, "python": platform.python_version()}
    return MachineFacts(
        cpu=cpu_name(),
        cores=machine.cores(),
        memory_mb=memory_bytes >> 20,
        available_mb=machine.available_mb(),
        load=os.getloadavg()[0],
        versions=found | installed(LIBRARIES),
    )


def installed(names: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are there."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's own name, or its architecture."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
