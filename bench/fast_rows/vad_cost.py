"""Processor time of voice activity detection for many sessions in one process, through the lane the node uses.

`python bench/fast_rows/vad_cost.py` prints one JSON object; it is run as a process of its own so that nothing else
is counted. Each session's sound comes in frames of 20 ms that begin at a moment of its own, as callers' frames do.
"""

# ruff: noqa: E402 - the environment is made before the libraries that read it are loaded

import argparse
import asyncio
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from voice_inference.native_threads import keep_native_threads_calm

keep_native_threads_calm()  # read when the libraries below are loaded

import numpy as np
import soundfile
from fast_rows.row import Row
from first_call import ROOT

from voice_contract.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from voice_inference.bench.engine_parts import EngineParts
from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.cli.default_placement import default_placement
from voice_inference.engines.base import FloatSamples
from voice_inference.placement.machine import ThisMachine
from voice_inference.placement.model import load_placement
from voice_inference.placement.resolve import resolve
from voice_inference.vad_lane import VadLane, VadStream

SESSIONS: Final = 50
SPEECH: Final = ROOT / "test_data" / "speech" / "jfk.wav"
FRAME_S: Final = FRAME_SAMPLES / SAMPLE_RATE_HZ
COST_MAX_MS: Final = 1.5
RUN_S: Final = 120.0


class Session:
    """One caller's sound, cut into windows as it comes."""

    def __init__(self, stream: VadStream, sound: FloatSamples, at: int, begun: int, window: int) -> None:
        """From sample `at` of `sound`; `begun` samples of the first window are there already."""
        self._stream, self._sound, self._window = stream, sound, window
        self._at = at + begun
        self._next = at

    def frame(self) -> None:
        """20 ms more of it; every window that is complete is submitted."""
        self._at += FRAME_SAMPLES
        while self._at - self._next >= self._window:
            place = self._next % (len(self._sound) - self._window)
            self._stream.submit(self._next, self._sound[place : place + self._window])
            self._next += self._window


def thread_cpu_s(name: str) -> float:
    """Processor time so far of the thread of that name."""
    thread = next(each for each in threading.enumerate() if each.name == name)
    assert thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


async def measure(sessions: int, seconds: float) -> dict[str, float]:
    """All sessions for so long, in real time; milliseconds of processor a session-second."""
    parts = EngineParts(resolve(load_placement(default_placement()), ThisMachine()), ModelStore(default_cache_dir()))
    engine = parts.vad()
    sound, _ = soundfile.read(SPEECH, dtype="float32")
    lane = VadLane(engine, asyncio.get_running_loop())
    scored = failed = 0

    def take(_start: int, _probability: float) -> None:
        nonlocal scored
        scored += 1

    def fail(_error: Exception) -> None:
        nonlocal failed
        failed += 1

    # Callers began at any time: their frames lie anywhere in the 20 ms of each other's, and their windows in the 32 ms.
    random = np.random.default_rng(1)
    phases_s = random.uniform(0.0, FRAME_S, sessions)
    begun = random.integers(0, engine.window_samples, sessions).tolist()
    talking = [
        Session(lane.open(take, fail), sound, index * 3_571 % len(sound), begun[index], engine.window_samples)
        for index in range(sessions)
    ]
    order = sorted(range(sessions), key=lambda index: phases_s[index])
    lane_began_s, began_s = thread_cpu_s("lane-vad"), time.monotonic()
    for tick in range(round(seconds / FRAME_S)):
        for index in order:
            due_s = began_s + tick * FRAME_S + phases_s[index]
            if (wait_s := due_s - time.monotonic()) > 0.0:
                await asyncio.sleep(wait_s)
            talking[index].frame()
    lane_s, took_s = thread_cpu_s("lane-vad") - lane_began_s, time.monotonic() - began_s
    await asyncio.sleep(0.1)
    lane.close()
    if failed or not scored:
        sys.exit("error: the VAD engine failed")
    return {
        "sessions": sessions,
        "lane_ms": lane_s * 1_000 / (sessions * took_s),
        "windows_a_session_second": scored / (sessions * took_s),
    }


def vad_figures(seconds: float) -> dict[str, Any]:
    """Measures in a process of its own."""
    words = [sys.executable, str(Path(__file__).resolve()), f"--seconds={seconds}"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, timeout=RUN_S)
    if done.returncode:
        sys.exit("error: VAD could not be measured; its reason is above")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def rows_of(figures: dict[str, Any]) -> list[Row]:
    """The line of the table."""
    note = f"CPU of the lane's thread; {figures['windows_a_session_second']:.1f} windows a session-second"
    what = f"VAD, {figures['sessions']} sessions, a session-second"
    return [Row(what=what, value=figures["lane_ms"], unit="ms", bar_max=COST_MAX_MS, note=note)]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options.sessions, options.seconds))))


if __name__ == "__main__":
    main()
