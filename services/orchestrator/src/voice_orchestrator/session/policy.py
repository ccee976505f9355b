"""What an agent profile means to the session core: every number and text a decision depends on.

Built from a validated profile by the shell; constant for the life of a session and part of its journal.
"""

from dataclasses import dataclass
from typing import Final

from voice_contract.messages import VadSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationPolicy:
    """How replies are written. `history_turns` bounds how many past exchanges the model is shown."""

    max_tokens: int = 80
    temperature: float = 0.3
    top_p: float = 0.9
    seed: int = 0
    stop: tuple[str, ...] = ()
    history_turns: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTakingPolicy:
    """When the caller has finished.

    min_delay_ms: silence after the last speech sample before the turn is committed.
    partial_interval_ms: how often a partial transcript is asked for while the caller speaks; 0: never.
    max_turn_ms: speech longer than this is committed as it is.
    """

    min_delay_ms: int = 500
    partial_interval_ms: int = 700
    max_turn_ms: int = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionPolicy:
    """What caller speech over the agent does.

    enabled: False keeps the agent talking; the caller's turn is answered afterwards.
    min_duration_ms: speech this long interrupts without looking at its words.
    min_words: shorter speech interrupts when its transcript has at least this many words.
    min_log_probability: a transcript less likely than this counts as a noise without words.
    decide_timeout_ms: a pause not decided after this long is over and the agent goes on.
    """

    enabled: bool = True
    min_duration_ms: int = 500
    min_words: int = 1
    min_log_probability: float = -1.2
    decide_timeout_ms: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryLines:
    """What the agent says when a stage fails; an empty line says nothing."""

    stt_failed: str = "Sorry, I did not catch that. Could you say it again?"
    no_words: str = "Sorry, I did not catch that. Could you say it again?"
    llm_failed: str = "Sorry, I lost my train of thought. Could you say that again?"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDeadlines:
    """How long each stage may take before it counts as failed, milliseconds."""

    connect_ms: int = 5_000
    transcription_ms: int = 8_000
    first_token_ms: int = 8_000
    generation_ms: int = 30_000
    synthesis_ms: int = 8_000
    playout_ms: int = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """idle_ms: both sides silent this long ends the call. call_ms: no call is longer than this."""

    idle_ms: int = 30_000
    call_ms: int = 600_000


VAD_DEFAULT: Final = VadSettings(
    activation_threshold=0.5, deactivation_threshold=0.35, min_speech_ms=64, min_silence_ms=200
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """Everything a session's decisions depend on."""

    system_text: str
    greeting: str = ""
    language: str = "en-US"
    voice: str = ""
    speaking_rate: float = 1.0
    generation: GenerationPolicy = GenerationPolicy()
    vad: VadSettings = VAD_DEFAULT
    turn_taking: TurnTakingPolicy = TurnTakingPolicy()
    interruptions: InterruptionPolicy = InterruptionPolicy()
    recovery: RecoveryLines = RecoveryLines()
    deadlines: StageDeadlines = StageDeadlines()
    limits: CallLimits = CallLimits()
