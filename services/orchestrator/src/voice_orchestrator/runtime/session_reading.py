"""What can be read off a running session beside its steps: how full its queues are and what they dropped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReading:
    """A queue at this moment. The name ends in the unit of `depth` and `limit`: mailbox_events, caller_sound_ms."""

    queue: str
    depth: int
    limit: int


class SoundDrop(Enum):
    """Why sound was thrown away, as direction and reason."""

    CALLER_LATE = ("caller", "late")
    AGENT_RUN_ENDED = ("agent", "run_ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReading:
    """One session at this moment.

    sound_dropped: samples since the session began. heartbeats_missed: how often since then the node's came too late.
    """

    queues: tuple[QueueReading, ...] = ()
    sound_dropped: Mapping[SoundDrop, int] = field(default_factory=dict)
    heartbeats_missed: int = 0
