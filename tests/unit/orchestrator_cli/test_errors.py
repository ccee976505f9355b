"""What a person at a terminal is told when something is wrong with what was asked."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile
import structlog
from support.session_journal import write_journal

from voice_operations.command_line import EXIT_ERROR, EXIT_INTERRUPTED, ExitCodeError, run
from voice_operations.operator_error import OperatorError
from voice_orchestrator.cli.main import group

PROFILE = "system_prompt: You answer the telephone of a clinic.\n"
EXIT_USAGE = 2


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder with one profile, which is where the command is run."""
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "night_clinic.yaml").write_text(PROFILE, encoding="utf-8")
    monkeypatch.setenv("VOICE_AGENT_PROFILES", str(profiles))
    monkeypatch.delenv("VOICE_AGENT_INFERENCE", raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    structlog.reset_defaults()


@pytest.fixture
def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def wav(place: Path) -> Path:
    path = place / "caller.wav"
    soundfile.write(str(path), np.zeros(1_600, dtype=np.int16), 16_000, subtype="PCM_16")
    return path


def orchestrator(*arguments: str | Path) -> int:
    """Exit code of the command."""
    return run(lambda: group([str(argument) for argument in arguments], standalone_mode=False))


def the_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that was said, and nothing else."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1, captured.err
    assert captured.err.startswith("error: ")
    return captured.err


def test_a_profile_that_is_not_there_is_answered_with_the_nearest_name(
    wav: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert orchestrator("call", wav, "-p", "night_clinik") == EXIT_ERROR
    said = the_error(capsys)
    assert "'night_clinik'" in said
    assert "did you mean night_clinic?" in said


def test_a_profile_that_resembles_nothing_is_answered_with_all_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert orchestrator("chat", "-p", "zzz") == EXIT_ERROR
    said = the_error(capsys)
    assert "did you mean" not in said
    assert "night_clinic" in said


def test_a_wav_file_that_is_not_there_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = place / "missing.wav"
    assert orchestrator("call", missing, "-p", "night_clinic") == EXIT_ERROR
    assert str(missing) in the_error(capsys)


def test_a_file_that_is_no_wav_is_named_with_what_to_do(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = place / "caller.wav"
    path.write_bytes(b"ID3 this is something else entirely")
    assert orchestrator("call", path, "-p", "night_clinic") == EXIT_ERROR
    assert "ffmpeg" in the_error(capsys)


@pytest.mark.parametrize("command", ["call", "chat"])
def test_a_node_that_is_not_there_is_named_with_how_to_start_one(
    command: str, wav: Path, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [wav] if command == "call" else []
    address = f"127.0.0.1:{free_port}"
    assert orchestrator(command, *files, "-p", "night_clinic", "--inference", address) == EXIT_ERROR
    said = the_error(capsys)
    assert address in said
    assert "voice-inference serve" in said


def test_a_call_that_reached_nobody_leaves_no_folder(
    place: Path, wav: Path, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"127.0.0.1:{free_port}"
    orchestrator("call", wav, "-p", "night_clinic", "--inference", address, "--out", place / "calls")
    the_error(capsys)
    assert not (place / "calls").exists()


def test_a_node_elsewhere_is_not_called_without_tls(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert orchestrator("call", wav, "-p", "night_clinic", "--inference", "nowhere:50061") == EXIT_ERROR
    assert capsys.readouterr().err.startswith("error: nowhere:50061: not this machine")


def test_an_orchestrator_elsewhere_is_not_called_without_tls(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert orchestrator("call", wav, "-p", "night_clinic", "--connect", "nowhere:50051") == EXIT_ERROR
    assert capsys.readouterr().err.startswith("error: nowhere:50051: not this machine")


def test_a_server_does_not_listen_beyond_this_machine_without_tls(capsys: pytest.CaptureFixture[str]) -> None:
    assert orchestrator("serve", "--listen", "0.0.0.0:0") == EXIT_ERROR
    assert "certs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        "127.0.0.1:",
        "127.0.0.1:no",
        "127.0.0.1:²",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(address: str, wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert orchestrator("call", wav, "-p", "night_clinic", "--inference", address) == EXIT_USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--inference" in captured.err
    assert "Traceback" not in captured.err


def test_an_address_from_the_environment_is_checked_too(
    wav: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOICE_AGENT_INFERENCE", "gibberish")
    assert orchestrator("call", wav, "-p", "night_clinic") == EXIT_USAGE
    assert "gibberish is not HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["sing"], ["call"], ["call", "a.wav"], ["call", "--loud"]], ids=" ".join)
def test_a_command_that_was_typed_wrong_is_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert orchestrator(*arguments) == EXIT_USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage: " in captured.err


def test_every_problem_of_a_profile_is_a_line_of_its_own(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = place / "broken.yaml"
    broken.write_text("greting: Hello.\nlimits:\n  call_ms: -1\n", encoding="utf-8")
    assert orchestrator("profiles", "check", broken) == EXIT_ERROR
    said = capsys.readouterr().err.splitlines()
    assert len(said) >= 3
    assert all(line.startswith(f"error: {broken}: ") for line in said)
    assert any("did you mean greeting?" in line for line in said)


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"{}\n"])
def test_a_file_that_is_no_journal_is_refused(place: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    path = place / "journal.jsonl"
    path.write_bytes(content)
    assert orchestrator("replay", path) == EXIT_ERROR
    assert str(path) in the_error(capsys)


def test_a_journal_that_folds_as_it_did_is_identical(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = place / "journal.jsonl"
    script = write_journal(path)
    assert orchestrator("replay", path, "--json") == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["identical"]
    assert verdict["events"] == len(script.log)
    assert verdict["first_difference"] is None


def test_a_journal_with_another_command_is_different_and_says_where(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place / "journal.jsonl"
    write_journal(path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"is":"CloseRun"', '"is":"FlushRun"', 1), encoding="utf-8")
    assert orchestrator("replay", path) == EXIT_ERROR
    captured = capsys.readouterr()
    assert "different at line 5" in captured.out
    assert captured.err == ""


def raises(error: BaseException) -> int:
    """Exit code of a command that ends with `error`."""

    def command() -> None:
        raise error

    return run(command)


def test_every_line_of_an_operator_error_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert raises(OperatorError("first", "second")) == EXIT_ERROR
    assert capsys.readouterr().err == "error: first\nerror: second\n"


@pytest.mark.parametrize("code", [0, 1, 3, 130])
def test_a_command_chooses_its_exit_code(code: int) -> None:
    assert raises(ExitCodeError(code)) == code


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()], ids=lambda error: type(error).__name__)
def test_an_interrupted_command_says_so(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    assert raises(error) == EXIT_INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        raises(ZeroDivisionError())


def test_a_command_that_worked_ends_with_nothing_to_complain_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert orchestrator("profiles", "check", "night_clinic") == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("night_clinic.yaml: good\n")
    assert captured.err == ""
