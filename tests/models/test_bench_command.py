"""`voice-inference bench` on the real engines, as a person runs it."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from support.processes import ROOT, program, run

from voice_inference.bench.node_process import node_process
from voice_inference.bench.process_usage import rss_mb
from voice_inference.catalogue.store import default_cache_dir
from voice_inference.placement.model import load_placement

pytestmark = [pytest.mark.models, pytest.mark.timeout(240)]


def test_a_quick_look_finds_every_figure(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    done = run("voice-inference", "bench", "--quick", "--seconds=1", "--callers=1", f"--json={written}", timeout_s=230)
    assert done.code == 0, done.err
    figures = json.loads(written.read_text())
    engines = figures["engines"]
    assert [time["batch"] for time in engines["vad"]] == [1, 16, 50]
    assert [time["length_s"] for time in engines["stt"]] == [2.0, 5.0, 10.0]
    assert engines["end_of_turn_ms"] > 0
    assert engines["llm"]["cached_first_ms"] < engines["llm"]["cold_first_ms"]
    assert engines["tts"]["first_clause_ms"] > 0
    assert {times["stage"] for times in figures["threads"]} == {"stt", "llm", "tts"}
    assert [level["callers"] for level in figures["levels"]] == [1]
    for level in figures["levels"]:
        assert level["answered"] >= level["callers"], level
        assert (level["refused"], level["unanswered"]) == (0, 0), level
        assert level["node_rss_mb"] > 100
    assert not figures["start_up"]["torch_loaded"]
    assert figures["advice"]["sessions"] == 1
    assert re.search(r"^ +1 +\d+ +\d+ +\d+", done.out, re.MULTILINE), done.out
    assert figures["advice"]["placement"].strip() in done.out
    assert "1 caller at once" in done.err


def test_ctrl_c_while_an_engine_works_is_one_word() -> None:
    bench = subprocess.Popen(
        [program("voice-inference"), "bench", "--quick"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # What a shell starts in the background ignores it, and what that starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert bench.stderr is not None
    assert any("stt alone" in line for line in bench.stderr), "the bench ended before it began"
    bench.send_signal(signal.SIGINT)
    out, errors = bench.communicate(timeout=60)
    assert (bench.returncode, out) == (130, "")
    assert errors.split() == ["interrupted"]


def test_nothing_of_the_node_is_left_when_the_bench_is_interrupted(tmp_path: Path) -> None:
    placement = load_placement(ROOT / "configs" / "inference" / "cpu-2core.yaml")
    seen: list[int] = []

    def interrupted_bench() -> None:
        with node_process(placement, default_cache_dir(), tmp_path) as node:
            seen.append(node.pid)
            assert rss_mb(node.pid) > 100
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_bench()
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)
