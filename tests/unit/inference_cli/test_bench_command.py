"""`voice-inference bench` as a person meets it before anything is measured: options and one-line errors."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from support.placements import placement, placement_data, write_yaml

from voice_inference.bench.node_process import node_process, placement_yaml
from voice_inference.cli.main import group
from voice_inference.placement.model import Placement, load_placement
from voice_operations.command_line import EXIT_ERROR, run
from voice_operations.operator_error import OperatorError

EXIT_USAGE = 2


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Logging as it was."""
    yield
    structlog.reset_defaults()


def execute(*words: str) -> int:
    return run(lambda: group(["bench", *words], standalone_mode=False))


@pytest.mark.parametrize("callers", ["0", "two", "1,,2", "1;2", "-1", "1,1000", "", "\u0664"])
def test_callers_are_a_list_of_numbers(callers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("--callers", callers) == EXIT_USAGE
    assert "is not a list of numbers" in capsys.readouterr().err


def test_a_placement_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("--placement", str(tmp_path / "nowhere.yaml")) == EXIT_ERROR
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "nowhere.yaml" in line


def test_figures_that_could_not_be_kept_are_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("--json", str(tmp_path / "no" / "figures.json")) == EXIT_ERROR
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is no folder" in line


def test_missing_weights_are_named_with_the_command_that_brings_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = write_yaml(tmp_path, placement_data())
    assert execute("--placement", str(placed), "--cache", str(tmp_path / "empty")) == EXIT_ERROR
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert errors
    assert all("voice-inference models pull" in line for line in errors)


def test_a_folder_without_speech_is_said_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = write_yaml(tmp_path, placement_data())
    words = ("--placement", str(placed), "--speech", str(tmp_path), "--cache", str(tmp_path / "empty"))
    assert execute(*words) == EXIT_ERROR
    (line,) = capsys.readouterr().err.splitlines()
    assert "has no .wav file" in line


@pytest.mark.parametrize(
    "placed",
    [
        placement(),
        placement(llm={"engine": "ollama", "device": "remote", "options": {"host": "http://127.0.0.1:1", "x": 1.5}}),
        Placement.model_validate({**placement_data(), "limits": {"sessions": 9}, "listen": {"grpc": "127.0.0.1:7"}}),
    ],
)
def test_a_placement_is_written_as_it_is_read(placed: Placement, tmp_path: Path) -> None:
    path = tmp_path / "placement.yaml"
    path.write_text(placement_yaml(placed), encoding="utf-8")
    assert load_placement(path) == placed


def test_a_node_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    broken = placement(llm={"model": "no-such-model"})
    with (
        pytest.raises(OperatorError, match=r"did not come up: .*no-such-model"),
        node_process(broken, tmp_path, tmp_path),
    ):
        pass
