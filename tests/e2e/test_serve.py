"""The orchestrator as a server with real models: a call from elsewhere, a drain in the middle of it."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from support.processes import ROOT, SPEECH, RunningNode, call_folder, program, run, running_orchestrator

pytestmark = [pytest.mark.models, pytest.mark.e2e]

TIME = SPEECH / "cmd_what_time_is_it.wav"


def test_a_call_finishes_while_the_server_drains_and_a_new_one_is_refused(node: RunningNode, tmp_path: Path) -> None:
    out = tmp_path / "calls"
    with running_orchestrator(tmp_path, node.grpc, options=("--drain-seconds=60",)) as orchestrator:
        words = ["call", str(TIME), "--profile=dental_receptionist", f"--connect={orchestrator.grpc}", f"--out={out}"]
        calling = subprocess.Popen(
            [program("voice-orchestrator"), *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert calling.stdout is not None
        assert any("RESPONDING" in line for line in calling.stdout)
        orchestrator.process.send_signal(signal.SIGTERM)
        told = (tmp_path / "orchestrator.log").read_text
        while "draining" not in told():
            assert orchestrator.process.poll() is None, told()
        refused = run("voice-orchestrator", *words)
        assert refused.code == 1
        assert "draining" in refused.error
        assert "try again in 1 s" in refused.error
        rest, errors = calling.communicate(timeout=90)
        assert calling.returncode == 0, errors
        assert "what time is it" in rest.lower()
        assert orchestrator.process.wait(timeout=30) == 0, told()
    report = json.loads((call_folder(out) / "report.json").read_text())
    assert report["end"]["cause"] == "caller_hung_up"
    assert (call_folder(out) / "recording.wav").stat().st_size > 100_000
    assert len(list(orchestrator.data.rglob("journal.jsonl"))) == 1
    assert "time" not in told().lower().replace("timestamp", "")


def test_without_a_server_a_caller_is_told_what_to_do(tmp_path: Path) -> None:
    done = run(
        "voice-orchestrator", "call", str(TIME), "--profile=dental_receptionist", "--connect=127.0.0.1:1",
        f"--out={tmp_path}",
    )  # fmt: skip
    assert done.code == 1
    assert "start one with `voice-orchestrator serve`" in done.error
