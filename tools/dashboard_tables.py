"""What the Grafana dashboards show, as tables: make_dashboards.py makes the files of them."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """How a panel shows its series. STACKED: lines on top of each other that add up."""

    LINES = "lines"
    STACKED = "stacked"
    STAT = "stat"
    HEATMAP = "heatmap"


@dataclass(frozen=True, slots=True)
class Series:
    """A PromQL expression, and the legend of what it gives, with {{label}} filled in."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `warn_at`: a STAT is red from this value on; `bad_below`: it is red under it."""

    title: str
    unit: str
    series: tuple[Series, ...]
    kind: Kind = Kind.LINES
    description: str = ""
    warn_at: float | None = None
    bad_below: float | None = None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Rows of panels, each row under a heading and as wide as the screen."""

    name: str
    title: str
    instances_of: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def _of(metric: str, matchers: str = "") -> str:
    """A metric of the instances that are chosen."""
    chosen = 'instance=~"$instance"'
    return f"{metric}{{{chosen}, {matchers}}}" if matchers else f"{metric}{{{chosen}}}"


def _rate(metric: str, by: str, matchers: str = "", *, per: int = 1) -> str:
    expr = f"sum by ({by}) (rate({_of(metric, matchers)}[$__rate_interval]))"
    return expr if per == 1 else f"{expr} * {per}"


def _sum(metric: str, matchers: str = "") -> str:
    return f"sum(rate({_of(metric, matchers)}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "", matchers: str = "") -> Series:
    labels = f"le, {by}" if by else "le"
    legend = f"p{share * 100:g}" + (f" {{{{{by}}}}}" if by else "")
    rate = f"sum by ({labels}) (rate({_of(f'{metric}_bucket', matchers)}[$__rate_interval]))"
    return Series(f"histogram_quantile({share:g}, {rate})", legend)


def _quantiles(metric: str, by: str = "", matchers: str = "") -> tuple[Series, ...]:
    return tuple(_quantile(share, metric, by, matchers) for share in (0.5, 0.95))


def _per_minute(title: str, metric: str, by: str, description: str = "", matchers: str = "") -> Panel:
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return Panel(title, "cpm", (Series(_rate(metric, by, matchers, per=60), legend),), description=description)


TOTAL: Final = 'stage="total"'
PER_STAGE: Final = 'stage!="total"'
WASTED: Final = 'outcome!="kept"'

CALLS: Final = Dashboard(
    "calls",
    "Voice agent: calls",
    "voice_accepting",
    (
        (
            "Now",
            (
                Panel("Sessions", "short", (Series(f"sum({_of('voice_sessions_active')})"),), Kind.STAT),
                Panel(
                    "Capacity used",
                    "percentunit",
                    (Series(f"sum({_of('voice_sessions_active')}) / sum({_of('voice_capacity_sessions')})"),),
                    Kind.STAT,
                    warn_at=0.9,
                ),
                Panel(
                    "Calls are taken",
                    "short",
                    (Series(f"min({_of('voice_accepting')})"),),
                    Kind.STAT,
                    "0: an orchestrator drains, or has no inference node.",
                    bad_below=1,
                ),
                Panel(
                    "Refused in 5 minutes",
                    "short",
                    (Series(f"sum(increase({_of('voice_sessions_refused_total')}[5m]))"),),
                    Kind.STAT,
                    warn_at=5,
                ),
                Panel(
                    "Voice to voice, p95",
                    "s",
                    (_quantile(0.95, "voice_turn_latency_seconds", "", TOTAL),),
                    Kind.STAT,
                    warn_at=2,
                ),
                Panel(
                    "Inference nodes",
                    "short",
                    (Series(f"min({_of('voice_nodes_healthy')})"),),
                    Kind.STAT,
                    "As the orchestrator sees them that sees the fewest.",
                    bad_below=1,
                ),
            ),
        ),
        (
            "Sessions",
            (
                Panel(
                    "Sessions by phase",
                    "short",
                    (Series(f"sum by (phase) ({_of('voice_sessions_in_phase')})", "{{phase}}"),),
                    Kind.STACKED,
                ),
                _per_minute("Begun", "voice_sessions_started_total", "profile"),
                _per_minute("Ended", "voice_sessions_ended_total", "cause"),
                _per_minute("Refused", "voice_sessions_refused_total", "reason"),
                Panel("Length", "s", _quantiles("voice_session_seconds")),
            ),
        ),
        (
            "Latency of spoken turns",
            (
                Panel(
                    "Voice to voice",
                    "s",
                    _quantiles("voice_turn_latency_seconds", "profile", TOTAL),
                    description="From the caller's last sample to the agent's first.",
                ),
                Panel(
                    "Where the time goes, mean",
                    "s",
                    (
                        Series(
                            f"{_rate('voice_turn_latency_seconds_sum', 'stage', PER_STAGE)} / "
                            f"{_rate('voice_turn_latency_seconds_count', 'stage', PER_STAGE)}",
                            "{{stage}}",
                        ),
                    ),
                    Kind.STACKED,
                    "The stages add up to the total; what was done ahead of its time counts as nothing.",
                ),
                Panel(
                    "Voice to voice, every turn",
                    "s",
                    (
                        Series(
                            "sum by (le) (increase("
                            f"{_of('voice_turn_latency_seconds_bucket', TOTAL)}[$__rate_interval]))",
                            "{{le}}",
                        ),
                    ),
                    Kind.HEATMAP,
                ),
                _per_minute("Turns", "voice_turns_total", "profile, origin"),
            ),
        ),
        (
            "Turn-taking",
            (
                Panel("Barge-in: onset to the order to be silent", "s", _quantiles("voice_barge_in_stop_seconds")),
                _per_minute(
                    "Decisions about speech over the agent", "voice_barge_in_decisions_total", "outcome, cause"
                ),
                _per_minute("Replies begun early", "voice_speculations_total", "outcome"),
                Panel(
                    "Thrown away of what was begun early",
                    "percentunit",
                    (
                        Series(
                            f"{_sum('voice_speculation_tokens_total', WASTED)} / "
                            f"{_sum('voice_speculation_tokens_total')}",
                            "tokens",
                        ),
                        Series(
                            f"{_sum('voice_speculation_synthesised_seconds_total', WASTED)} / "
                            f"{_sum('voice_speculation_synthesised_seconds_total')}",
                            "speech",
                        ),
                    ),
                ),
            ),
        ),
        (
            "What goes wrong, and tools",
            (
                _per_minute("Failures", "voice_failures_total", "stage, reason"),
                Panel(
                    "Gaps in replies",
                    "s",
                    _quantiles("voice_audio_gap_seconds"),
                    description="Silence inside a reply that nobody ordered.",
                ),
                _per_minute("Gaps", "voice_audio_gap_seconds_count", "instance"),
                _per_minute("Calls of tools", "voice_tool_calls_total", "tool, outcome"),
                Panel("Time of tools", "s", _quantiles("voice_tool_seconds", "tool")),
            ),
        ),
    ),
)

ORCHESTRATOR: Final = Dashboard(
    "orchestrator",
    "Voice agent: orchestrator",
    "voice_accepting",
    (
        (
            "Process",
            (
                Panel(
                    "Delay of the event loop",
                    "s",
                    (_quantile(0.5, "voice_loop_lag_seconds"), _quantile(0.99, "voice_loop_lag_seconds", "instance")),
                ),
                Panel("Cores", "short", (Series(_rate("process_cpu_seconds_total", "instance"), "{{instance}}"),)),
                Panel("Memory", "bytes", (Series(_of("process_resident_memory_bytes"), "{{instance}}"),)),
                Panel(
                    "File descriptors",
                    "percentunit",
                    (Series(f"{_of('process_open_fds')} / {_of('process_max_fds')}", "{{instance}}"),),
                ),
                Panel(
                    "Version",
                    "short",
                    (Series(f"count by (version) ({_of('voice_orchestrator_build_info')})", "{{version}}"),),
                    Kind.STAT,
                ),
            ),
        ),
        (
            "Queues and sound",
            (
                Panel(
                    "Fullest queue of any session",
                    "percentunit",
                    (Series(f"max by (queue) ({_of('voice_queue_depth')} / {_of('voice_queue_limit')})", "{{queue}}"),),
                ),
                Panel(
                    "Sound thrown away",
                    "s",
                    (
                        Series(
                            _rate("voice_sound_dropped_seconds_total", "direction, reason"), "{{direction}} {{reason}}"
                        ),
                    ),
                    description="Seconds a second. The agent's is dropped whenever a reply is interrupted.",
                ),
                _per_minute("Events that meant nothing", "voice_events_ignored_total", "reason"),
            ),
        ),
        (
            "Inference nodes",
            (
                Panel(
                    "Nodes",
                    "short",
                    (
                        Series(_of("voice_nodes_known"), "{{instance}} known"),
                        Series(_of("voice_nodes_healthy"), "{{instance}} healthy"),
                    ),
                ),
                _per_minute("Nodes lost under a session", "voice_node_losses_total", "reason"),
                _per_minute("Nodes that did not take a session", "voice_node_connect_failures_total", "reason"),
                Panel("Time without a node", "s", _quantiles("voice_node_reconnect_seconds")),
                _per_minute("Heartbeats too late", "voice_heartbeats_missed_total", "instance"),
            ),
        ),
        (
            "Records",
            (
                Panel("Calls being recorded", "short", (Series(_of("voice_records_open"), "{{instance}}"),)),
                Panel("Waiting for the disk", "bytes", (Series(_of("voice_records_waiting_bytes"), "{{instance}}"),)),
                _per_minute("Files that ended early", "voice_record_files_cut_total", "part, reason"),
            ),
        ),
        (
            "Peers",
            (
                _per_minute("Refused for want of a token", "voice_peers_refused_total", "face, reason"),
                _per_minute("Edges cut", "voice_peers_cut_total", "reason"),
                _per_minute("TLS handshakes", "voice_tls_handshakes_total", "face"),
                Panel(
                    "Certificates: time left",
                    "s",
                    (Series(f"{_of('voice_certificate_expiry_timestamp_seconds')} - time()", "{{instance}} {{face}}"),),
                ),
            ),
        ),
    ),
)

INFERENCE: Final = Dashboard(
    "inference",
    "Voice agent: inference nodes",
    "voice_inference_session_slots",
    (
        (
            "Sessions",
            (
                Panel(
                    "Sessions and slots",
                    "short",
                    (
                        Series(_of("voice_inference_sessions"), "{{instance}}"),
                        Series(_of("voice_inference_session_slots"), "{{instance}} slots"),
                    ),
                ),
                _per_minute("Refused", "voice_inference_sessions_refused_total", "reason"),
                Panel(
                    "Delay of the event loop", "s", (Series(_of("voice_inference_loop_lag_seconds"), "{{instance}}"),)
                ),
            ),
        ),
        (
            "Engines",
            (
                Panel("Wait for an engine", "s", _quantiles("voice_inference_stage_queue_seconds", "stage")),
                Panel("First result", "s", _quantiles("voice_inference_stage_first_result_seconds", "stage")),
                Panel("Whole work", "s", _quantiles("voice_inference_stage_run_seconds", "stage")),
                Panel(
                    "Requests waiting",
                    "short",
                    (Series(f"max by (stage) ({_of('voice_inference_lane_depth')})", "{{stage}}"),),
                ),
            ),
        ),
        (
            "What goes wrong",
            (
                _per_minute("Failures", "voice_inference_failures_total", "stage, reason"),
                _per_minute("Cancelled", "voice_inference_cancelled_total", "stage"),
                _per_minute("VAD windows dropped", "voice_inference_dropped_windows_total", "instance"),
                Panel(
                    "Caller sound dropped",
                    "s",
                    (Series(_rate("voice_inference_sound_dropped_seconds_total", "instance"), "{{instance}}"),),
                    description="Seconds a second: sound that was older than half a second when the node got to it.",
                ),
            ),
        ),
        (
            "Peers",
            (
                _per_minute("Refused for want of a token", "voice_inference_peers_refused_total", "face, reason"),
                _per_minute("TLS handshakes", "voice_inference_tls_handshakes_total", "face"),
                Panel(
                    "Certificates: time left",
                    "s",
                    (
                        Series(
                            f"{_of('voice_inference_certificate_expiry_timestamp_seconds')} - time()",
                            "{{instance}} {{face}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

DASHBOARDS: Final = (CALLS, ORCHESTRATOR, INFERENCE)
