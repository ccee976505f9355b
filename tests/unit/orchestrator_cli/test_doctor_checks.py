"""What doctor finds on a machine, and the remedy it names."""

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from voice_contract.failures import Stage
from voice_contract.messages import EngineDescription, NodeDescription
from voice_operations.command_line import EXIT_ERROR, run
from voice_operations.security import ClientSecurity
from voice_orchestrator.cli.main import group
from voice_orchestrator.doctor import checks
from voice_orchestrator.doctor.checks import Finding, Verdict

PROFILE = "system_prompt: You answer the telephone of a clinic.\n"
ADDRESS = "127.0.0.1:50061"
HUGE_MB = 1 << 40


def node(*, ready: bool = True, engine: str = "whisper") -> NodeDescription:
    described = EngineDescription(stage=Stage.STT, engine=engine, model="base", device="cpu")
    return NodeDescription(version="1", ready=ready, engines=(described,), session_slots=4, free_session_slots=3)


def assert_mendable(finding: Finding) -> None:
    """Whatever is not good comes with what to do."""
    assert finding.detail
    assert bool(finding.remedy) == (finding.verdict is not Verdict.OK)


@contextmanager
def listening() -> Iterator[int]:
    """A port of this machine on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def free_port() -> int:
    with listening() as port:
        return port


# --- the machine


def test_this_interpreter_is_new_enough() -> None:
    finding = checks.check_python()
    assert finding.verdict is Verdict.OK
    assert_mendable(finding)


def test_an_old_interpreter_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    finding = checks.check_python()
    assert (finding.verdict, finding.detail) == (Verdict.FAIL, "3.10.4")
    assert_mendable(finding)


@pytest.mark.parametrize(("cores", "verdict"), [(1, Verdict.WARN), (2, Verdict.OK), (8, Verdict.OK)])
def test_cores_are_those_this_process_may_use(cores: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    finding = checks.check_cores()
    assert (finding.verdict, finding.detail) == (verdict, str(cores))
    assert_mendable(finding)


@pytest.mark.parametrize(
    ("least_mb", "tight_mb", "verdict"),
    [(0, 0, Verdict.OK), (0, HUGE_MB, Verdict.WARN), (HUGE_MB, HUGE_MB, Verdict.FAIL)],
)
def test_memory_is_judged_by_what_is_available(
    least_mb: int, tight_mb: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MEMORY_MB_MIN", least_mb)
    monkeypatch.setattr(checks, "MEMORY_MB_TIGHT", tight_mb)
    finding = checks.check_memory()
    assert finding.verdict is verdict
    assert int(finding.detail.split()[0]) > 0
    assert_mendable(finding)


# --- profiles and folders


def test_profiles_that_can_be_used_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "night_clinic.yaml").write_text(PROFILE, encoding="utf-8")
    monkeypatch.setenv("VOICE_AGENT_PROFILES", str(tmp_path))
    finding = checks.check_profiles()
    assert finding.verdict is Verdict.OK
    assert "night_clinic" in finding.detail


def test_a_profile_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "night_clinic.yaml").write_text("greeting: 3\n", encoding="utf-8")
    monkeypatch.setenv("VOICE_AGENT_PROFILES", str(tmp_path))
    finding = checks.check_profiles()
    assert finding.verdict is Verdict.FAIL
    assert "night_clinic.yaml" in finding.detail
    assert_mendable(finding)


def test_an_output_folder_that_can_be_made_is_good_and_is_not_made(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    finding = checks.check_output(out)
    assert finding.verdict is Verdict.OK
    assert not (tmp_path / "a").exists()


def test_an_output_folder_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    finding = checks.check_output(tmp_path / "calls")
    assert finding.verdict is Verdict.FAIL
    assert str(tmp_path) in finding.detail
    assert_mendable(finding)


def test_a_disk_that_is_nearly_full_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 20))
    finding = checks.check_output(tmp_path)
    assert finding.verdict is Verdict.WARN
    assert_mendable(finding)


def test_a_file_in_the_place_of_the_output_folder_fails(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    path.write_text("", encoding="utf-8")
    assert checks.check_output(path).verdict is Verdict.FAIL


# --- models


def install_inference(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Puts a voice-inference command beside the interpreter."""
    command = folder / "voice-inference"
    command.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def test_models_that_are_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [{"name": "base", "state": "present", "remedy": ""}]
    install_inference(tmp_path, monkeypatch, f"echo '{json.dumps(models)}'")
    finding = checks.check_models()
    assert (finding.verdict, finding.detail) == (Verdict.OK, "base")
    assert_mendable(finding)


def test_a_model_that_is_missing_fails_with_its_own_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [
        {"name": "base", "state": "present", "remedy": ""},
        {"name": "voice", "state": "missing", "remedy": "voice-inference models fetch voice"},
    ]
    install_inference(tmp_path, monkeypatch, f"echo '{json.dumps(models)}'; exit 1")
    finding = checks.check_models()
    assert (finding.verdict, finding.detail) == (Verdict.FAIL, "voice is missing")
    assert "voice-inference models fetch voice" in finding.remedy


@pytest.mark.parametrize("script", ["echo broken", "exit 1", "exec sleep 30"])
def test_models_that_cannot_be_verified_fail(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "sleep" in script:
        monkeypatch.setattr(checks, "VERIFY_S", 0.05)
    install_inference(tmp_path, monkeypatch, script)
    finding = checks.check_models()
    assert finding.verdict is Verdict.FAIL
    assert_mendable(finding)


def test_models_of_another_machine_are_not_this_machines_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert checks.check_models().verdict is Verdict.WARN


# --- the node and its ports


def test_a_node_that_does_not_answer_fails() -> None:
    finding = checks.check_inference(ADDRESS, None)
    assert finding.verdict is Verdict.FAIL
    assert ADDRESS in finding.detail
    assert "voice-inference serve" in finding.remedy


def test_a_node_that_is_loading_is_a_warning() -> None:
    finding = checks.check_inference(ADDRESS, node(ready=False))
    assert finding.verdict is Verdict.WARN
    assert_mendable(finding)


def test_a_node_that_is_ready_is_described() -> None:
    finding = checks.check_inference(ADDRESS, node())
    assert finding.verdict is Verdict.OK
    assert "stt: whisper on cpu" in finding.detail
    assert "3 of 4 sessions free" in finding.detail


def test_ports_nobody_uses_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "DEFAULT_PORTS", (free_port(), free_port()))
    finding = checks.check_ports(ADDRESS, None)
    assert finding.verdict is Verdict.OK
    assert "free" in finding.detail


@pytest.mark.parametrize("is_node", [True, False])
def test_a_port_in_use_is_fine_only_when_the_node_uses_it(is_node: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as port:
        monkeypatch.setattr(checks, "DEFAULT_PORTS", (port, free_port()))
        finding = checks.check_ports(f"127.0.0.1:{port}", node() if is_node else None)
    assert finding.verdict is (Verdict.OK if is_node else Verdict.WARN)
    assert str(port) in finding.detail
    assert_mendable(finding)


# --- the command


@pytest.mark.parametrize("uses_ollama", [True, False])
def test_ollama_is_looked_for_only_where_it_is_used(
    uses_ollama: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    if uses_ollama:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free_port()}")
    names = [finding.name for finding in checks.run_checks(f"127.0.0.1:{free_port()}", ClientSecurity(), tmp_path)]
    assert ("ollama" in names) == uses_ollama
    assert len(names) == len(set(names))


def test_doctor_ends_with_an_error_when_a_check_fails_and_prints_one_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    arguments = ["doctor", "--json", "--inference", f"127.0.0.1:{free_port()}", "--out", str(tmp_path)]
    try:
        code = run(lambda: group(arguments, standalone_mode=False))
    finally:
        structlog.reset_defaults()
    captured = capsys.readouterr()
    findings = {finding["name"]: finding["verdict"] for finding in json.loads(captured.out)}
    assert code == EXIT_ERROR
    assert findings["inference node"] == "fail"
    assert set(findings.values()) <= {"ok", "warn", "fail"}
