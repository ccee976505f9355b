"""What the orchestrator tells Prometheus while calls run. Session ids are never a label.

    sessions   how many there are, what they do, what becomes of them
    turns      latencies, barge-ins, replies begun early, tools, failures
    nodes      the inference nodes and the ways to them
    flow       queues, dropped sound, gaps, the event loop
    records    what is kept of calls
    peers      whoever asks and may not

Every label is bounded by the code or by configuration: profiles and their tools are.
"""

from collections.abc import Callable
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.process_collector import ProcessCollector

from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import EndCause, Phase, SpeculationOutcome, TurnLatency
from voice_operations.peer_metrics import PeerMetrics
from voice_orchestrator import __version__
from voice_orchestrator.records.entry import Part
from voice_orchestrator.records.store import RecordStats
from voice_orchestrator.runtime.cut_reason import CutReason
from voice_orchestrator.runtime.session_reading import SessionReading, SoundDrop
from voice_orchestrator.service.directory import SessionDirectory

LATENCY_BUCKETS_S: Final = (
    0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0,
)  # fmt: skip
"""Fine enough around the latencies of a turn to tell 260 ms from 490 ms; the inference node's are the same."""

STOP_BUCKETS_S: Final = (
    0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.18, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0,
)  # fmt: skip
"""Around a tenth of a second, where a caller begins to feel talked over."""

GAP_BUCKETS_S: Final = (0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
LAG_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
LENGTH_BUCKETS_S: Final = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0)

TURN_STAGES: Final = (
    "endpointing",
    "transcription",
    "first_token",
    "first_clause",
    "synthesis",
    "delivery",
    "total",
)
"""The stages of TurnLatency; the first six add up to the last."""

REFUSALS: Final = (
    FailureReason.CAPACITY_EXHAUSTED,
    FailureReason.DRAINING,
    FailureReason.INFERENCE_LOST,
    FailureReason.INVALID_MESSAGE,
    FailureReason.OVERLOADED,
    FailureReason.PROFILE_INVALID,
)
"""Reasons a session is usually refused for. They are shown from the beginning: a rate does not see a first 1."""

CUTS: Final = (FailureReason.INVALID_MESSAGE, FailureReason.RATE_EXCEEDED)
"""Reasons the stream of an edge is ended for."""


class OpenSession(Protocol):
    """A session that is being measured."""

    def take_reading(self) -> SessionReading:
        """Reads it now and adds what it dropped since the last time."""


class SessionCounts:
    """How many sessions there are, what they do, what becomes of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.active = Gauge("voice_sessions_active", "Sessions running", registry=registry)
        self.in_phase = Gauge("voice_sessions_in_phase", "Sessions running, by phase", ["phase"], registry=registry)
        self.capacity = Gauge("voice_capacity_sessions", "Sessions that may run at the same time", registry=registry)
        self.accepting = Gauge(
            "voice_accepting", "1 while sessions are taken, 0 while draining or without a node", registry=registry
        )
        self.started = Counter("voice_sessions_started", "Sessions begun", ["profile"], registry=registry)
        self.refused = Counter("voice_sessions_refused", "Sessions refused", ["reason"], registry=registry)
        self.ended = Counter("voice_sessions_ended", "Sessions ended", ["cause"], registry=registry)
        self.length = Histogram(
            "voice_session_seconds", "Length of sessions", buckets=LENGTH_BUCKETS_S, registry=registry
        )
        self.peers_cut = Counter(
            "voice_peers_cut", "Streams of edges ended because of what they did", ["reason"], registry=registry
        )
        for reason in REFUSALS:
            self.refused.labels(reason.value)
        for reason in CUTS:
            self.peers_cut.labels(reason.value)
        for cause in EndCause:
            self.ended.labels(cause.value)


class TurnMetrics:
    """Latencies, barge-ins, replies begun early, tools, failures."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.taken = Counter(
            "voice_turns", "Turns of callers that were answered", ["profile", "origin"], registry=registry
        )
        self.latency = Histogram(
            "voice_turn_latency_seconds",
            "Spoken turns: from the caller's last sample to the agent's first, by contiguous stage and in total",
            ["stage", "profile"],
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.barge_ins = Counter(
            "voice_barge_in_decisions",
            "Decisions about caller speech over the agent",
            ["outcome", "cause"],
            registry=registry,
        )
        self.stop = Histogram(
            "voice_barge_in_stop_seconds",
            "From the onset of caller speech over the agent until the order to be silent left for the edge",
            buckets=STOP_BUCKETS_S,
            registry=registry,
        )
        self.speculations = Counter(
            "voice_speculations", "Replies begun before their turn was committed", ["outcome"], registry=registry
        )
        self.speculation_tokens = Counter(
            "voice_speculation_tokens", "Tokens written for them by then", ["outcome"], registry=registry
        )
        self.speculation_sound = Counter(
            "voice_speculation_synthesised_seconds", "Speech made for them by then", ["outcome"], registry=registry
        )
        self.failures = Counter("voice_failures", "Failures of stages", ["stage", "reason"], registry=registry)
        self.ignored = Counter(
            "voice_events_ignored", "Events that meant nothing where the session stood", ["reason"], registry=registry
        )
        self.tool_calls = Counter(
            "voice_tool_calls", "Calls of tools that have come to an end", ["tool", "outcome"], registry=registry
        )
        self.tool_seconds = Histogram(
            "voice_tool_seconds", "Time tools took to answer", ["tool"], buckets=LATENCY_BUCKETS_S, registry=registry
        )
        self._latency_of: dict[str, tuple[Histogram, ...]] = {}
        for outcome in SpeculationOutcome:
            self.speculations.labels(outcome.value)
            self.speculation_tokens.labels(outcome.value)
            self.speculation_sound.labels(outcome.value)
        for stage in Stage:
            self.failures.labels(stage.value, FailureReason.INTERNAL.value)

    def turn_answered(self, profile: str, latency: TurnLatency) -> None:
        """A spoken turn's answer began to be heard."""
        histograms = self._latency_of.get(profile)
        if histograms is None:
            # Looked up once: seven look-ups by label cost more than the seven observations.
            histograms = tuple(self.latency.labels(stage, profile) for stage in TURN_STAGES)
            self._latency_of[profile] = histograms
        stages = (
            latency.endpointing_ms,
            latency.transcription_ms,
            latency.first_token_ms,
            latency.first_clause_ms,
            latency.synthesis_ms,
            latency.delivery_ms,
            latency.total_ms,
        )
        for histogram, ms in zip(histograms, stages, strict=True):
            histogram.observe(ms / 1_000)


class NodeLinkMetrics:
    """The inference nodes and the ways to them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.known = Gauge("voice_nodes_known", "Inference nodes that are configured or found", registry=registry)
        self.healthy = Gauge("voice_nodes_healthy", "Inference nodes that take sessions", registry=registry)
        self.lost = Counter(
            "voice_node_losses", "Times a session lost its inference node", ["reason"], registry=registry
        )
        self.refused = Counter(
            "voice_node_connect_failures",
            "Times a session that needed a node did not get the one it asked",
            ["reason"],
            registry=registry,
        )
        self.reconnect = Histogram(
            "voice_node_reconnect_seconds",
            "From the loss of a session's node until another took the session",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.heartbeats_missed = Counter(
            "voice_heartbeats_missed", "Heartbeats of inference nodes that came too late", registry=registry
        )


class FlowMetrics:
    """Queues, dropped sound, gaps, the event loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.depth = Gauge(
            "voice_queue_depth", "Deepest queue of any session, in the unit of its name", ["queue"], registry=registry
        )
        self.limit = Gauge(
            "voice_queue_limit", "Where such a queue is full, in the unit of its name", ["queue"], registry=registry
        )
        self.dropped = Counter(
            "voice_sound_dropped_seconds", "Sound thrown away", ["direction", "reason"], registry=registry
        )
        self.gap = Histogram(
            "voice_audio_gap_seconds",
            "Silence inside a reply that nobody ordered: its next sound was not there in time",
            buckets=GAP_BUCKETS_S,
            registry=registry,
        )
        self.loop_lag = Histogram(
            "voice_loop_lag_seconds",
            "How late the event loop ran a timer that was due",
            buckets=LAG_BUCKETS_S,
            registry=registry,
        )
        for drop in SoundDrop:
            self.dropped.labels(*drop.value)


class RecordMetrics:
    """What is kept of calls, and what could not be."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("voice_records_open", "Calls that are being recorded", registry=registry)
        self.waiting = Gauge("voice_records_waiting_bytes", "Sound and steps that wait for the disk", registry=registry)
        self.cut = Counter(
            "voice_record_files_cut",
            "Files of calls that ended before their call or were not written",
            ["part", "reason"],
            registry=registry,
        )
        self._told: dict[tuple[Part, CutReason], int] = {}
        for part in Part:
            for reason in CutReason:
                self.cut.labels(part.value, reason.value)

    def show(self, stats: RecordStats) -> None:
        """Brings them up to date."""
        self.open.set(stats.open_calls)
        self.waiting.set(stats.waiting_bytes)
        for (part, reason), count in stats.cut.items():
            self.cut.labels(part.value, reason.value).inc(count - self._told.get((part, reason), 0))
        self._told = stats.cut


class ServiceMetrics:
    """One set of metrics for one orchestrator, in a registry of its own, with the process's own beside them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sessions = SessionCounts(self.registry)
        self.turns = TurnMetrics(self.registry)
        self.nodes = NodeLinkMetrics(self.registry)
        self.flow = FlowMetrics(self.registry)
        self.records = RecordMetrics(self.registry)
        self.peers = PeerMetrics("voice", self.registry)
        self.open: set[OpenSession] = set()
        self._queues: set[str] = set()
        self._stats: Callable[[], RecordStats] | None = None
        Info("voice_orchestrator_build", "The program", registry=self.registry).info({"version": __version__})
        ProcessCollector(registry=self.registry)

    def session_refused(self, reason: FailureReason) -> None:
        """A session was not taken."""
        self.sessions.refused.labels(reason.value).inc()

    def peer_cut(self, reason: FailureReason) -> None:
        """The stream of an edge was ended because of what it did."""
        self.sessions.peers_cut.labels(reason.value).inc()

    def attach_records(self, stats: Callable[[], RecordStats]) -> None:
        """From now on it is shown what is kept of calls."""
        self._stats = stats

    def refresh(self, directory: SessionDirectory) -> None:
        """Brings everything up to date that is only read; to be called on the event loop before it is shown."""
        if self._stats is not None:
            self.records.show(self._stats())
        infos, nodes = directory.sessions(), directory.nodes()
        self.sessions.active.set(len(infos))
        for phase in Phase:
            self.sessions.in_phase.labels(phase.value).set(sum(info.phase is phase for info in infos))
        self.sessions.capacity.set(directory.slots)
        self.sessions.accepting.set(int(directory.accepting))
        self.nodes.known.set(len(nodes))
        self.nodes.healthy.set(sum(node.healthy for node in nodes))
        self._show_queues()

    def _show_queues(self) -> None:
        deepest = dict.fromkeys(self._queues, 0)
        for session in self.open:
            for queue in session.take_reading().queues:
                deepest[queue.queue] = max(deepest.get(queue.queue, 0), queue.depth)
                self.flow.limit.labels(queue.queue).set(queue.limit)
        for name, depth in deepest.items():
            self.flow.depth.labels(name).set(depth)
        self._queues = set(deepest)
