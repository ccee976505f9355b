"""Rules of the house that no linter knows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCE_FOLDERS = ("proto/src/voice_contract", "services", "tools", "bench")
SOURCES = sorted(path for folder in SOURCE_FOLDERS for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
NAMELESS = {"utils", "util", "common", "helpers", "misc", "base_utils"}
CLOCKS = {"clock.py"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Calls of dotted names in a file."""
    return [
        (ast.unparse(node.func), node)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_and_functions_can_be_read_in_one_go(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES_MAX, f"{lines} lines"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{node.name} has {length} lines"
    assert path.stem not in NAMELESS


@pytest.mark.parametrize("path", [path for path in SOURCES if "services" in path.parts], ids=name)
def test_services_read_the_clock_in_one_place(path: Path) -> None:
    if path.name in CLOCKS or "cli" in path.parts:
        return
    forbidden = {"time.time", "time.monotonic", "time.monotonic_ns", "time.sleep", "datetime.now", "uuid.uuid4"}
    used = {called for called, _ in calls(path)} & forbidden
    assert not used, used


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_queue_has_a_size(path: Path) -> None:
    for called, node in calls(path):
        if called in ("asyncio.Queue", "queue.Queue", "deque") and called != "deque":
            assert node.args or node.keywords, f"line {node.lineno}: a queue without a size"


@pytest.mark.parametrize("path", [path for path in SOURCES if "services" in path.parts], ids=name)
def test_every_task_has_an_owner(path: Path) -> None:
    for called, node in calls(path):
        if called in ("asyncio.ensure_future", "asyncio.create_task"):
            assert path.name in ("cancellable.py", "node.py"), f"line {node.lineno}: {called} outside a TaskGroup"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name)
def test_nothing_is_left_for_later_in_the_code(path: Path) -> None:
    words = "TO" + "DO|FIX" + "ME|XX" + "X"
    assert not re.search(rf"\b({words})\b", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_no_test_sleeps_to_pass(path: Path) -> None:
    if "support" in path.parts or "support.virtual_time" in path.read_text(encoding="utf-8"):
        return  # on virtual time a sleep is a timer of the script, and scripted engines have a pace
    for called, node in calls(path):
        if called in ("time.sleep", "asyncio.sleep") and node.args and isinstance(node.args[0], ast.Constant):
            assert node.args[0].value == 0, f"line {node.lineno}: a sleep of a fixed length"
