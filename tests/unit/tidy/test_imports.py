"""Which part may know which other part."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCES = (
    ROOT / "proto/src/voice_contract",
    ROOT / "services/operations/src/voice_operations",
    ROOT / "services/orchestrator/src/voice_orchestrator",
    ROOT / "services/inference/src/voice_inference",
)
SESSION = ROOT / "services/orchestrator/src/voice_orchestrator/session"
PURE = {"collections.abc", "dataclasses", "enum", "functools", "itertools", "math", "operator", "re", "typing"}


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Modules a file imports, by full name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_layers_are_kept() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", python_files(SESSION), ids=lambda path: str(path.name))
def test_the_session_core_imports_nothing_impure(path: Path) -> None:
    allowed = (
        "voice_contract.messages",
        "voice_contract.failures",
        "voice_contract.audio",
        "voice_orchestrator.session",
    )
    for module in imported(path):
        inside = module.startswith((*allowed, "voice_orchestrator.session"))
        assert inside or module in PURE or module.rpartition(".")[0] in PURE, f"{path.name} imports {module}"


def test_generated_messages_are_translated_in_one_place() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in python_files(*SOURCES)
        if any("_pb2" in module and "_pb2_grpc" not in module and "voice_agent" in module for module in imported(path))
    }
    parts = ("codec", "codec_edge", "codec_inference", "codec_values")
    assert users == {f"proto/src/voice_contract/{part}.py" for part in parts}


def test_each_side_knows_its_stub_in_one_place() -> None:
    users = {
        path.name for path in python_files(*SOURCES) if any("service_pb2_grpc" in module for module in imported(path))
    }
    assert users == {
        "servicer.py",
        "grpc_inference.py",
        "edge_servicer.py",
        "edge_server.py",
        "edge_client.py",
        "node_stream.py",
    }
