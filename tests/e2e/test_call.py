"""A call as a user makes it: real speech, real models, real files."""

import json
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.processes import ROOT, SPEECH, RunningNode, call_folder, program, run, running_node, stop, wait_until

pytestmark = [pytest.mark.models, pytest.mark.e2e]

ORDER = SPEECH / "order_0075d273.wav"
TIME = SPEECH / "cmd_what_time_is_it.wav"


@pytest.fixture(scope="module")
def finished(node: RunningNode, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Folder and report of one call with two turns."""
    out = tmp_path_factory.mktemp("calls")
    done = run(
        "voice-orchestrator", "call", str(ORDER), str(TIME), "--profile=dental_receptionist",
        f"--inference={node.grpc}", f"--out={out}", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    report: dict[str, Any] = json.loads(done.out)
    return call_folder(out), report


def test_the_call_is_understood_and_answered(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, report = finished
    transcript = json.loads((folder / "transcript.json").read_text())
    said = " ".join(entry["text"].lower() for entry in transcript if entry["speaker"] == "caller")
    assert "coffee" in said
    assert "what time is it" in said
    speakers = [entry["speaker"] for entry in transcript]
    assert speakers == ["agent", "caller", "agent", "caller", "agent"]
    assert all(entry["end_ms"] > entry["start_ms"] for entry in transcript)
    assert [turn["answered"] for turn in report["turns"]] == [True, True]
    assert report["end"] == {"cause": "caller_hung_up", "failure": None}


def test_every_stage_is_accounted_for(finished: tuple[Path, dict[str, Any]]) -> None:
    _, report = finished
    for turn in report["turns"]:
        assert sum(turn["stages_ms"].values()) == turn["total_ms"]
        assert set(turn["engines"]) == {"stt", "llm", "tts"}
        assert turn["engines"]["llm"]["generated_tokens"] > 0


def test_the_recording_shows_the_latency_that_is_reported(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, report = finished
    samples, rate_hz = soundfile.read(folder / "recording.wav", dtype="int16")
    assert (rate_hz, samples.shape[1]) == (16_000, 2)
    caller, agent = samples[:, 0], samples[:, 1]
    source, _ = soundfile.read(ORDER, dtype="int16")
    start = report["files"][0]["start_ms"] * 16
    assert np.array_equal(caller[start : start + len(source)], source)
    for turn in report["turns"]:
        last_ms = next(
            e["end_ms"] for e in transcript_of(folder) if e["speaker"] == "caller" and e["turn"] == turn["turn"]
        )
        loud = np.flatnonzero(np.abs(agent[last_ms * 16 :].astype(np.int32)) > 200)
        measured_ms = int(loud[0]) // 16
        assert abs(measured_ms - turn["total_ms"]) <= 100


def transcript_of(folder: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((folder / "transcript.json").read_text())
    return entries


def test_the_journal_replays_byte_for_byte(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = finished
    journal = folder / "journal.jsonl"
    done = run("voice-orchestrator", "replay", str(journal), "--json")
    assert done.code == 0
    verdict = json.loads(done.out)
    assert verdict["identical"]
    assert verdict["whole"]
    changed = folder / "changed.jsonl"
    changed.write_text(journal.read_text().replace('"to_phase":"responding"', '"to_phase":"active"', 1))
    done = run("voice-orchestrator", "replay", str(changed))
    assert done.code == 1
    assert "different at line" in done.out


def test_what_was_said_is_kept_from_other_users(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = finished
    for name in ("recording.wav", "transcript.json", "report.json", "journal.jsonl"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name


def test_the_prompt_is_reused_between_turns(finished: tuple[Path, dict[str, Any]]) -> None:
    _, report = finished
    for turn in report["turns"]:
        llm = turn["engines"]["llm"]
        assert llm["cached_tokens"] > llm["prompt_tokens"] // 2


def test_the_live_view_shows_words_phases_and_the_waterfall(node: RunningNode, tmp_path: Path) -> None:
    done = run(
        "voice-orchestrator", "call", str(TIME), "--profile=admissions_counsellor",
        f"--inference={node.grpc}", f"--out={tmp_path}",
    )  # fmt: skip
    assert done.code == 0, done.err
    for shown in ("What time is it?", "PROCESSING", "RESPONDING", "endpointing", "first clause", "recording: "):
        assert shown in done.out


def test_a_caller_who_interrupts_is_heard(node: RunningNode, tmp_path: Path) -> None:
    done = run(
        "voice-orchestrator", "call", str(ORDER), str(SPEECH / "cmd_whats_the_weather_like_in_new_york.wav"),
        "--profile=dental_receptionist", f"--inference={node.grpc}", f"--out={tmp_path}", "--json", "--overlap=0.3",
    )  # fmt: skip
    report = json.loads(done.out)
    assert done.code == 0
    assert report["greeting"]["interrupted"]
    assert any(turn["interrupted"] for turn in report["turns"])
    assert "weather" in report["turns"][-1]["caller"].lower()


def test_a_cough_is_not_an_answerable_turn_and_the_exit_code_says_so(node: RunningNode, tmp_path: Path) -> None:
    done = run(
        "voice-orchestrator", "call", str(SPEECH / "noise" / "clicks.wav"), "--profile=dental_receptionist",
        f"--inference={node.grpc}", f"--out={tmp_path}",
    )  # fmt: skip
    assert done.code == 3, done.out
    assert "not answered" in done.out


def start_call(node: RunningNode, out: Path, profile: str = "dental_receptionist") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            program("voice-orchestrator"), "call", str(ORDER), str(TIME), f"--profile={profile}",
            f"--inference={node.grpc}", f"--out={out}",
        ],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_line(process: "subprocess.Popen[str]", words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"{words} never came")


def test_ctrl_c_ends_a_call_politely_with_its_reports(node: RunningNode, tmp_path: Path) -> None:
    with start_call(node, tmp_path) as process:
        wait_for_line(process, "RESPONDING")
        assert stop(process, signal.SIGINT) == 130
    folder = call_folder(tmp_path)
    assert {path.name for path in folder.iterdir()} == {
        "recording.wav", "transcript.json", "report.json", "journal.jsonl",
    }  # fmt: skip
    assert json.loads((folder / "report.json").read_text())["end"]["cause"] == "shutdown"


def test_a_node_that_dies_ends_the_call_with_reports_and_a_reason(tmp_path: Path) -> None:
    with running_node(tmp_path) as mortal:
        out = tmp_path / "calls"
        process = start_call(mortal, out)
        wait_for_line(process, "RESPONDING")
        mortal.process.kill()
        mortal.process.wait()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "error: the call ended early: link: inference_lost" in err
        report = json.loads((call_folder(out) / "report.json").read_text())
        assert report["end"]["cause"] == "inference_unavailable"
        assert (call_folder(out) / "recording.wav").exists()


def test_a_call_goes_on_with_the_node_that_takes_the_place_of_a_dead_one(tmp_path: Path) -> None:
    out = tmp_path / "calls"
    # A node needs seconds to load its models, on a busy machine more than a caller would be let wait for.
    patient = tmp_path / "patient.yaml"
    usual = (ROOT / "configs/agent_profiles/dental_receptionist.yaml").read_text(encoding="utf-8")
    patient.write_text(f"{usual}deadlines:\n  connect_ms: 60000\n", encoding="utf-8")
    with running_node(tmp_path) as first:
        process = start_call(first, out, str(patient))
        wait_for_line(process, "RESPONDING")
        first.process.kill()
        first.process.wait()
        with running_node(tmp_path, grpc=first.grpc):
            process.communicate(timeout=90)
    report = json.loads((call_folder(out) / "report.json").read_text())
    assert report["end"]["cause"] == "caller_hung_up"
    assert report["files"][1]["answered"]


def test_chat_answers_every_line(node: RunningNode, tmp_path: Path) -> None:
    done = run(
        "voice-orchestrator", "chat", "--profile=dental_receptionist", f"--inference={node.grpc}",
        f"--out={tmp_path}", stdin="Hello there.\n\nWhat are your opening hours?\n",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.out.count("agent: ") >= 3


def test_chat_keeps_the_agents_speech(node: RunningNode, tmp_path: Path) -> None:
    speech = tmp_path / "speech.wav"
    done = run(
        "voice-orchestrator", "chat", "--profile=dental_receptionist", f"--inference={node.grpc}",
        f"--out={tmp_path / 'chats'}", f"--speech={speech}", stdin="Hello there.\n/quit\n",
    )  # fmt: skip
    assert done.code == 0, done.err
    samples, _ = soundfile.read(speech, dtype="int16")
    assert np.abs(samples[:, 1]).max() > 1_000
    assert np.abs(samples[:, 0]).max() == 0


def test_doctor_finds_a_machine_that_can_call(node: RunningNode) -> None:
    done = run("voice-orchestrator", "doctor", "--json", f"--inference={node.grpc}")
    findings = {finding["name"]: finding["verdict"] for finding in json.loads(done.out)}
    assert findings["models"] == "ok"
    assert findings["inference node"] == "ok"
    assert findings["profiles"] == "ok"


def test_metrics_and_readiness_are_served(node: RunningNode) -> None:
    import urllib.request

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://{node.http}{path}", timeout=5) as response:
            text: str = response.read().decode()
        return text

    assert get("/healthz") == "ok\n"
    assert get("/readyz") == "ready\n"
    assert 'voice_inference_stage_run_seconds_count{stage="llm"}' in get("/metrics")


def test_sigterm_drains_a_node_and_leaves_nothing(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        ready = next(tmp_path.glob("ready-*.json"))
        assert stop(node.process) == 0
        assert not ready.exists()


def test_ctrl_c_while_the_models_load_ends_a_node(tmp_path: Path) -> None:
    words = [program("voice-inference"), "serve", "--grpc=127.0.0.1:0", "--http=127.0.0.1:0"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        wait_for_line(process, "vad:")
        assert stop(process, signal.SIGINT) == 130


def test_the_demo_runs_and_leaves_no_process_behind(tmp_path: Path) -> None:
    before = nodes()
    done = subprocess.run(
        [program("python"), "tools/demo.py", f"--out={tmp_path}", str(TIME)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What time is it?" in done.stdout
    wait_until(lambda: nodes() == before, 5.0)


def nodes() -> set[int]:
    """Processes of inference nodes that a demo started: their ready file lies in its folder."""
    done = subprocess.run(
        ["pgrep", "-f", "ready-file=.*voice-agent-demo-"], capture_output=True, text=True, check=False
    )
    return {int(pid) for pid in done.stdout.split()}
