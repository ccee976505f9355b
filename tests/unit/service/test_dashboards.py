"""The dashboards: as the tables say, and everything they name exists."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dashboard_tables import DASHBOARDS, Kind
from make_dashboards import COLUMNS, FOLDER, document
from support.promql import exported, mistakes, named_in, promtool, stems

ROOT = Path(__file__).resolve().parents[3]
KNOWN = exported()
EXPRESSIONS = [
    (dashboard.name, panel.title, series.expr)
    for dashboard in DASHBOARDS
    for _, row in dashboard.rows
    for panel in row
    for series in panel.series
]
RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules/voice-agent.yml").read_text(encoding="utf-8"))


def test_the_files_are_as_the_tables_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/make_dashboards.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("dashboard", "title", "expr"), EXPRESSIONS)
def test_what_a_panel_names_exists(dashboard: str, title: str, expr: str) -> None:
    assert named_in(expr).metrics, "every panel shows something"
    assert not mistakes(expr, KNOWN), (dashboard, title)


def test_every_metric_is_on_a_dashboard() -> None:
    shown = stems(metric for _, _, expr in EXPRESSIONS for metric in named_in(expr).metrics)
    ours = {name for name in stems(KNOWN) if name.startswith("voice_")}
    assert not ours - shown


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: str(dashboard.name))
def test_panels_fill_the_screen_and_do_not_overlap(dashboard: Any) -> None:
    made = json.loads((FOLDER / f"{dashboard.name}.json").read_text(encoding="utf-8"))
    assert made == document(dashboard)
    taken: set[tuple[int, int]] = set()
    for panel in made["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < COLUMNS
        taken |= cells
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    assert len(taken) == COLUMNS * (1 + max(y for _, y in taken)), "no hole"


def test_legends_name_labels_that_are_there() -> None:
    for dashboard in DASHBOARDS:
        for _, row in dashboard.rows:
            for panel in row:
                for series in panel.series:
                    wanted = set(series.legend.replace("}}", "{{").split("{{")[1::2])
                    named = named_in(series.expr)
                    there = named.grouped or set().union(*(KNOWN[metric] for metric in named.metrics))
                    assert wanted <= there, (panel.title, series)
                    assert panel.kind is not Kind.HEATMAP or "le" in wanted


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "1m").replace("$instance", ".*")}
        for number, (_, _, expr) in enumerate(EXPRESSIONS)
    ]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run([promtool(), "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
