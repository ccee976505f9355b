"""What the node tells Prometheus while it works. Session ids are never a label."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS_S: Final = (
    0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0,
)  # fmt: skip
"""Fine enough around the latencies of a turn to tell 260 ms from 490 ms."""


class NodeMetrics:
    """One set of metrics for one node, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sessions = Gauge("voice_inference_sessions", "Sessions being served", registry=self.registry)
        self.session_slots = Gauge(
            "voice_inference_session_slots", "Sessions the node takes at the same time", registry=self.registry
        )
        self.sessions_refused = Counter(
            "voice_inference_sessions_refused", "Sessions refused", ["reason"], registry=self.registry
        )
        self.queue_seconds = Histogram(
            "voice_inference_stage_queue_seconds",
            "Time a request waited before an engine, and the cores it computes on, began with it",
            ["stage"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.first_result_seconds = Histogram(
            "voice_inference_stage_first_result_seconds",
            "Time from the beginning of a request's work until its first result",
            ["stage"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.run_seconds = Histogram(
            "voice_inference_stage_run_seconds",
            "Time from the beginning of a request's work until its end",
            ["stage"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.lane_depth = Gauge(
            "voice_inference_lane_depth", "Requests waiting for an engine", ["stage"], registry=self.registry
        )
        self.failures = Counter(
            "voice_inference_failures",
            "Failures reported to orchestrators",
            ["stage", "reason"],
            registry=self.registry,
        )
        self.cancelled = Counter(
            "voice_inference_cancelled", "Requests cancelled before their end", ["stage"], registry=self.registry
        )
        self.dropped_windows = Counter(
            "voice_inference_dropped_windows", "VAD windows dropped because the lane was behind", registry=self.registry
        )
        self.sound_dropped_seconds = Counter(
            "voice_inference_sound_dropped_seconds", "Caller sound dropped because it came late", registry=self.registry
        )
        self.loop_lag_seconds = Gauge(
            "voice_inference_loop_lag_seconds", "How late the event loop ran its last timer", registry=self.registry
        )
