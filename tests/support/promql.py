"""What a PromQL expression names, and what the two services export."""

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from voice_inference.server.metrics import NodeMetrics
from voice_operations.peer_metrics import PeerMetrics
from voice_orchestrator.service.metrics import ServiceMetrics

OF_PROMETHEUS = {"up": {"job", "instance"}}
OF_EVERY_TARGET = {"job", "instance"}
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "offset", "bool"}

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_MATCHERS = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^}]*)\}")
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_FUNCTION = re.compile(r"\b[a-zA-Z_]\w*\s*(?=\()")
_NAME = re.compile(r"(?<![\w.])[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What an expression names. matched: labels of each metric that are matched; grouped: labels in clauses."""

    metrics: frozenset[str]
    matched: Mapping[str, frozenset[str]]
    grouped: frozenset[str]


def named_in(expr: str) -> Named:
    """Takes an expression apart, without its comments."""
    bare = _RANGE.sub("", _TEXT.sub('""', re.sub(r"#[^\n]*", "", expr)))
    matched: dict[str, set[str]] = {}
    for metric, inside in _MATCHERS.findall(bare):
        matched.setdefault(metric, set()).update(re.findall(r"(\w+)\s*[=!]", inside))
    grouped = {label.strip() for _, inside in _GROUPING.findall(bare) for label in inside.split(",") if label.strip()}
    rest = re.sub(r"\{[^}]*\}", "", _GROUPING.sub("", bare))
    return Named(
        metrics=frozenset(set(_NAME.findall(_FUNCTION.sub("", rest))) - WORDS),
        matched={metric: frozenset(labels) for metric, labels in matched.items()},
        grouped=frozenset(grouped),
    )


def exported() -> dict[str, set[str]]:
    """Labels of every sample both planes export, by its name; `le` is one of buckets."""
    node = NodeMetrics()
    PeerMetrics("voice_inference", node.registry)
    return {**_samples(ServiceMetrics().registry), **_samples(node.registry)}


def _samples(registry: CollectorRegistry) -> dict[str, set[str]]:
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "info": ("_info",)}
    found: dict[str, set[str]] = {}
    for collector, names in registry._collector_to_names.items():
        for metric in collector.collect():
            labels = set(getattr(collector, "_labelnames", ()))
            for suffix in suffixes[metric.type]:
                assert f"{metric.name}{suffix}" in {*names, f"{metric.name}{suffix}"}
                more = {"le"} if suffix == "_bucket" else {"version"} if suffix == "_info" else set()
                found[f"{metric.name}{suffix}"] = labels | more | OF_EVERY_TARGET
    return found


def mistakes(expr: str, known: Mapping[str, set[str]]) -> list[str]:
    """What the expression names that is not there."""
    named = named_in(expr)
    wrong = [f"there is no {metric}" for metric in sorted(named.metrics - known.keys())]
    for metric, labels in named.matched.items():
        wrong += [f"{metric} has no label {label}" for label in sorted(labels - known.get(metric, set()))]
    labels_of_all: set[str] = set().union(*(known.get(metric, set()) for metric in named.metrics))
    wrong += [f"nothing here has a label {label}" for label in sorted(named.grouped - labels_of_all)]
    return wrong


def stems(metrics: Iterable[str]) -> set[str]:
    """Metrics without what tells the samples of a histogram apart."""
    return {re.sub(r"_(bucket|sum|count)$", "", metric) for metric in metrics}


def promtool() -> str:
    """Where promtool is; skips the test where it is not."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found
