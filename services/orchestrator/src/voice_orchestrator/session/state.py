"""Everything a session knows, as one frozen value.

A turn is one thing the caller said. It is *speaking*, then *trailing* during silence, then *committed*; a committed
turn waits for its words and is then answered by a run. A run is one attempt at saying something; it is *silent*
(working), *audible* or *paused* and ends exactly once, after which it is no longer in the state.
"""

from dataclasses import dataclass
from enum import Enum

from voice_contract.failures import FailureReason
from voice_contract.messages import ChatMessage, Phase
from voice_orchestrator.session.policy import SessionPolicy


class RunKind(Enum):
    """What a run says: the model's reply to a turn, or a line of the profile."""

    REPLY = "reply"
    LINE = "line"


class RunStatus(Enum):
    """Whether a live run can be heard."""

    SILENT = "silent"
    AUDIBLE = "audible"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing the caller said or typed. Times are session milliseconds, positions caller samples.

    revision: the newest transcription asked for; final_revision: the newest FINAL one, 0 while none is wanted.
    text: the words of the whole turn, None until they are known; failure: why they never will be.
    """

    id: int
    typed: bool
    start_offset_samples: int
    started_at_ms: int
    speaking: bool
    spoken_until_ms: int
    end_offset_samples: int = 0
    revision: int = 0
    final_revision: int = 0
    partial_pending: bool = False
    partial_at_ms: int | None = None
    transcription_deadline_ms: int | None = None
    text: str | None = None
    mean_log_probability: float = 0.0
    failure: FailureReason | None = None
    transcribed_at_ms: int = 0
    committed_at_ms: int | None = None
    announced: bool = False

    @property
    def settled(self) -> bool:
        """Whether the turn's words are known, or known to be unobtainable."""
        return self.text is not None or self.failure is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of a run's text that is spoken in one breath. `samples` is None until it is synthesised."""

    text: str
    requested: bool = False
    samples: int | None = None
    started: bool = False
    played: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyMarks:
    """When each stage between the caller's last sample and the agent's first was over, session milliseconds."""

    spoken_until_ms: int
    committed_at_ms: int
    transcribed_at_ms: int
    first_text_at_ms: int | None = None
    first_segment_at_ms: int | None = None
    first_sound_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A live run. `written`: no more text will come; `closed`: no more sound will come."""

    id: int
    kind: RunKind
    status: RunStatus
    turn_id: int
    user_text: str
    marks: LatencyMarks | None
    buffer: str = ""
    segments: tuple[Segment, ...] = ()
    written: bool = False
    closed: bool = False
    truncated: bool = False
    writing_deadline_ms: int | None = None
    synthesis_deadline_ms: int | None = None
    playout_deadline_ms: int | None = None

    @property
    def samples_known(self) -> int:
        """Samples synthesised so far."""
        return sum(segment.samples or 0 for segment in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeInWatch:
    """Caller speech over the paused run, not decided yet. `onset_ms` is when the speech began."""

    onset_ms: int
    paused_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushing:
    """A run that ended while it was heard; the edge has yet to say how far it had played."""

    run_id: int
    user_text: str
    segments: tuple[Segment, ...]
    deadline_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """The state of one session; `initial_state` makes the first one."""

    policy: SessionPolicy
    phase: Phase = Phase.CREATED
    now_ms: int = 0
    listens: bool = False
    speaks: bool = False
    greeted: bool = False
    connect_attempts: int = 0
    connect_deadline_ms: int | None = None
    call_deadline_ms: int | None = None
    quiet_since_ms: int = 0
    next_turn_id: int = 1
    next_run_id: int = 1
    turn: Turn | None = None
    run: Run | None = None
    watch: BargeInWatch | None = None
    flushing: Flushing | None = None
    history: tuple[ChatMessage, ...] = ()


def initial_state(policy: SessionPolicy) -> SessionState:
    """The state of a session nothing has happened to."""
    return SessionState(policy=policy)
