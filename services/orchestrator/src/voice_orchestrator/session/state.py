"""Everything a session knows, as one frozen value.

A turn is one thing the caller said. It is *speaking*, then *trailing* during silence, then *committed*. A run is one
attempt at saying something; it is *silent* (working), *audible* or *paused* and ends exactly once, after which it is no
longer in the state. A silent run whose turn is not committed is *speculative*: it may not be heard yet.
"""

from dataclasses import dataclass
from enum import Enum

from voice_contract.failures import FailureReason
from voice_contract.messages import ChatRole, Phase
from voice_orchestrator.session.policy import LineKind, SessionPolicy


class RunKind(Enum):
    """What a run says: the model's reply to a turn, or a line of the profile."""

    REPLY = "reply"
    LINE = "line"


class RunStatus(Enum):
    """Whether a live run can be heard."""

    SILENT = "silent"
    AUDIBLE = "audible"
    PAUSED = "paused"


class Origin(Enum):
    """How a turn came: spoken between pauses, spoken with the button pressed, or complete at once."""

    SPEECH = "speech"
    BUTTON = "button"
    TYPED = "typed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing the caller said or typed. Times are session milliseconds, positions caller samples.

    prefix: words of the same turn that came before its sound, typed ones for example.
    onset_ms: when the present (or last) stretch of speech began.
    over_agent: it began while the agent was heard.
    revision: the newest transcription asked for; final_revision: the newest FINAL one, 0 while none is wanted.
    partial_asked_at_ms: since when the words so far are awaited; partial_at_ms: when they are asked for next.
    early_revision: the newest transcription asked for because speech faltered, 0 for none; it reaches to
    early_end_samples, was asked for at early_at_ms, and early_text is what came of it. judged_early: the pause that may
    follow was judged with it.
    text: the words of the whole turn, None until they are known; failure: why they never will be.
    known_text: the words as they were known before the caller went on; announced: what the edge was told as final.
    partial_text: the newest partial words; shown_text: what of them the edge was shown, which only grows.
    score: how likely the turn is over by its sound; score_deadline_ms: armed while that is being judged.
    continuation_probability: of a mark behind the last word of the newest transcript that says the sentence goes on, 0
    while nobody told.
    words_score: how likely a sentence ends with its words, None while nobody has said; words_revision: the
    transcription whose words the node was last asked to judge.
    unspeculative: a reply begun early failed; the next one waits for the commit.
    """

    id: int
    origin: Origin
    prefix: str = ""
    start_offset_samples: int = 0
    started_at_ms: int = 0
    onset_ms: int = 0
    over_agent: bool = False
    speaking: bool = False
    spoken_until_ms: int = 0
    end_offset_samples: int = 0
    revision: int = 0
    final_revision: int = 0
    partial_asked_at_ms: int | None = None
    partial_at_ms: int | None = None
    early_revision: int = 0
    early_end_samples: int = 0
    early_at_ms: int | None = None
    early_text: str | None = None
    judged_early: bool = False
    partial_text: str = ""
    shown_text: str = ""
    transcription_deadline_ms: int | None = None
    text: str | None = None
    mean_log_probability: float = 0.0
    no_speech_probability: float = 0.0
    continuation_probability: float = 0.0
    failure: FailureReason | None = None
    known_text: str = ""
    announced: str = ""
    transcribed_at_ms: int = 0
    score: float | None = None
    score_deadline_ms: int | None = None
    words_score: float | None = None
    words_revision: int = 0
    committed_at_ms: int | None = None
    unspeculative: bool = False

    @property
    def settled(self) -> bool:
        """Whether the turn's words are known, or known to be unobtainable."""
        return self.text is not None or self.failure is not None

    @property
    def asks_node(self) -> bool:
        """Whether the node was asked about the turn and has not answered."""
        early = self.early_revision > 0 and self.early_text is None
        judged = self.transcription_deadline_ms is not None or self.score_deadline_ms is not None
        return early or judged or self.partial_asked_at_ms is not None

    @property
    def words(self) -> str:
        """Everything the caller said in the turn; empty words while they are not known."""
        return f"{self.prefix} {self.text or ''}".strip()

    @property
    def known_words(self) -> str:
        """What is known of the turn's words, that of an earlier pause when the caller went on since."""
        return f"{self.prefix} {self.text or self.known_text}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of a run's text that is spoken in one breath.

    sounded: its first sound is here. `samples` is None until all of it is.
    """

    text: str
    requested: bool = False
    sounded: bool = False
    samples: int | None = None
    word_ends: tuple[int, ...] = ()
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
    """A live run.

    answers: the turn it answers, as it was when the run began; None for a line nobody asked for.
    speculative: it may not be heard before its turn is committed. held: it was heard of as committed already, and
    waits because the caller went on.
    sounded: its first sound is here; heard_from_ms: when its first sample left for the edge.
    written: no more text will come; closed: no more sound will come; truncated: it has more to say than it will.
    round_begun: the present round of writing has given text.
    tool_round: how often it waited for tools; awaits_tools: it does so now.
    """

    id: int
    kind: RunKind
    line: LineKind | None
    status: RunStatus
    answers: Turn | None
    user_text: str
    began_at_ms: int
    marks: LatencyMarks | None
    speculative: bool = False
    held: bool = False
    sounded: bool = False
    heard_from_ms: int | None = None
    buffer: str = ""
    written_tokens: int = 0
    segments: tuple[Segment, ...] = ()
    written: bool = False
    closed: bool = False
    truncated: bool = False
    round_begun: bool = False
    tool_round: int = 0
    awaits_tools: bool = False
    writing_deadline_ms: int | None = None
    synthesis_deadline_ms: int | None = None
    playout_deadline_ms: int | None = None

    @property
    def turn_id(self) -> int:
        """The turn it answers, 0 for none."""
        return self.answers.id if self.answers else 0

    @property
    def samples_known(self) -> int:
        """Samples synthesised so far."""
        return sum(segment.samples or 0 for segment in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeInWatch:
    """Caller speech over the run, not decided yet. `onset_ms` is when the speech began.

    paused: the run is paused for it; otherwise it goes on, within the echo guard or after `false_interruption_timeout`.
    asked: the words so far were asked for. guarded: it began within the echo guard.
    """

    onset_ms: int
    since_ms: int
    paused: bool
    guarded: bool = False
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushing:
    """A run that ended while it was heard; the edge has yet to say how far it had played."""

    run: Run
    user_text: str
    deadline_ms: int


class ToolStatus(Enum):
    """Where a tool call stands: not begun because its turn is not committed, at work, or answered."""

    HELD = "held"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool the model asked for; it leaves the state when its result was used."""

    id: int
    run_id: int
    call_index: int
    name: str
    arguments: str
    status: ToolStatus
    result: str = ""
    deadline_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One entry of the history. `interrupted`: the agent had more to say than `text`, which is what was heard.

    The tool fields are empty unless the agent asked for a tool, or a tool answered.
    """

    role: ChatRole
    text: str
    interrupted: bool = False
    tool_call_id: str = ""
    tool_name: str = ""
    tool_arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """The state of one session; `initial_state` makes the first one.

    scores, scores_words: whether the node judges the sound, and the words, of a pause.
    unsaid: what a reply still had to say when its node was lost.
    """

    policy: SessionPolicy
    phase: Phase = Phase.CREATED
    now_ms: int = 0
    listens: bool = False
    speaks: bool = False
    scores: bool = False
    scores_words: bool = False
    greeted: bool = False
    connect_attempts: int = 0
    connect_deadline_ms: int | None = None
    hold_line_due_ms: int | None = None
    call_deadline_ms: int | None = None
    quiet_since_ms: int = 0
    away_prompts: int = 0
    keys: str = ""
    keys_due_ms: int | None = None
    next_turn_id: int = 1
    next_run_id: int = 1
    next_call_id: int = 1
    turn: Turn | None = None
    run: Run | None = None
    watch: BargeInWatch | None = None
    flushing: Flushing | None = None
    unsaid: tuple[str, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    history: tuple[Said, ...] = ()


def initial_state(policy: SessionPolicy) -> SessionState:
    """The state of a session nothing has happened to."""
    return SessionState(policy=policy)
