"""What a profile means to the session core."""

from voice_contract.messages import VadSettings
from voice_orchestrator.profiles.model import Profile
from voice_orchestrator.session.policy import (
    CallLimits,
    GenerationPolicy,
    InterruptionPolicy,
    RecoveryLines,
    SessionPolicy,
    StageDeadlines,
    TurnTakingPolicy,
)


def policy_of(profile: Profile) -> SessionPolicy:
    """The session policy of `profile`; sections map field by field, so a field missing on either side fails a test."""
    return SessionPolicy(
        system_text=profile.system_text(),
        greeting=" ".join(profile.greeting.split()),
        language=profile.language,
        voice=profile.voice,
        speaking_rate=profile.speaking_rate,
        generation=GenerationPolicy(**profile.generation.model_dump()),
        vad=VadSettings(**profile.vad.model_dump()),
        turn_taking=TurnTakingPolicy(**profile.turn_taking.model_dump()),
        interruptions=InterruptionPolicy(**profile.interruptions.model_dump()),
        recovery=RecoveryLines(**profile.recovery.model_dump()),
        deadlines=StageDeadlines(**profile.deadlines.model_dump()),
        limits=CallLimits(**profile.limits.model_dump()),
    )
