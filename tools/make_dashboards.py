"""Writes the Grafana dashboards of deploy/grafana/dashboards. `--check` compares only.

Tests hold that every metric they name exists and that every metric of the orchestrator is shown somewhere.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from dashboard_tables import DASHBOARDS, Dashboard, Kind, Panel, Series

FOLDER: Final = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
SCHEMA_VERSION: Final = 41
COLUMNS: Final = 24
PANEL_ROWS: Final = 8
STAT_ROWS: Final = 4

Json = dict[str, Any]


def document(dashboard: Dashboard) -> Json:
    """The dashboard as Grafana reads it."""
    return {
        "uid": f"voice-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["voice-agent"],
        "timezone": "browser",
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "title": "Voice agent", "tags": ["voice-agent"], "asDropdown": True}],
        "templating": {"list": [_instances(dashboard.instances_of)]},
        "panels": _panels(dashboard),
    }


def _instances(metric: str) -> Json:
    """The choice of instances; all of them at first."""
    query = f"label_values({metric}, instance)"
    return {
        "name": "instance",
        "label": "instance",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": "instances"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(dashboard: Dashboard) -> list[Json]:
    panels: list[Json] = []
    top = 0
    for heading, row in dashboard.rows:
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        panels.append({"id": len(panels) + 1, "type": "row", "title": heading, "gridPos": place, "collapsed": False})
        top += 1
        height = STAT_ROWS if all(panel.kind is Kind.STAT for panel in row) else PANEL_ROWS
        left = 0
        for index, panel in enumerate(row):
            # Widths that add up to the screen's, whatever the number of panels.
            width = (COLUMNS - left) // (len(row) - index)
            place = {"h": height, "w": width, "x": left, "y": top}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
            left += width
        top += height
    return panels


def _panel(panel: Panel) -> Json:
    shown = {
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "targets": [_target(index, series, panel.kind) for index, series in enumerate(panel.series)],
    }
    match panel.kind:
        case Kind.STAT:
            return {"type": "stat", **shown, **_stat(panel)}
        case Kind.HEATMAP:
            return {"type": "heatmap", **shown, **_heatmap(panel)}
        case Kind.LINES | Kind.STACKED:
            return {"type": "timeseries", **shown, **_lines(panel)}


def _target(index: int, series: Series, kind: Kind) -> Json:
    return {
        "refId": chr(ord("A") + index),
        "datasource": SOURCE,
        "expr": series.expr,
        "legendFormat": series.legend or "__auto",
        "format": "heatmap" if kind is Kind.HEATMAP else "time_series",
        "instant": kind is Kind.STAT,
        "range": kind is not Kind.STAT,
    }


def _stat(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.warn_at is not None:
        steps.append({"color": "red", "value": panel.warn_at})
    if panel.bad_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.bad_below}]
    return {
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": {
            "colorMode": "value",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    }


def _heatmap(panel: Panel) -> Json:
    return {
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {
            "calculate": False,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
            "tooltip": {"mode": "single", "yHistogram": False},
            "yAxis": {"unit": panel.unit},
        },
    }


def _lines(panel: Panel) -> Json:
    stacked = panel.kind is Kind.STACKED
    drawing = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 40 if stacked else 0,
        "showPoints": "never",
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    return {
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": drawing}, "overrides": []},
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def text_of(dashboard: Dashboard) -> str:
    """The file of a dashboard."""
    return json.dumps(document(dashboard), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Exit code: 0, or 1 when `--check` finds a file that differs, is missing or is left over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    checks = parser.parse_args().check
    wanted = {FOLDER / f"{dashboard.name}.json": text_of(dashboard) for dashboard in DASHBOARDS}
    found = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    if not checks:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        for path in found.keys() - wanted.keys():
            path.unlink()
        return 0
    differing = sorted(path.name for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path))
    if differing:
        print(f"{FOLDER}: {', '.join(differing)} are not as the tables say; run python tools/make_dashboards.py")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
