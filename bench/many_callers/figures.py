"""Arithmetic and tables of the benches: percentiles, rows with a bar beside them, one JSON file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

LABEL: Final = 54


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` percent of `values` lie; nan of nothing."""
    return float(np.percentile(values, share)) if len(values) else float("nan")


def spread_ms(values_s: Sequence[float]) -> dict[str, float]:
    """Number, median, 95th and 99th percentile and largest of durations in seconds, as milliseconds."""
    found = {name: percentile(values_s, share) * 1_000 for name, share in (("p50", 50), ("p95", 95), ("p99", 99))}
    return {"n": len(values_s), **found, "max": max(values_s, default=float("nan")) * 1_000}


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Rise of y with x, by least squares; nan with fewer than two points."""
    if len({x for x, _ in points}) < 2:
        return float("nan")
    xs, ys = zip(*points, strict=True)
    return float(np.polyfit(xs, ys, 1)[0])


def row(label: str, value: str, bar: str = "") -> None:
    """One line: what, how much, how much it may be."""
    print(f"  {label:<{LABEL}}{value:>40}   {bar}".rstrip())


def spread_row(label: str, values_s: Sequence[float], bar: str = "") -> None:
    """One line of durations, as milliseconds."""
    found = spread_ms(values_s)
    cells = "  ".join(f"{name} {found[name]:.1f}" for name in ("p50", "p95", "p99", "max"))
    row(f"{label}, ms (n {len(values_s)})", cells if len(values_s) else "-", bar)


def write(figures: dict[str, Any], path: Path | None) -> None:
    """Keeps the figures, where wanted."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
