"""The sections of a profile about the caller: when they speak, have finished, interrupt, fall silent or press keys.

Names and defaults are the session policy's, stated once, there.
"""

from typing import Annotated, Any, Final, Self

from pydantic import Field, field_validator, model_validator

from voice_orchestrator.profiles.section import Line, Probability, Section, refusal
from voice_orchestrator.session.policy import (
    VAD_DEFAULT,
    AwayPolicy,
    Detection,
    DtmfPolicy,
    Expects,
    InterruptionPolicy,
    TurnTakingPolicy,
)

_TURNS: Final = TurnTakingPolicy()
_INTERRUPTIONS: Final = InterruptionPolicy()
_AWAY: Final = AwayPolicy()
_DTMF: Final = DtmfPolicy()

RENAMED: Final = {"decide_timeout_ms": "false_interruption_timeout_ms"}
"""Keys of `interruptions` as earlier releases called them."""

Phrase = Annotated[str, Field(min_length=1, max_length=60)]
Prompt = Annotated[Line, Field(min_length=1)]


class Vad(Section):
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
            raise refusal("deactivation_threshold must be at most activation_threshold")
        return self


class TurnTaking(Section):
    """When the caller has finished."""

    detection: Detection = Field(
        default=_TURNS.detection, description="vad: the caller just speaks; push_to_talk: holds a button while speaking"
    )
    min_delay_ms: int = Field(
        default=_TURNS.min_delay_ms,
        ge=100,
        le=10_000,
        description="Silence before a caller who seems to have finished is answered, ms",
    )
    max_delay_ms: int = Field(
        default=_TURNS.max_delay_ms,
        ge=100,
        le=30_000,
        description="The same for one who surely goes on, ms; at least min_delay_ms",
    )
    end_of_turn_threshold: Probability = Field(
        default=_TURNS.end_of_turn_threshold,
        description="Likelihood, by voice and words together, from which the caller counts as finished",
    )
    expects: Expects = Field(
        default=_TURNS.expects, description="What the caller is about to say: pauses while dictating are waited out"
    )
    expected_length: int = Field(
        default=_TURNS.expected_length,
        ge=0,
        le=100,
        description="So many digits or letters complete what is expected; 0: unknown",
    )
    dictation_delay_ms: int = Field(
        default=_TURNS.dictation_delay_ms,
        ge=100,
        le=30_000,
        description="Silence that is waited out while the caller dictates, ms",
    )
    preemptive_generation: bool = Field(
        default=_TURNS.preemptive_generation,
        description="Begin the reply while the last silence is still being judged: faster, and some work for nothing",
    )
    partial_interval_ms: int = Field(
        default=_TURNS.partial_interval_ms,
        ge=0,
        le=10_000,
        description="How often a partial transcript is made while the caller speaks, ms, by a node that is not busy; "
        "0: never",
    )
    max_turn_ms: int = Field(
        default=_TURNS.max_turn_ms, ge=1_000, le=300_000, description="Longer speech is answered as it is, ms"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_delay_ms < self.min_delay_ms:
            raise refusal(f"max_delay_ms ({self.max_delay_ms}) must be at least min_delay_ms ({self.min_delay_ms})")
        if self.expected_length and self.expects is Expects.SPEECH:
            raise refusal("expected_length needs expects: number, spelling or email")
        return self


class Interruptions(Section):
    """What caller speech over the agent does."""

    enabled: bool = Field(default=_INTERRUPTIONS.enabled, description="False: the agent always finishes")
    min_duration_ms: int = Field(
        default=_INTERRUPTIONS.min_duration_ms,
        ge=0,
        le=5_000,
        description="The words of speech this long are looked at while the caller still speaks, ms",
    )
    max_duration_ms: int = Field(
        default=_INTERRUPTIONS.max_duration_ms,
        ge=0,
        le=30_000,
        description="Speech this long interrupts whatever it says, ms; at least min_duration_ms",
    )
    min_words: int = Field(
        default=_INTERRUPTIONS.min_words,
        ge=0,
        le=20,
        description="Speech interrupts with this many likely words that are not all backchannels",
    )
    min_log_probability: float = Field(
        default=_INTERRUPTIONS.min_log_probability,
        ge=-10.0,
        le=0.0,
        description="Words less likely than this (mean log-probability) count as noise",
    )
    max_no_speech_probability: float = Field(
        default=_INTERRUPTIONS.max_no_speech_probability,
        ge=0.0,
        le=1.0,
        description="Words count as noise when their sound is taken for no speech with more than this",
    )
    interruption_words: tuple[Phrase, ...] = Field(
        default=_INTERRUPTIONS.interruption_words,
        max_length=200,
        description="Words and phrases that interrupt however badly they were heard",
    )
    backchannels: tuple[Phrase, ...] = Field(
        default=_INTERRUPTIONS.backchannels,
        max_length=200,
        description="Words and phrases that only show listening and do not interrupt",
    )
    false_interruption_timeout_ms: int = Field(
        default=_INTERRUPTIONS.false_interruption_timeout_ms,
        ge=200,
        le=10_000,
        description="An undecided pause ends after this and the agent goes on, ms",
    )
    echo_guard_ms: int = Field(
        default=_INTERRUPTIONS.echo_guard_ms,
        ge=0,
        le=5_000,
        description="Speech this soon after the agent began may be its echo: it must differ from the agent's words, ms",
    )
    thinking_min_duration_ms: int = Field(
        default=_INTERRUPTIONS.thinking_min_duration_ms,
        ge=0,
        le=10_000,
        description="Speech this long while a reply is being prepared ends the reply, ms",
    )

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        for old, new in RENAMED.items():
            if isinstance(data, dict) and old in data:
                raise refusal(f"{old} was renamed: write {new}")
        return data

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        least, most = self.min_duration_ms, self.max_duration_ms
        if most < least:
            raise refusal(f"max_duration_ms ({most}) must be at least min_duration_ms ({least})")
        return self


class Away(Section):
    """What a caller who says nothing is told."""

    user_away_timeout_ms: int = Field(
        default=_AWAY.user_away_timeout_ms,
        ge=1_000,
        le=3_600_000,
        description="Silence on both sides before each prompt, ms; limits.idle_ms ends the call",
    )
    prompts: tuple[Prompt, ...] = Field(
        default=_AWAY.prompts, max_length=10, description="Said one by one while the silence lasts; none: say nothing"
    )

    @field_validator("prompts")
    @classmethod
    def _words(cls, prompts: tuple[str, ...]) -> tuple[str, ...]:
        if not all(prompt.strip() for prompt in prompts):
            raise refusal("a prompt must hold words")
        return prompts


class Dtmf(Section):
    """How keys of the caller's telephone become a turn."""

    timeout_ms: int = Field(
        default=_DTMF.timeout_ms, ge=100, le=30_000, description="The entry is over so long after its last key, ms"
    )
    terminator: str = Field(
        default=_DTMF.terminator,
        pattern=r"^[0-9A-D*#]?$",
        description='Key that ends an entry at once, in quotes ("#"); empty: none',
    )
    turn_text: Annotated[str, Field(max_length=200)] = Field(
        default=_DTMF.turn_text, description="What the agent is told was said; {keys} stands for the keys"
    )

    @field_validator("turn_text")
    @classmethod
    def _names_keys(cls, text: str) -> str:
        if "{keys}" not in text:
            raise refusal("must contain {keys}")
        return text
