"""`voice-inference models` as a person meets it: lines, exit codes, JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
import yaml
from support.placements import placement_data

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_inference.catalogue.table import CATALOGUE, WHISPER_BASE
from voice_inference.cli.default_placement import default_placement
from voice_inference.cli.main import group
from voice_inference.cli.models import needed_by
from voice_operations.command_line import EXIT_ERROR, EXIT_INTERRUPTED, run
from voice_operations.operator_error import OperatorError

EXIT_USAGE = 2
BUNDLED = "silero-vad"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, a placement that needs four models, and nothing else."""
    placement = tmp_path / "placement.yaml"
    placement.write_text(yaml.safe_dump(placement_data()), encoding="utf-8")
    monkeypatch.setenv("VOICE_AGENT_MODELS", str(tmp_path / "cache"))
    monkeypatch.setenv("VOICE_AGENT_PLACEMENT", str(placement))
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "cache"
    structlog.reset_defaults()


def execute(*words: str) -> int:
    return run(lambda: group(list(words), standalone_mode=False))


def errors(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines on stderr, every one an error."""
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("error: ") for line in lines), lines
    return [line.removeprefix("error: ") for line in lines]


def test_the_list_names_every_model_with_its_state(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    assert execute("models", "list") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    states = {line.split()[0]: "present" in line.split() for line in lines[1:]}
    assert states == {name: name == BUNDLED for name in CATALOGUE.models}
    assert last == f"cache: {cache}"


def test_the_list_as_json_is_one_document(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    (cache / "whisper-base").mkdir(parents=True)
    (cache / "whisper-base" / "config.json").write_text("{}")
    assert execute("models", "list", "--json") == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    by_name = {row["name"]: row for row in rows}
    assert list(by_name) == list(CATALOGUE.models)
    assert (by_name[BUNDLED]["state"], by_name[BUNDLED]["remedy"]) == ("present", "")
    whisper = by_name["whisper-base"]
    assert (whisper["state"], whisper["size_bytes"]) == ("corrupt", WHISPER_BASE.size_bytes)
    assert whisper["remedy"] == "voice-inference models pull whisper-base"
    assert {file["name"]: file["state"] for file in whisper["files"]} == {
        "model.bin": "missing",
        "config.json": "corrupt",
        "tokenizer.json": "missing",
        "vocabulary.txt": "missing",
    }


def test_verify_of_what_is_there_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("models", "verify", BUNDLED) == 0
    assert capsys.readouterr().out.startswith("silero-vad: 1 files verified in ")


def test_verify_fails_with_a_line_for_every_wrong_file(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    assert execute("models", "verify", BUNDLED, "smollm2-135m-instruct-q4_1") == EXIT_ERROR
    (line,) = errors(capsys)
    path = cache / "smollm2-135m-instruct-q4_1" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert line == (
        f"model smollm2-135m-instruct-q4_1: {path} is missing; run "
        "`voice-inference models pull smollm2-135m-instruct-q4_1`"
    )


def test_verify_as_json_still_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("models", "verify", "--json", "smart-turn-v3.2") == EXIT_ERROR
    printed = capsys.readouterr()
    assert [row["state"] for row in json.loads(printed.out)] == ["missing"]
    assert printed.err.startswith("error: model smart-turn-v3.2: ")


def test_verify_without_names_looks_at_what_the_placement_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("models", "verify") == EXIT_ERROR
    named = {line.split(":")[0].removeprefix("model ") for line in errors(capsys)}
    assert named == {"whisper-base", "smart-turn-v3.2", "smollm2-135m-instruct-q4_1", "en_US-joe-medium"}


def test_an_offline_pull_says_what_lacks_and_creates_nothing(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    assert execute("models", "pull", "--offline") == EXIT_ERROR
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "silero-vad: ready"
    assert [line.split(" is missing and --offline")[0] for line in said[1:]] == [
        "error: model whisper-base",
        "error: model smart-turn-v3.2",
        "error: model smollm2-135m-instruct-q4_1",
        "error: model en_US-joe-medium",
    ]
    assert not cache.exists()


def test_the_whole_catalogue_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("models", "pull", "--all", "--offline") == EXIT_ERROR
    assert len(capsys.readouterr().err.splitlines()) == len(CATALOGUE.models)


def test_the_cache_can_be_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert execute("models", "--cache", str(tmp_path / "mine"), "list") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"cache: {tmp_path / 'mine'}"


def test_an_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("models", "pull", "whisper-bas") == EXIT_ERROR
    assert errors(capsys) == ["model whisper-bas is not in the catalogue; did you mean whisper-base?"]


@pytest.mark.parametrize("words", [["modls"], ["models", "pull", "--source", "moon"], ["models", "list", "extra"]])
def test_wrong_usage_is_told_without_a_traceback(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*words) == EXIT_USAGE
    assert "Error: " in capsys.readouterr().err


def test_a_placement_needs_only_models_that_run_in_the_process(tmp_path: Path) -> None:
    path = tmp_path / "remote.yaml"
    remote = placement_data(llm={"engine": "ollama", "model": "qwen2.5:3b"})
    path.write_text(yaml.safe_dump(remote), encoding="utf-8")
    assert needed_by(path) == ("silero-vad", "whisper-base", "smart-turn-v3.2", "en_US-joe-medium")


def test_without_a_named_placement_the_nearest_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_placement() == tmp_path / "placement.yaml"
    monkeypatch.delenv("VOICE_AGENT_PLACEMENT")
    assert default_placement().name == "cpu-2core.yaml"
    mine = tmp_path / "configs" / "inference" / "cpu-2core.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("")
    assert default_placement().resolve() == mine


def raising(error: BaseException) -> Any:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OperatorError("one", "two"), EXIT_ERROR, "error: one\nerror: two\n"),
        (KeyboardInterrupt(), EXIT_INTERRUPTED, "interrupted\n"),
        (click.Abort(), EXIT_INTERRUPTED, "interrupted\n"),
        (SystemExit(7), 7, ""),
        (SystemExit(), 0, ""),
    ],
)
def test_every_end_of_a_command_has_its_code_and_its_lines(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raising(error)) == code
    assert capsys.readouterr().err == said


def test_a_failure_of_the_runtime_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    failure = Failure(stage=Stage.STT, reason=FailureReason.MODEL_MISSING, detail="no model")
    assert run(raising(VoiceAgentError(failure))) == EXIT_ERROR
    assert errors(capsys) == ["no model"]
