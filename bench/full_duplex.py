"""`make bench-duplex`: turn-taking on real audio, measured from the samples of real calls with real models.

Plays the bench scenarios of test_data/conversation to two agents that differ in one thing, whether a reply is begun
while the caller's last silence is still being judged. Their calls alternate on one node. Each recording is measured by
measure_conversation.py; the table gives n, median and 95th percentile beside the bar. Nothing is asserted: machines
differ. About 30 minutes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from first_call import Started, program, start_node, stop
from heard_words import Recogniser, words_off
from measure_conversation import measure, spread, summary

ROOT: Final = Path(__file__).resolve().parent.parent
SCENARIOS: Final = tuple(sorted((ROOT / "test_data" / "conversation").glob("bench_*.yaml")))
PROFILES: Final = {
    "on": ROOT / "bench" / "profiles" / "talkative.yaml",
    "off": ROOT / "bench" / "profiles" / "talkative_no_speculation.yaml",
}
CALL_S: Final = 1_200.0


@dataclass(slots=True)
class Side:
    """What was measured of one agent."""

    findings: list[dict[str, Any]] = field(default_factory=list)
    late_samples: int = 0
    missing_samples: int = 0
    repeated_samples: int = 0
    holes_ms: list[float] = field(default_factory=list)
    words_off: list[float] = field(default_factory=list)
    unfinished: int = 0

    def take(self, result: dict[str, Any]) -> None:
        """Adds what was measured of one call."""
        self.findings += result["findings"]
        self.late_samples += result["late_agent_samples"]
        self.missing_samples += result["missing_samples"]
        self.repeated_samples += result["repeated_samples"]
        self.holes_ms += result["holes_ms"]
        self.unfinished += not result["finished"]

    def figures(self) -> dict[str, Any]:
        """The figures of the table."""
        settled = summary([{**each, "outcome": each["settled"]} for each in self.findings])
        samples_alone = summary(self.findings)["false_interruptions"]
        return {
            **settled,
            "false_by_samples_alone": {name: samples_alone[name] for name in ("n", "resumed", "unclear")},
            "late_agent_samples": self.late_samples,
            "missing_samples": self.missing_samples,
            "repeated_samples": self.repeated_samples,
            "holes": len(self.holes_ms),
            "words_off": {**spread(self.words_off), "mean": _mean(self.words_off)},
            "unfinished_calls": self.unfinished,
        }


def make_call(node: Started, scenario: Path, profile: Path, out: Path) -> tuple[Path, dict[str, Any]]:
    """Plays a scenario; gives the call's folder and its report."""
    words = [program("voice-orchestrator"), "call", f"--scenario={scenario}", f"--profile={profile}"]
    words += [f"--inference={node.address}", f"--out={out}", "--json"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, cwd=ROOT, timeout=CALL_S, check=False)
    if done.returncode not in (0, 3):
        sys.exit("error: the call failed; its reason is above")
    report: dict[str, Any] = json.loads(done.stdout)
    return next(path for path in out.iterdir() if path.name.endswith(report["session_id"])), report


def run_all(out: Path, parts: int, off_parts: int) -> dict[str, Any]:
    """Makes all calls and measures them; gives the figures of both agents."""
    sides = {name: Side() for name in PROFILES}
    with tempfile.TemporaryDirectory(prefix="voice-agent-bench-") as name:
        node = start_node(Path(name), "duplex")
        try:
            calls = list(_calls(node, out, parts, off_parts))
        finally:
            stop(node)
    recogniser = Recogniser()
    for mode, folder, report in calls:
        result = measure(folder / "recording.wav", folder / "caller.json", playout=folder / "playout.json")
        (folder / "measured.json").write_text(json.dumps(result, indent=2) + "\n")
        sides[mode].take(result)
        playout = json.loads((folder / "playout.json").read_text())
        sides[mode].words_off += words_off(folder, report, playout, recogniser)
    return {mode: side.figures() for mode, side in sides.items()}


def _calls(node: Started, out: Path, parts: int, off_parts: int) -> Any:  # noqa: ANN401 - a generator
    for index, scenario in enumerate(SCENARIOS[:parts]):
        for mode in ("on", "off") if index % 2 == 0 else ("off", "on"):
            if mode == "off" and index >= off_parts:
                continue
            print(f"{scenario.stem} of {parts}, speculation {mode}", file=sys.stderr)
            folder, report = make_call(node, scenario, PROFILES[mode], out)
            yield mode, folder, report


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 2) if values else None


def show(figures: dict[str, Any]) -> None:
    """Prints the table."""
    on, off = figures["on"], figures["off"]
    print(f"\n{'':<46}{'speculation on':>26}{'off':>26}   bar")
    print(f"{'':<46}{'n      p50      p95':>26}{'n      p50      p95':>26}")
    _spread("voice-to-voice, ms", on["voice_to_voice_ms"], off["voice_to_voice_ms"], "")
    if on["voice_to_voice_ms"]["n"] and off["voice_to_voice_ms"]["n"]:
        ratio = on["voice_to_voice_ms"]["p50"] / off["voice_to_voice_ms"]["p50"]
        print(f"{'  medians, on : off':<46}{ratio:>26.2f}{'':>26}   at most 0.75")
    _spread(
        "barge-in, onset to last agent sample, ms", on["interruptions"]["stop_ms"], off["interruptions"]["stop_ms"],
        "p50 at most 115, p95 at most 180",
    )  # fmt: skip
    for label, path, bar in ROWS:
        print(f"{label:<46}{_value(on, path):>26}{_value(off, path):>26}   {bar}")
    for mode, side in figures.items():
        if side["unfinished_calls"]:
            print(f"speculation {mode}: {side['unfinished_calls']} calls ended before their scenario did")


ROWS: Final = (
    ("agent samples after a confirmed barge-in", ("late_agent_samples",), "0"),
    ("true interruptions missed", ("interruptions", "missed", "n"), "at most 2 %"),
    ("false interruptions after which it resumed", ("false_interruptions", "resumed", "n"), "at least 95 %"),
    ("  from samples alone (the rest unclear)", ("false_by_samples_alone", "resumed", "n"), ""),
    ("  agent samples lost", ("missing_samples",), "0"),
    ("  agent samples repeated", ("repeated_samples",), "0"),
    ("sentences with inner pauses cut in two", ("sentences", "cut", "n"), "at most 5 %"),
    ("  inner pauses answered", ("sentences", "pauses_cut", "pauses"), ""),
    ("heard text, words off, mean", ("words_off", "mean"), "at most 1"),
    ("holes in the agent's sound, late samples", ("holes",), ""),
)


def _spread(label: str, on: dict[str, float], off: dict[str, float], bar: str) -> None:
    cells = [
        f"{each['n']:.0f}{each['p50']:>9.0f}{each['p95']:>9.0f}" if each["n"] else "0        -        -"
        for each in (on, off)
    ]
    print(f"{label:<46}{cells[0]:>26}{cells[1]:>26}   {bar}")


def _value(side: dict[str, Any], path: tuple[str, ...]) -> str:
    """One number, or `some of all` with the share where the path names both."""
    if len(path) == 3:
        some, whole = side[path[0]][path[1]], side[path[0]][path[2]]
        return f"{some} of {whole} ({100 * some / whole:.1f} %)" if whole else "-"
    value = side[path[0]] if len(path) == 1 else side[path[0]][path[1]]
    return "-" if value is None else f"{value}"


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description="Turn-taking on real audio, measured in recordings.")
    parser.add_argument("--parts", type=int, default=len(SCENARIOS), help="how many of the scenarios to play")
    parser.add_argument(
        "--off-parts", type=int, default=len(SCENARIOS), help="how many of the parts are played without speculation too"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "bench-duplex", help="where the calls are kept")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    figures = run_all(options.out, options.parts, options.off_parts)
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
