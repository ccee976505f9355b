"""What a user can get wrong is answered by one line that says what to do, and a non-zero exit."""

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.processes import ROOT, SPEECH, RunningNode, run

TIME = str(SPEECH / "cmd_what_time_is_it.wav")
NOBODY = "--inference=127.0.0.1:9"


def call(*words: str) -> str:
    done = run("voice-orchestrator", "call", *words)
    assert done.code == 1, done.err
    return done.error


def test_no_inference_node() -> None:
    line = call(TIME, "--profile=dental_receptionist", NOBODY)
    assert line == (
        "error: no inference node at 127.0.0.1:9; start one with `voice-inference serve`, or name one with --inference"
    )


def test_a_missing_profile_names_the_nearest() -> None:
    line = call(TIME, "--profile=dental_receptionst", NOBODY)
    assert "did you mean dental_receptionist?" in line


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text("system_prompt: Be brief.\nturn_taking:\n  min_dely_ms: 300\n")
    line = call(TIME, f"--profile={profile}", NOBODY)
    assert line.endswith("turn_taking.min_dely_ms: unknown key; did you mean min_delay_ms?")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.wav", None, "there is no such file"),
        ("empty.wav", b"", "is empty"),
        ("text.wav", b"this is not sound at all", "is not a WAV file"),
    ],
)
def test_wrong_wav_files(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert says in call(str(path), "--profile=dental_receptionist", NOBODY)


def test_a_truncated_wav(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(Path(TIME).read_bytes()[:20_000])
    assert "is cut short" in call(str(path), "--profile=dental_receptionist", NOBODY)


def test_a_model_that_was_never_pulled(tmp_path: Path) -> None:
    done = run("voice-inference", "serve", "--grpc=127.0.0.1:0", "--http=127.0.0.1:0", f"--cache={tmp_path}")
    assert done.code == 1
    assert "voice-inference models pull smollm2-135m-instruct-q4_1" in done.err
    assert "Traceback" not in done.err


def test_offline_says_what_is_missing(tmp_path: Path) -> None:
    done = run("voice-inference", "models", f"--cache={tmp_path}", "pull", "smart-turn-v3.2", "--offline")
    assert done.code == 1
    assert "smart-turn-v3.2 is missing and --offline forbids pulling it" in done.error


def test_an_unknown_model_names_the_nearest() -> None:
    done = run("voice-inference", "models", "pull", "whisper-bas")
    assert done.code == 1
    assert "did you mean whisper-base?" in done.error


def test_an_http_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("voice-inference", "serve", "--grpc=127.0.0.1:0", f"--http=127.0.0.1:{port}")
    assert done.code == 1
    assert "address already in use" in done.error
    assert "choose others with --grpc and --http" in done.error


def test_an_address_beyond_this_machine_is_refused() -> None:
    done = run("voice-inference", "serve", "--grpc=0.0.0.0:50061")
    assert done.code == 1
    assert "loopback only" in done.error


def test_a_placement_this_machine_cannot_carry(tmp_path: Path) -> None:
    placement = tmp_path / "huge.yaml"
    text = (ROOT / "configs/inference/cpu-2core.yaml").read_text()
    placement.write_text(text.replace("memory_mb: 350", "memory_mb: 9900000"))
    done = run("voice-inference", "placement", "check", str(placement))
    assert done.code == 1
    assert "too little memory on cpu: vad 60 + stt 300 + end_of_turn 50 + llm 9900000 + tts 250" in done.error


@pytest.mark.models
def test_a_corrupt_model_is_named_and_mended_by_a_command(tmp_path: Path) -> None:
    from voice_inference.catalogue.store import default_cache_dir

    cache = tmp_path / "models"
    shutil.copytree(default_cache_dir() / "en_US-joe-medium", cache / "en_US-joe-medium")
    broken = cache / "en_US-joe-medium" / "en_US-joe-medium.onnx.json"
    broken.write_text(broken.read_text().replace("22050", "22051"))
    done = run("voice-inference", "models", f"--cache={cache}", "verify", "en_US-joe-medium")
    assert done.code == 1
    assert "is corrupt, expected sha256 3d6d5410" in done.error
    assert "voice-inference models pull en_US-joe-medium" in done.error


@pytest.mark.models
def test_ollama_that_does_not_run(tmp_path: Path) -> None:
    placement = tmp_path / "ollama.yaml"
    text = (ROOT / "configs/inference/gpu-4gb.yaml").read_text().replace("device: cuda:0", "device: remote")
    placement.write_text(text)
    done = run(
        "voice-inference", "serve", f"--placement={placement}", "--grpc=127.0.0.1:0", "--http=127.0.0.1:0",
        OLLAMA_HOST="http://127.0.0.1:9",
    )  # fmt: skip
    assert done.code == 1
    assert "ollama serve" in done.error


@pytest.mark.models
@pytest.mark.e2e
@pytest.mark.parametrize(("rate_hz", "subtype", "channels"), [(48_000, "FLOAT", 2), (8_000, "PCM_U8", 1)])
def test_any_pcm_wav_is_taken(node: RunningNode, tmp_path: Path, rate_hz: int, subtype: str, channels: int) -> None:
    import soxr

    sound, source_hz = soundfile.read(SPEECH / "order_0075d273.wav", dtype="float32")
    converted = soxr.resample(sound, source_hz, rate_hz)
    path = tmp_path / "converted.wav"
    soundfile.write(path, np.stack([converted] * channels, axis=1), rate_hz, subtype=subtype)
    done = run(
        "voice-orchestrator", "call", str(path), "--profile=dental_receptionist",
        f"--inference={node.grpc}", f"--out={tmp_path / 'calls'}",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "coffee" in done.out.lower()
