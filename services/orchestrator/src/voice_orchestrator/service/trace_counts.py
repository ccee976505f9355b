"""What became of the spans of traces, as a metric; it is there when traces are."""

from prometheus_client import CollectorRegistry, Counter

from voice_orchestrator.traces.endpoint import DROPPED, EXPORTED, REFUSED, CountSpans


def count_spans(registry: CollectorRegistry) -> CountSpans:
    """Adds `voice_trace_spans_total` to the registry; gives what counts."""
    spans = Counter("voice_trace_spans", "Spans of traces, by what became of them", ["outcome"], registry=registry)
    for outcome in (EXPORTED, REFUSED, DROPPED):
        spans.labels(outcome)
    return lambda outcome, count: spans.labels(outcome).inc(count)
