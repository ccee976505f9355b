"""The checks of `doctor`, each a function that finds one thing and says what mends it."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPException
from pathlib import Path
from typing import Final

from voice_contract.messages import NodeDescription
from voice_operations.security import ClientSecurity
from voice_operations.settings_file import SettingsError
from voice_orchestrator.profiles.loader import find_profile, known_profiles
from voice_orchestrator.runtime.grpc_inference import describe
from voice_orchestrator.runtime.ports import StreamLostError

MEMORY_MB_MIN: Final = 1_500
MEMORY_MB_TIGHT: Final = 3_000
DISK_MB_MIN: Final = 500
REACH_S: Final = 2.0
VERIFY_S: Final = 60.0
DEFAULT_PORTS: Final = (50061, 50062)


class Verdict(Enum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check; `remedy` is empty when nothing needs doing."""

    name: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def run_checks(inference: str, security: ClientSecurity, out: Path) -> list[Finding]:
    """All checks, in the order in which they build on each other; `inference` is HOST:PORT."""
    node = _describe(inference, security)
    checks: list[Callable[[], Finding]] = [
        check_python,
        check_cores,
        check_memory,
        check_cpu_features,
        check_profiles,
        lambda: check_output(out),
        check_models,
        lambda: check_inference(inference, node),
        lambda: check_ports(inference, node),
    ]
    findings = [check() for check in checks]
    if (node is not None and any(engine.engine == "ollama" for engine in node.engines)) or os.environ.get(
        "OLLAMA_HOST"
    ):
        findings.append(check_ollama())
    return findings


def _describe(inference: str, security: ClientSecurity) -> NodeDescription | None:
    try:
        return asyncio.run(describe(inference, REACH_S, security))
    except StreamLostError:
        return None


def check_python() -> Finding:
    """The interpreter's version."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info[:2] >= (3, 11)
    return Finding(
        name="python",
        verdict=Verdict.OK if good else Verdict.FAIL,
        detail=version,
        remedy="" if good else "install Python 3.11 and run `make setup PYTHON=python3.11`",
    )


def check_cores() -> Finding:
    """Cores this process may use."""
    cores = len(os.sched_getaffinity(0))
    return Finding(
        name="cpu cores",
        verdict=Verdict.OK if cores >= 2 else Verdict.WARN,
        detail=str(cores),
        remedy="" if cores >= 2 else "two cores are needed for a reply in about a second",
    )


def check_memory() -> Finding:
    """Memory that is free."""
    available_mb = 0
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            available_mb = int(line.split()[1]) >> 10
    verdict, remedy = Verdict.OK, ""
    if available_mb < MEMORY_MB_MIN:
        verdict, remedy = Verdict.FAIL, f"the default placement needs about {MEMORY_MB_MIN} MB: end other programs"
    elif available_mb < MEMORY_MB_TIGHT:
        verdict, remedy = Verdict.WARN, "enough for the default placement, tight for larger models"
    return Finding(name="memory", verdict=verdict, detail=f"{available_mb} MB available", remedy=remedy)


def check_cpu_features() -> Finding:
    """Vector instructions the engines are fast with."""
    flags: set[str] = set()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("flags"):
            flags = set(line.partition(":")[2].split())
            break
    present = [name for name in ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if name in flags]
    good = "avx2" in flags
    return Finding(
        name="cpu features",
        verdict=Verdict.OK if good else Verdict.WARN,
        detail=", ".join(present) or "no AVX2",
        remedy="" if good else "without AVX2 every engine is several times slower: use a newer machine",
    )


def check_profiles() -> Finding:
    """Whether every profile can be used."""
    names = known_profiles()
    problems: list[str] = []
    for name in names:
        try:
            find_profile(name)
        except SettingsError as error:
            problems.extend(error.problems)
    if problems:
        return Finding(name="profiles", verdict=Verdict.FAIL, detail=problems[0], remedy="mend the file")
    if not names:
        remedy = "run in the checkout, or set VOICE_AGENT_PROFILES to a folder with profiles"
        return Finding(name="profiles", verdict=Verdict.FAIL, detail="none found", remedy=remedy)
    return Finding(name="profiles", verdict=Verdict.OK, detail=", ".join(names))


def check_output(out: Path) -> Finding:
    """Whether calls can be kept in `out`."""
    folder = out
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        remedy = "choose another folder with --out"
        detail = f"{folder} is not writable" if folder.is_dir() else f"{folder} is a file"
        return Finding(name="output folder", verdict=Verdict.FAIL, detail=detail, remedy=remedy)
    free_mb = shutil.disk_usage(folder).free >> 20
    good = free_mb >= DISK_MB_MIN
    return Finding(
        name="output folder",
        verdict=Verdict.OK if good else Verdict.WARN,
        detail=f"{out}, {free_mb} MB free",
        remedy="" if good else "free some space: a recording takes 4 MB a minute",
    )


def check_models() -> Finding:
    """Whether the weights are there and right, asked of the inference node's own command when it is installed."""
    command = Path(sys.executable).with_name("voice-inference")
    if not command.exists():
        detail = "voice-inference is not installed here, its machine has to be asked"
        return Finding(name="models", verdict=Verdict.WARN, detail=detail)
    try:
        done = subprocess.run(
            [command, "models", "verify", "--json"], capture_output=True, text=True, timeout=VERIFY_S, check=False
        )
        models = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, OSError, ValueError):
        remedy = "run `voice-inference models verify`"
        return Finding(name="models", verdict=Verdict.FAIL, detail="could not be verified", remedy=remedy)
    wrong = [model for model in models if model["state"] != "present"]
    if wrong:
        detail = ", ".join(f"{model['name']} is {model['state']}" for model in wrong)
        return Finding(name="models", verdict=Verdict.FAIL, detail=detail, remedy=f"run `{wrong[0]['remedy']}`")
    return Finding(name="models", verdict=Verdict.OK, detail=", ".join(model["name"] for model in models))


def check_inference(inference: str, node: NodeDescription | None) -> Finding:
    """Whether the node answers and takes sessions."""
    if node is None:
        return Finding(
            name="inference node",
            verdict=Verdict.FAIL,
            detail=f"none answers at {inference}",
            remedy="start one with `voice-inference serve`",
        )
    if not node.ready:
        detail = f"{inference} is loading its models or draining"
        return Finding(name="inference node", verdict=Verdict.WARN, detail=detail, remedy="wait for it")
    engines = ", ".join(f"{engine.stage.value}: {engine.engine} on {engine.device}" for engine in node.engines)
    room = f"{node.free_session_slots} of {node.session_slots} sessions free"
    return Finding(name="inference node", verdict=Verdict.OK, detail=f"{inference}: {engines}; {room}")


def check_ports(inference: str, node: NodeDescription | None) -> Finding:
    """Whether a node could be started on the default ports."""
    taken = [port for port in DEFAULT_PORTS if _in_use(port)]
    if not taken:
        return Finding(name="ports", verdict=Verdict.OK, detail=f"{DEFAULT_PORTS[0]} and {DEFAULT_PORTS[1]} are free")
    used = " and ".join(str(port) for port in taken)
    if node is not None and int(inference.rpartition(":")[2]) in taken:
        return Finding(name="ports", verdict=Verdict.OK, detail=f"{used} in use by the inference node")
    remedy = "end the program that uses them, or start the node with --grpc and --http on other ports"
    return Finding(name="ports", verdict=Verdict.WARN, detail=f"{used} in use by another program", remedy=remedy)


def _in_use(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(REACH_S)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check_ollama() -> Finding:
    """Whether the Ollama server answers."""
    host = os.environ.get("OLLAMA_HOST", "127.0.0.1:11434")
    address = host if "://" in host else f"http://{host}"
    if address.rpartition("/")[2].count(":") == 0:
        address = f"{address}:11434"
    try:
        with urllib.request.urlopen(f"{address}/api/version", timeout=REACH_S) as response:
            version = json.load(response)["version"]
    except (urllib.error.URLError, HTTPException, OSError, ValueError, KeyError, TypeError):
        remedy = "start it with `ollama serve`, or set OLLAMA_HOST"
        return Finding(name="ollama", verdict=Verdict.FAIL, detail=f"does not answer at {address}", remedy=remedy)
    return Finding(name="ollama", verdict=Verdict.OK, detail=f"{version} at {address}")
