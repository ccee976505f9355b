"""The alert rules: everything they name exists, each is tested both ways, and Prometheus' own tool runs the tests."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.promql import OF_PROMETHEUS, exported, mistakes, named_in, promtool

PROMETHEUS = Path(__file__).resolve().parents[3] / "deploy" / "prometheus"
RULES_FILE = PROMETHEUS / "rules" / "voice-agent.yml"
TESTS_FILE = PROMETHEUS / "tests" / "voice-agent.yml"
KNOWN = {**exported(), **OF_PROMETHEUS}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def cases() -> list[dict[str, Any]]:
    tests: list[dict[str, Any]] = yaml.safe_load(TESTS_FILE.read_text(encoding="utf-8"))["tests"]
    return tests


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_what_a_rule_names_exists(rule: dict[str, Any]) -> None:
    assert not mistakes(rule["expr"], KNOWN)
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert sorted(rule["annotations"]) == ["action", "summary"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_a_rule_tells_labels_that_its_alerts_have(rule: dict[str, Any]) -> None:
    wanted = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    named = named_in(rule["expr"])
    of_all = set.intersection(*(KNOWN[metric] for metric in named.metrics))
    assert wanted <= (named.grouped if "sum by" in rule["expr"] else of_all)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_a_rule_is_fired_by_a_test_and_left_alone_by_another_series(rule: dict[str, Any]) -> None:
    checks = [(case, check) for case in cases() for check in case["alert_rule_test"]]
    mine = [(case, check) for case, check in checks if check["alertname"] == rule["alert"]]
    assert any(check["exp_alerts"] for _, check in mine), "nothing fires it"
    metrics = named_in(rule["expr"]).metrics
    quiet = any(not check["exp_alerts"] for _, check in mine)
    # A test that fires for one of several series of a metric shows by the others that it does not fire for all.
    others = any(_series_of(case, metric) > len(check["exp_alerts"]) for case, check in mine for metric in metrics)
    assert quiet or others, "nothing shows that it can be quiet"


def _series_of(case: dict[str, Any], metric: str) -> int:
    """How many different targets, profiles, stages or reasons the case has a series of the metric for."""
    shown = {
        re.sub(r', le="[^"]*"', "", series["series"])
        for series in case["input_series"]
        if series["series"].split("{")[0] == metric
    }
    return len(shown)


def test_series_of_the_tests_can_be_exported() -> None:
    for case in cases():
        for given in case["input_series"]:
            assert not mistakes(given["series"], KNOWN), case["name"]


def test_no_test_is_of_a_rule_that_is_not_there() -> None:
    names = {rule["alert"] for rule in rules()}
    assert {check["alertname"] for case in cases() for check in case["alert_rule_test"]} == names


def test_prometheus_runs_the_tests() -> None:
    tool = promtool()
    for verb, file in (("check", RULES_FILE), ("test", TESTS_FILE)):
        done = subprocess.run([tool, verb, "rules", file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


# --- the test's own reader of expressions


def test_names_are_found_in_expressions() -> None:
    named = named_in(
        'sum by (le, job) (rate(a_bucket{x="} voice", y=~"1"}[5m])) / on (job) group_left () b * 100 and c >= 1e3 or d'
    )
    assert named.metrics == {"a_bucket", "b", "c", "d"}
    assert named.matched == {"a_bucket": {"x", "y"}}
    assert named.grouped == {"le", "job"}


def test_mistakes_are_found_in_expressions() -> None:
    assert mistakes("rate(voice_turn_total[5m])", KNOWN) == ["there is no voice_turn_total"]
    assert mistakes('voice_turns_total{session="1"}', KNOWN) == ["voice_turns_total has no label session"]
    assert mistakes("sum by (session) (voice_turns_total)", KNOWN) == ["nothing here has a label session"]
