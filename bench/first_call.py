"""`make bench-first-call`: what a turn costs on this machine, from real calls over human speech.

Prints, all from one run: cold and warm start of the node, memory of both processes, voice-to-voice latency measured in
the samples of the recordings with its stages, and every engine call's bare time (the same input, the same adapter, in
a process of its own with nothing else going on) beside what the pipeline paid for it. Nothing is asserted: machines
differ.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

ROOT: Final = Path(__file__).resolve().parent.parent
SPEECH: Final = ROOT / "test_data" / "speech"
CALLS: Final = (
    ("order_0075d273", "cmd_what_time_is_it", "order_ad2f916f", "cmd_whats_the_weather_like_in_new_york"),
    ("order_6363f981", "ls_251-137823-0002", "phone_caller", "arctic_a0024"),
    ("cv_41921376", "ls_3536-23268-0010", "ls_1998-15444-0007", "order_0075d273"),
)
PROFILE: Final = "dental_receptionist"
START_S: Final = 120.0
STAGES: Final = ("endpointing", "transcription", "first_token", "first_clause", "synthesis", "delivery")
LOUD: Final = 200


def program(name: str) -> str:
    """A console script of the environment this runs in."""
    return str(Path(sys.executable).with_name(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A node that serves."""

    process: "subprocess.Popen[bytes]"
    address: str
    start_s: float


def start_node(folder: Path, name: str) -> Started:
    """Starts a node; the time is from the command to SERVING."""
    ready = folder / f"{name}.json"
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [program("voice-inference"), "--log-level=warning", "serve", "--grpc=127.0.0.1:0", "--http=127.0.0.1:0",
         f"--ready-file={ready}", "--exit-with-parent"],
        stdout=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    while not ready.exists():
        if process.poll() is not None or time.perf_counter() - began_s > START_S:
            sys.exit("error: the inference node did not come up; run `voice-inference serve` to see why")
        time.sleep(0.005)
    took_s = time.perf_counter() - began_s
    return Started(process=process, address=json.loads(ready.read_text())["grpc"], start_s=took_s)


def stop(started: Started) -> None:
    """Ends a node."""
    started.process.terminate()
    started.process.wait(timeout=10)


def drop_file_cache(cache: Path) -> bool:
    """Has the kernel forget weights and libraries, as after a boot; False when it keeps them."""
    files = [path for folder in (cache, Path(sys.prefix)) for path in folder.rglob("*") if path.is_file()]
    os.sync()
    for path in files:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            return False
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    return True


def memory_mb(pid: int, field: str) -> float:
    """VmRSS or VmHWM of a process, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def make_call(address: str, names: tuple[str, ...], out: Path) -> tuple[Path, dict[str, Any], float]:
    """Plays the clips; gives the call's folder, its report, and the orchestrator's peak memory, MB."""
    words = [program("voice-orchestrator"), "call", *(str(SPEECH / f"{name}.wav") for name in names)]
    words += [f"--profile={PROFILE}", f"--inference={address}", f"--out={out}", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    peak_mb = 0.0

    def watch() -> None:
        nonlocal peak_mb
        while process.poll() is None:
            try:
                peak_mb = max(peak_mb, memory_mb(process.pid, "VmHWM"))
            except OSError:
                return
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    text, _ = process.communicate()
    watcher.join()
    if process.returncode not in (0, 3):
        sys.exit("error: the call failed; its reason is above")
    report: dict[str, Any] = json.loads(text)
    folder = next(path for path in out.iterdir() if path.name.endswith(report["session_id"]))
    return folder, report, peak_mb


def measured_latency_ms(folder: Path, turn: dict[str, Any]) -> float | None:
    """From the caller's last speech sample to the agent's first loud one, in the recording."""
    samples, rate_hz = soundfile.read(folder / "recording.wav", dtype="int16")
    transcript = json.loads((folder / "transcript.json").read_text())
    last_ms = next((e["end_ms"] for e in transcript if e["speaker"] == "caller" and e["turn"] == turn["turn"]), None)
    if last_ms is None:
        return None
    start = last_ms * rate_hz // 1_000
    loud = np.flatnonzero(np.abs(samples[start:, 1].astype(np.int32)) > LOUD)
    return float(loud[0]) * 1_000 / rate_hz if len(loud) else None


def bare_engines(folders: list[Path]) -> dict[str, list[float]]:
    """The engine calls the turns waited for, made again alone: milliseconds by stage, in the order of the turns."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "bare_engines.py"), *map(str, folders)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    times: dict[str, list[float]] = json.loads(done.stdout)
    return times


def median(values: list[float]) -> float:
    """Median, 0 of nothing."""
    return statistics.median(values) if values else 0.0


def row(name: str, *cells: str) -> None:
    """One line of a table."""
    print(f"  {name:<34}" + "".join(f"{cell:>14}" for cell in cells))


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=len(CALLS), help="how many of the calls to make")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voice-agent-bench-") as name:
        figures = measure(Path(name), CALLS[: options.calls])
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(folder: Path, calls: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """All figures."""
    cache = Path(os.environ.get("VOICE_AGENT_MODELS") or Path.home() / ".cache" / "voice-agent" / "models")
    print("starting the node, cold then warm", file=sys.stderr)
    dropped = drop_file_cache(cache)
    cold = start_node(folder, "cold")
    stop(cold)
    warm = start_node(folder, "warm")
    ready_mb = memory_mb(warm.process.pid, "VmRSS")
    reports, peaks = [], []
    for index, names in enumerate(calls, 1):
        print(f"call {index} of {len(calls)}: {len(names)} clips of human speech", file=sys.stderr)
        call_folder, report, peak_mb = make_call(warm.address, names, folder / "calls")
        reports.append((call_folder, report))
        peaks.append(peak_mb)
    node_mb = memory_mb(warm.process.pid, "VmHWM")
    stop(warm)
    print("the same engine calls alone", file=sys.stderr)
    bare = bare_engines([call_folder for call_folder, _ in reports])
    turns = [(f, t) for f, report in reports for t in report["turns"] if t["answered"] and "stages_ms" in t]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "file_cache_dropped": dropped,
        "cold_start_s": cold.start_s,
        "warm_start_s": warm.start_s,
        "node_ready_mb": ready_mb,
        "node_peak_mb": node_mb,
        "orchestrator_peak_mb": max(peaks),
        "voice_to_voice_ms": [ms for f, t in turns if (ms := measured_latency_ms(f, t)) is not None],
        "reported_ms": [turn["total_ms"] for _, turn in turns],
        "stages_ms": {stage: [turn["stages_ms"][stage] for _, turn in turns] for stage in STAGES},
        "paid_ms": {
            "stt final": [turn["engines"]["stt"]["total_ms"] for _, turn in turns],
            "llm to first text": [turn["engines"]["llm"]["first_result_ms"] for _, turn in turns],
            "llm to first clause": [
                turn["stages_ms"]["first_token"] + turn["stages_ms"]["first_clause"] for _, turn in turns
            ],
            "tts to first sound": [turn["engines"]["tts"][0]["first_result_ms"] for _, turn in turns],
        },
        "bare_ms": bare,
    }  # fmt: skip


def show(figures: dict[str, Any]) -> None:
    """Prints the tables."""
    turns = len(figures["reported_ms"])
    print(f"\n{turns} turns on {figures['cores']} cores\n")
    print("start-up and memory")
    cold = "cold (file cache dropped)" if figures["file_cache_dropped"] else "first start"
    row(cold, f"{figures['cold_start_s']:.2f} s")
    row("warm", f"{figures['warm_start_s']:.2f} s")
    row("node when ready, RSS", f"{figures['node_ready_mb']:.0f} MB")
    row("node, peak", f"{figures['node_peak_mb']:.0f} MB")
    row("orchestrator, peak", f"{figures['orchestrator_peak_mb']:.0f} MB")
    print("\nvoice-to-voice latency                       median           p95")
    for name, values in (
        ("measured in the recording", figures["voice_to_voice_ms"]),
        ("reported", figures["reported_ms"]),
    ):
        row(name, f"{median(values):.0f} ms", f"{np.percentile(values, 95):.0f} ms")
    for stage in STAGES:
        values = figures["stages_ms"][stage]
        row(f"  {stage.replace('_', ' ')}", f"{median(values):.0f} ms", f"{np.percentile(values, 95):.0f} ms")
    print("\nengine calls a turn waits for                  bare          paid         ratio")
    bare_sum, paid_sum = 0.0, 0.0
    for name, paid in figures["paid_ms"].items():
        bare = figures["bare_ms"][name]
        row(name, f"{median(bare):.0f} ms", f"{median(paid):.0f} ms", f"{median(paid) / max(median(bare), 1e-9):.2f}")
    critical = ("llm to first clause", "tts to first sound")
    sums = [sum(figures["bare_ms"][name][i] for name in critical) for i in range(turns)]
    waited = [figures["reported_ms"][i] - figures["stages_ms"]["endpointing"][i] for i in range(turns)]
    bare_sum, paid_sum = median(sums), median(waited)
    row("after the commit: bare sum, waited", f"{bare_sum:.0f} ms", f"{paid_sum:.0f} ms", f"{paid_sum / bare_sum:.2f}")
    added = [w - s for w, s in zip(waited, sums, strict=True)]
    print(f"\nthe pipeline adds {median(added):.0f} ms (median) to the bare engine calls a turn waits for")


if __name__ == "__main__":
    main()
