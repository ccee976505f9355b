"""How soon the agent's sound stops when the caller begins to speak over it: a call of nothing but that."""

import json
from pathlib import Path
from typing import Any, Final

import yaml
from fast_rows.product import TALKATIVE, Made, Product, make_call
from fast_rows.row import Row
from many_callers.figures import percentile
from measure_conversation import MANIFEST, measure

FIRST: Final = "sentences/order_e0828298.flac"
SPEECH_KINDS: Final = frozenset({"interruption", "backchannel"})
OVER_AGENT_MS: Final = (500, 900, 700, 1_100, 600)
"""How long the agent has been heard when the caller begins; in turn."""

SPARE: Final = 8
"""For so many sounds there is one more than wanted: a reply may be over before it is talked over."""

PAUSE_P50_MAX_MS: Final = 100.0
PAUSE_P95_MAX_MS: Final = 160.0


def events_of(manifest: Path) -> list[str]:
    """Every interruption and backchannel, in turn: after three of one there is one of the other."""
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    true = [row["file"] for row in rows if row["kind"] == "interruption"]
    small = [row["file"] for row in rows if row["kind"] == "backchannel"]
    mixed: list[str] = []
    for index, name in enumerate(true):
        mixed.append(name)
        if index % 3 == 2 and small:
            mixed.append(small[index // 3 % len(small)])
    return mixed


def write_scenario(folder: Path, onsets: int) -> Path:
    """A caller who asks once and then talks over every reply."""
    for name in ("events", "sentences"):
        if not (folder / name).exists():
            (folder / name).symlink_to(MANIFEST.parent / name)
    events = events_of(MANIFEST)
    steps: list[dict[str, Any]] = [{"play": FIRST}]
    steps += [
        {"play": events[index % len(events)], "over_agent_ms": OVER_AGENT_MS[index % len(OVER_AGENT_MS)]}
        for index in range(onsets + onsets // SPARE)
    ]
    path = folder / "talked_over.yaml"
    path.write_text(yaml.safe_dump({"description": "bench", "steps": steps}), encoding="utf-8")
    return path


def measure_onsets(on: Product, onsets: int) -> tuple[Made, list[dict[str, Any]]]:
    """Makes the call; the call, and what was measured of every sound that began over the agent's."""
    scenario = write_scenario(on.folder, onsets)
    made = make_call(on, TALKATIVE, [f"--scenario={scenario}"])
    folder = made.folder
    found = measure(folder / "recording.wav", folder / "caller.json", playout=folder / "playout.json")
    findings: list[dict[str, Any]] = found["findings"]
    return made, findings


def pauses_ms(findings: list[dict[str, Any]]) -> list[float]:
    """From the true onset to the agent's last sample, of all speech over it that stopped its sound."""
    return [
        each["stop_ms"]
        for each in findings
        if each["kind"] in SPEECH_KINDS and each["stop_ms"] is not None and each["settled"] not in ("ended", "missed")
    ]


def rows_of(findings: list[dict[str, Any]]) -> list[Row]:
    """The lines of the table."""
    stops = pauses_ms(findings)
    missed = sum(each["settled"] == "missed" for each in findings if each["kind"] == "interruption")
    rows = []
    for share, bar in ((50, PAUSE_P50_MAX_MS), (95, PAUSE_P95_MAX_MS)):
        rows.append(
            Row(
                what=f"pause of agent audio after true onset of speech, p{share}",
                value=percentile(stops, share) if stops else None,
                unit="ms",
                bar_max=bar,
                note=f"{len(stops)} onsets, {missed} interruptions missed" if share == 50 else "",
            )
        )
    return rows
