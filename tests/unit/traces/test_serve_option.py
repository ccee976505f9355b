"""What a person who asks for traces is told when there can be none."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from voice_operations.command_line import EXIT_ERROR, run
from voice_orchestrator.cli.main import group

PROFILE = "system_prompt: You answer the telephone of a clinic.\n"


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """The command sets the logs of the process up, for a stream that is closed with the test."""
    yield
    structlog.reset_defaults()


def places(folder: Path) -> list[str]:
    """Where a server with one profile would be."""
    profiles = folder / "profiles"
    profiles.mkdir()
    (profiles / "clinic.yaml").write_text(PROFILE, encoding="utf-8")
    return ["serve", "--listen", "127.0.0.1:0", "--profiles", str(profiles), "--data", str(folder / "data")]


def serve(folder: Path, *arguments: str) -> int:
    """Exit code of the command."""
    return run(lambda: group([*places(folder), *arguments], standalone_mode=False))


def the_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that was said, and nothing else."""
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


def test_a_place_in_the_clear_beyond_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(tmp_path, "--traces", "http://collector.example:4317") == EXIT_ERROR
    assert "collector.example:4317: not this machine, so traces go there over https:// only" in the_error(capsys)


def test_a_place_in_the_environment_is_looked_at_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICE_AGENT_TRACES", "nowhere")
    assert serve(tmp_path) == EXIT_ERROR
    assert "nowhere is not HOST:PORT" in the_error(capsys)


def test_packages_that_are_not_there(tmp_path: Path) -> None:
    program = f"""
import sys
sys.modules["opentelemetry.exporter.otlp.proto.grpc.trace_exporter"] = None
from voice_orchestrator.cli.main import main
sys.argv = {["voice-orchestrator", *places(tmp_path), "--traces", "127.0.0.1:4317"]!r}
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stdout) == (EXIT_ERROR, "")
    (line,) = done.stderr.splitlines()
    assert "pip install -r requirements/traces.txt" in line
