"""`replay --against`: the first decision another profile would have made differently, for a person and as JSON."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from support.session_journal import write_journal
from support.session_script import Script

from voice_operations.command_line import EXIT_ERROR, run
from voice_orchestrator.cli.main import group
from voice_orchestrator.profiles.loader import load_profile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.session import events as e

CLINIC = "system_prompt: Be brief.\nturn_taking: {min_delay_ms: 500, max_delay_ms: 500, preemptive_generation: false}\n"
EXIT_USAGE = 2


@pytest.fixture(autouse=True)
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The journal of a call with the profile "clinic", in the folder where the command is run."""
    (tmp_path / "clinic.yaml").write_text(CLINIC, encoding="utf-8")
    (tmp_path / "patient.yaml").write_text(CLINIC.replace("500", "900"), encoding="utf-8")
    monkeypatch.setenv("VOICE_AGENT_PROFILES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    script = Script(policy_of(load_profile(tmp_path / "clinic.yaml").profile)).open()
    script.after(1_000).say("Are you open today?").respond("Yes.").finish()
    script.do(e.CallerHungUp)
    path = tmp_path / "journal.jsonl"
    write_journal(path, script)
    yield path
    structlog.reset_defaults()


def replayed(*arguments: str | Path) -> int:
    return run(lambda: group(["replay", *(str(each) for each in arguments)], standalone_mode=False))


def test_the_same_profile_makes_every_decision_again(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(journal, "--against", "clinic") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("the same: all ")


def test_another_profile_is_shown_where_it_differs(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(journal, "--against", "patient") == EXIT_ERROR
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "session abc123, profile clinic, against profile patient"
    assert said[1].startswith("different at 2.300 s, line ")
    assert "Tick" in said[2]
    assert any(line.strip().startswith("- ToInference Generate run 1 max_tokens=80") for line in said)
    assert not any(line.strip().startswith("+") for line in said[4:])


def test_the_difference_can_be_had_as_json(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(journal, "--against", "patient", "--json") == EXIT_ERROR
    document = json.loads(capsys.readouterr().out)
    assert (document["profile"], document["against"], document["identical"]) == ("clinic", "patient", False)
    first = document["first_difference"]
    assert (first["at_ms"], first["event"]["is"], first["is"]) == (2_300, "Tick", [])
    assert first["was"]
    assert replayed(journal, "--against", "clinic", "--json") == 0
    assert json.loads(capsys.readouterr().out)["first_difference"] is None


def test_a_profile_that_is_not_there_is_one_line(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(journal, "--against", "clinik") == EXIT_ERROR
    (line,) = capsys.readouterr().err.splitlines()
    assert "did you mean clinic?" in line


def test_a_comparison_cannot_be_walked(journal: Path) -> None:
    assert replayed(journal, "--against", "clinic", "--step") == EXIT_USAGE


def test_a_journal_of_another_reducer_says_which_wrote_it(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, *rest = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text(json.dumps({**json.loads(head), "reducer": 1}) + "\n" + "".join(rest), encoding="utf-8")
    for arguments in ((journal,), (journal, "--against", "clinic")):
        assert replayed(*arguments) == EXIT_ERROR
        (line,) = capsys.readouterr().err.splitlines()
        assert "was written by reducer version 1" in line
