"""The schema of an agent profile. Defaults are the session policy's, stated once, there."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voice_orchestrator.session.policy import (
    VAD_DEFAULT,
    CallLimits,
    GenerationPolicy,
    InterruptionPolicy,
    RecoveryLines,
    SessionPolicy,
    StageDeadlines,
    TurnTakingPolicy,
)

_POLICY: Final = SessionPolicy(system_text="")
_GENERATION: Final = GenerationPolicy()
_TURNS: Final = TurnTakingPolicy()
_INTERRUPTIONS: Final = InterruptionPolicy()
_RECOVERY: Final = RecoveryLines()
_DEADLINES: Final = StageDeadlines()
_LIMITS: Final = CallLimits()

Line = Annotated[str, Field(max_length=500)]
Probability = Annotated[float, Field(gt=0.0, lt=1.0)]
DeadlineMs = Annotated[int, Field(ge=100, le=120_000)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Generation(_Section):
    """How replies are written."""

    max_tokens: int = Field(default=_GENERATION.max_tokens, ge=1, le=2_000, description="Longest reply, tokens")
    temperature: float = Field(
        default=_GENERATION.temperature, ge=0.0, le=2.0, description="0 always takes the likeliest word"
    )
    top_p: float = Field(
        default=_GENERATION.top_p, gt=0.0, le=1.0, description="Share of likely words that is sampled from"
    )
    seed: int = Field(default=_GENERATION.seed, ge=0, le=2**31 - 1, description="Start of the random choice")
    stop: tuple[Annotated[str, Field(min_length=1, max_length=40)], ...] = Field(
        default=_GENERATION.stop, max_length=4, description="Texts that end a reply"
    )
    history_turns: int = Field(
        default=_GENERATION.history_turns, ge=0, le=100, description="Past exchanges the model is shown"
    )


class Vad(_Section):
    """How caller speech is told from silence."""

    activation_threshold: Probability = Field(
        default=VAD_DEFAULT.activation_threshold, description="Speech probability above which speech begins"
    )
    deactivation_threshold: Probability = Field(
        default=VAD_DEFAULT.deactivation_threshold,
        description="Speech probability below which it may end; at most activation_threshold",
    )
    min_speech_ms: int = Field(
        default=VAD_DEFAULT.min_speech_ms, ge=32, le=1_000, description="Shorter sounds are ignored, ms"
    )
    min_silence_ms: int = Field(
        default=VAD_DEFAULT.min_silence_ms, ge=32, le=2_000, description="Silence after which speech has paused, ms"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.deactivation_threshold > self.activation_threshold:
            raise ValueError("deactivation_threshold must be at most activation_threshold")
        return self


class TurnTaking(_Section):
    """When the caller has finished."""

    min_delay_ms: int = Field(
        default=_TURNS.min_delay_ms, ge=100, le=10_000, description="Silence before the caller is answered, ms"
    )
    partial_interval_ms: int = Field(
        default=_TURNS.partial_interval_ms,
        ge=0,
        le=10_000,
        description="How often a partial transcript is made while the caller speaks, ms; 0: never",
    )
    max_turn_ms: int = Field(
        default=_TURNS.max_turn_ms, ge=1_000, le=300_000, description="Longer speech is answered as it is, ms"
    )


class Interruptions(_Section):
    """What caller speech over the agent does."""

    enabled: bool = Field(default=_INTERRUPTIONS.enabled, description="False: the agent always finishes")
    min_duration_ms: int = Field(
        default=_INTERRUPTIONS.min_duration_ms,
        ge=0,
        le=5_000,
        description="Speech this long interrupts whatever it says, ms",
    )
    min_words: int = Field(
        default=_INTERRUPTIONS.min_words, ge=0, le=20, description="Shorter speech interrupts with this many words"
    )
    min_log_probability: float = Field(
        default=_INTERRUPTIONS.min_log_probability,
        ge=-10.0,
        le=0.0,
        description="Words less likely than this (mean log-probability) count as noise",
    )
    decide_timeout_ms: int = Field(
        default=_INTERRUPTIONS.decide_timeout_ms,
        ge=200,
        le=10_000,
        description="An undecided pause ends after this, ms",
    )


class Recovery(_Section):
    """What the agent says when something fails; an empty line says nothing."""

    stt_failed: Line = Field(default=_RECOVERY.stt_failed, description="The caller's words could not be made out")
    no_words: Line = Field(default=_RECOVERY.no_words, description="The caller made a sound without words")
    llm_failed: Line = Field(default=_RECOVERY.llm_failed, description="No reply could be written")


class Deadlines(_Section):
    """How long each stage may take before it counts as failed, ms."""

    connect_ms: DeadlineMs = Field(default=_DEADLINES.connect_ms, description="Finding an inference node")
    transcription_ms: DeadlineMs = Field(default=_DEADLINES.transcription_ms, description="Transcribing a turn")
    first_token_ms: DeadlineMs = Field(default=_DEADLINES.first_token_ms, description="First word of a reply")
    generation_ms: DeadlineMs = Field(default=_DEADLINES.generation_ms, description="Rest of a reply")
    synthesis_ms: DeadlineMs = Field(default=_DEADLINES.synthesis_ms, description="Speaking one segment")
    playout_ms: DeadlineMs = Field(default=_DEADLINES.playout_ms, description="An edge may be this late in playing")


class Limits(_Section):
    """When a call ends by itself."""

    idle_ms: int = Field(default=_LIMITS.idle_ms, ge=1_000, le=3_600_000, description="Both sides silent this long, ms")
    call_ms: int = Field(default=_LIMITS.call_ms, ge=1_000, le=14_400_000, description="Longest call, ms")


class Profile(_Section):
    """An agent profile."""

    description: str = Field(default="", max_length=300, description="One line for lists")
    persona: str = Field(default="", max_length=2_000, description="Who the agent is; begins the system prompt")
    system_prompt: str = Field(min_length=1, max_length=8_000, description="What the agent does and how it speaks")
    greeting: Line = Field(
        default=_POLICY.greeting, description="Spoken when the call begins; empty: the caller begins"
    )
    language: str = Field(
        default=_POLICY.language,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="BCP 47, for example en-US",
    )
    voice: str = Field(
        default=_POLICY.voice, max_length=100, description="Voice of the TTS engine; empty: the placement's"
    )
    speaking_rate: float = Field(default=_POLICY.speaking_rate, ge=0.5, le=2.0, description="1 is the voice's own pace")
    generation: Generation = Generation()
    vad: Vad = Vad()
    turn_taking: TurnTaking = TurnTaking()
    interruptions: Interruptions = Interruptions()
    recovery: Recovery = Recovery()
    deadlines: Deadlines = Deadlines()
    limits: Limits = Limits()

    def system_text(self) -> str:
        """The system prompt the model is given: persona, then instructions, in single spaces."""
        return " ".join(f"{self.persona} {self.system_prompt}".split())
