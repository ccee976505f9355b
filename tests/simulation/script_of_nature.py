"""What a schedule draws before it begins: the profile of the session and which faults are armed, how strongly.

Swarm testing (Groce et al., 2012): each seed arms only some faults, so that those which hide others do not always do
so.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from voice_contract.messages import ToolDeclaration
from voice_orchestrator.session.policy import (
    AwayPolicy,
    CallLimits,
    Detection,
    DtmfPolicy,
    Expects,
    InterruptionPolicy,
    LineKind,
    RecoveryLines,
    SessionPolicy,
    StageDeadlines,
    ToolPolicy,
    TurnTakingPolicy,
)

TOOL = ToolDeclaration(name="look_up", description="Looks something up", parameters_schema="{}")
GREETING = "Hello, how are you today? I am Ann."


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """Probabilities per occasion, 0 for a fault that is not armed; latencies in milliseconds.

    node_*: answers that fail, never come, come twice, come empty; deaths per Generate.
    edge_*: reports that are lost, late or doubled; sound that stops; samples its clock is wrong by, per 1,000.
    """

    latency_ms: int
    node_fails: float
    node_silent: float
    node_repeats: float
    node_empty: float
    node_dies: float
    node_refuses: float
    late_after_cancel: float
    edge_report_lost: float
    edge_report_late_ms: int
    edge_report_repeats: float
    edge_sound_stops: float
    edge_skew: int
    tool_fails: float
    tool_silent: float
    tool_repeats: float
    uses_tools: float
    caller_patience_ms: int
    inner_pause: float
    cough: float
    backchannel: float
    over_agent: float
    echo: float
    types: float
    keys: float
    words_change: float
    stray_events: float


def _armed(rng: random.Random, strength: float, share: float = 0.3) -> float:
    return rng.random() * strength if rng.random() < share else 0.0


def draw_nature(rng: random.Random) -> Nature:
    """The faults and habits of one schedule."""
    return Nature(
        latency_ms=rng.choice((20, 80, 200, 600)),
        node_fails=_armed(rng, 0.2),
        node_silent=_armed(rng, 0.1),
        node_repeats=_armed(rng, 0.3),
        node_empty=_armed(rng, 0.3),
        node_dies=_armed(rng, 0.15, 0.2),
        node_refuses=_armed(rng, 0.6),
        late_after_cancel=_armed(rng, 1.0, 0.5),
        edge_report_lost=_armed(rng, 0.4),
        edge_report_late_ms=rng.choice((5, 5, 60, 900)),
        edge_report_repeats=_armed(rng, 0.5),
        edge_sound_stops=_armed(rng, 0.2, 0.2),
        edge_skew=rng.choice((0, 0, 1, -1, 30)),
        tool_fails=_armed(rng, 0.4),
        tool_silent=_armed(rng, 0.3),
        tool_repeats=_armed(rng, 0.5),
        uses_tools=_armed(rng, 0.7, 0.4),
        caller_patience_ms=rng.choice((300, 1_500, 4_000)),
        inner_pause=_armed(rng, 0.7, 0.6),
        cough=_armed(rng, 0.5, 0.5),
        backchannel=_armed(rng, 0.6, 0.5),
        over_agent=_armed(rng, 1.0, 0.7),
        echo=_armed(rng, 0.5),
        types=_armed(rng, 0.3),
        keys=_armed(rng, 0.3),
        words_change=_armed(rng, 0.5),
        stray_events=_armed(rng, 0.05, 0.5),
    )


def disarm(nature: Nature, faults: Iterable[str]) -> Nature:
    """`nature` without some of its faults."""
    without: dict[str, Any] = dict.fromkeys(faults, 0.0)
    return replace(nature, **without)


def draw_policy(rng: random.Random, nature: Nature) -> SessionPolicy:
    """A profile a decision may depend on."""
    return SessionPolicy(
        system_text="Be brief.",
        greeting=rng.choice(("", GREETING)),
        turn_taking=TurnTakingPolicy(
            detection=Detection.PUSH_TO_TALK if rng.random() < 0.1 else Detection.VAD,
            min_delay_ms=rng.choice((200, 500)),
            max_delay_ms=rng.choice((500, 3_000)),
            expects=rng.choice((Expects.SPEECH,) * 6 + (Expects.NUMBER, Expects.EMAIL)),
            dictation_delay_ms=1_500,
            preemptive_generation=rng.random() < 0.8,
            partial_interval_ms=rng.choice((0, 400)),
            max_turn_ms=rng.choice((2_000, 60_000)),
        ),
        interruptions=InterruptionPolicy(
            enabled=rng.random() < 0.85,
            min_duration_ms=rng.choice((0, 300, 500)),
            max_duration_ms=rng.choice((600, 1_500)),
            false_interruption_timeout_ms=rng.choice((300, 1_000)),
            echo_guard_ms=rng.choice((0, 0, 400)),
            thinking_min_duration_ms=rng.choice((0, 300)),
        ),
        uninterruptible=rng.choice(
            ((), (), (), (LineKind.GREETING,), (LineKind.RECOVERY, LineKind.AWAY, LineKind.HOLD))
        ),
        away=AwayPolicy(
            user_away_timeout_ms=rng.choice((3_000, 15_000)), prompts=rng.choice(((), ("Are you there?",)))
        ),
        dtmf=DtmfPolicy(timeout_ms=800),
        tools=ToolPolicy(declarations=(TOOL,) if nature.uses_tools else (), timeout_ms=1_500, rounds_max=2),
        recovery=rng.choice(
            (RecoveryLines(node_lost="One moment, please."), RecoveryLines(stt_failed="", no_words="", llm_failed=""))
        ),
        deadlines=StageDeadlines(
            connect_ms=2_000,
            end_of_turn_ms=400,
            transcription_ms=1_500,
            first_token_ms=1_500,
            generation_ms=2_500,
            synthesis_ms=1_500,
            playout_ms=1_000,
            flush_report_ms=300,
        ),
        limits=CallLimits(idle_ms=20_000, call_ms=600_000),
    )
