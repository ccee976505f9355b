"""What a profile means to the session core."""

from voice_contract.messages import ToolDeclaration, VadSettings
from voice_orchestrator.profiles.model import Profile
from voice_orchestrator.profiles.tools import canonical_schema
from voice_orchestrator.session.policy import (
    AwayPolicy,
    CallLimits,
    DtmfPolicy,
    GenerationPolicy,
    InterruptionPolicy,
    RecoveryLines,
    SessionPolicy,
    StageDeadlines,
    ToolPolicy,
    TurnTakingPolicy,
)


def policy_of(profile: Profile) -> SessionPolicy:
    """The session policy of `profile`; sections map field by field, so a field missing on either side fails a test."""
    away = profile.away
    return SessionPolicy(
        system_text=profile.system_text(),
        greeting=_spoken(profile.greeting),
        language=profile.language,
        voice=profile.voice,
        speaking_rate=profile.speaking_rate,
        generation=GenerationPolicy(**profile.generation.model_dump(exclude={"tool_rounds_max"})),
        vad=VadSettings(**profile.vad.model_dump()),
        turn_taking=TurnTakingPolicy(**profile.turn_taking.model_dump()),
        interruptions=InterruptionPolicy(**profile.interruptions.model_dump()),
        uninterruptible=profile.uninterruptible,
        away=AwayPolicy(
            user_away_timeout_ms=away.user_away_timeout_ms, prompts=tuple(_spoken(prompt) for prompt in away.prompts)
        ),
        dtmf=DtmfPolicy(**profile.dtmf.model_dump()),
        tools=_tools(profile),
        recovery=RecoveryLines(**profile.recovery.model_dump()),
        deadlines=StageDeadlines(**profile.deadlines.model_dump()),
        limits=CallLimits(**profile.limits.model_dump()),
    )


def _spoken(line: str) -> str:
    """A line folded over several lines of YAML, in single spaces."""
    return " ".join(line.split())


def _tools(profile: Profile) -> ToolPolicy:
    """What the model is told of the tools; where they are and how they are reached stays with the runtime.

    The core waits for the slowest tool; each tool's own, shorter time is kept by whoever calls it.
    """
    declarations = tuple(
        ToolDeclaration(
            name=tool.name,
            description=_spoken(tool.description),
            parameters_schema=canonical_schema(tool.parameters),
        )
        for tool in profile.tools
    )
    timeout_ms = max((tool.timeout_ms for tool in profile.tools), default=ToolPolicy().timeout_ms)
    return ToolPolicy(declarations=declarations, timeout_ms=timeout_ms, rounds_max=profile.generation.tool_rounds_max)
