"""Draws the waterfall of a call as a picture: `latency_picture.py CALL_FOLDER picture.svg`."""

import json
import sys
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from voice_orchestrator.reports.call_report import STAGES

WIDTH: Final = 900
LEFT: Final = 130
ROW: Final = 22
COLOURS: Final = ("#9aa5b1", "#4c78a8", "#72b7b2", "#54a24b", "#f58518", "#b279a2")


def text(x: float, y: float, words: str, *, bold: bool = False) -> str:
    """One line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{weight}>{escape(words)}</text>'


def draw_turn(turn: dict[str, Any], top: int, scale: float) -> list[str]:
    """A turn: what was said, then a bar per stage at its place in time."""
    parts = [text(10, top + 16, f"turn {turn['turn']}: {turn['total_ms']} ms", bold=True)]
    parts.append(text(LEFT, top + 16, f"caller: {turn['caller']}"))
    parts.append(text(LEFT, top + 34, f"agent: {turn['agent'][:110]}"))
    at_ms = 0
    for row, stage in enumerate(STAGES):
        took_ms = turn["stages_ms"][stage]
        y = top + 46 + row * ROW
        x, width = LEFT + at_ms * scale, max(1.0, took_ms * scale)
        parts.append(text(10, y + 14, stage.replace("_", " ")))
        parts.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="16" fill="{COLOURS[row]}"/>')
        parts.append(text(x + width + 6, y + 13, f"{took_ms} ms"))
        at_ms += took_ms
    return parts


def main() -> None:
    """Reads a report, writes a picture."""
    if len(sys.argv) != 3:
        sys.exit("usage: latency_picture.py CALL_FOLDER picture.svg")
    report = json.loads((Path(sys.argv[1]) / "report.json").read_text(encoding="utf-8"))
    turns = [turn for turn in report["turns"] if "stages_ms" in turn]
    if not turns:
        sys.exit("error: no turn of this call was answered")
    scale = (WIDTH - LEFT - 80) / max(turn["total_ms"] for turn in turns)
    block = 46 + ROW * len(STAGES) + 14
    parts: list[str] = []
    for index, turn in enumerate(turns):
        parts += draw_turn(turn, 10 + index * block, scale)
    height = 20 + block * len(turns)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
    head += f'font-size="13"><rect width="{WIDTH}" height="{height}" fill="white"/>'
    Path(sys.argv[2]).write_text("\n".join([head, *parts, "</svg>"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
