"""The schema of an agent profile. Defaults are the session policy's, stated once, there."""

from typing import Annotated, Final

from pydantic import Field, field_validator

from voice_orchestrator.profiles.listening import Away, Dtmf, Interruptions, TurnTaking, Vad
from voice_orchestrator.profiles.section import Line, Section, refusal
from voice_orchestrator.profiles.tools import Tool
from voice_orchestrator.session.policy import (
    CallLimits,
    GenerationPolicy,
    LineKind,
    RecoveryLines,
    SessionPolicy,
    StageDeadlines,
    ToolPolicy,
)

_POLICY: Final = SessionPolicy(system_text="")
_GENERATION: Final = GenerationPolicy()
_RECOVERY: Final = RecoveryLines()
_DEADLINES: Final = StageDeadlines()
_LIMITS: Final = CallLimits()

TOOLS_MAX: Final = 16

DeadlineMs = Annotated[int, Field(ge=100, le=120_000)]


class Generation(Section):
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
    tool_rounds_max: int = Field(
        default=ToolPolicy().rounds_max,
        ge=1,
        le=10,
        description="How often one reply may wait for tools; after that it must do without",
    )


class Recovery(Section):
    """What the agent says when something fails; an empty line says nothing."""

    stt_failed: Line = Field(default=_RECOVERY.stt_failed, description="The caller's words could not be made out")
    no_words: Line = Field(default=_RECOVERY.no_words, description="The caller made a sound without words")
    llm_failed: Line = Field(default=_RECOVERY.llm_failed, description="No reply could be written")
    node_lost: Line = Field(
        default=_RECOVERY.node_lost, description="The inference node was lost and no other is there after 300 ms"
    )


class Deadlines(Section):
    """How long each stage may take before it counts as failed, ms."""

    connect_ms: DeadlineMs = Field(default=_DEADLINES.connect_ms, description="Finding an inference node")
    end_of_turn_ms: DeadlineMs = Field(default=_DEADLINES.end_of_turn_ms, description="Judging whether a turn is over")
    transcription_ms: DeadlineMs = Field(default=_DEADLINES.transcription_ms, description="Transcribing a turn")
    first_token_ms: DeadlineMs = Field(default=_DEADLINES.first_token_ms, description="First word of a reply")
    generation_ms: DeadlineMs = Field(default=_DEADLINES.generation_ms, description="Rest of a reply")
    synthesis_ms: DeadlineMs = Field(default=_DEADLINES.synthesis_ms, description="Speaking one segment")
    playout_ms: DeadlineMs = Field(default=_DEADLINES.playout_ms, description="An edge may be this late in playing")
    flush_report_ms: DeadlineMs = Field(
        default=_DEADLINES.flush_report_ms, description="An edge may be this late in saying what was heard"
    )


class Limits(Section):
    """When a call ends by itself."""

    idle_ms: int = Field(default=_LIMITS.idle_ms, ge=1_000, le=3_600_000, description="Both sides silent this long, ms")
    call_ms: int = Field(default=_LIMITS.call_ms, ge=1_000, le=14_400_000, description="Longest call, ms")


class Profile(Section):
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
    uninterruptible: tuple[LineKind, ...] = Field(
        default=_POLICY.uninterruptible,
        max_length=len(LineKind),
        description="Lines of the profile the caller cannot interrupt",
    )
    away: Away = Away()
    dtmf: Dtmf = Dtmf()
    tools: tuple[Tool, ...] = Field(
        default=(), max_length=TOOLS_MAX, description="Services the model may ask while it answers"
    )
    recovery: Recovery = Recovery()
    deadlines: Deadlines = Deadlines()
    limits: Limits = Limits()

    @field_validator("tools")
    @classmethod
    def _told_apart(cls, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
        names = [tool.name for tool in tools]
        for name in names:
            if names.count(name) > 1:
                raise refusal(f"two tools are called {name}")
        return tools

    def system_text(self) -> str:
        """The system prompt the model is given: persona, then instructions, in single spaces."""
        return " ".join(f"{self.persona} {self.system_prompt}".split())
