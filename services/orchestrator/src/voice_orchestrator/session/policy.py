"""What an agent profile means to the session core: every number and text a decision depends on.

Built from a validated profile by the shell; constant for the life of a session and part of its journal.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from voice_contract.messages import ToolDeclaration, VadSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationPolicy:
    """How replies are written. `history_turns` bounds how many past exchanges the model is shown."""

    max_tokens: int = 80
    temperature: float = 0.3
    top_p: float = 0.9
    seed: int = 0
    stop: tuple[str, ...] = ()
    history_turns: int = 8


class Detection(Enum):
    """What tells where a turn begins and ends."""

    VAD = "vad"
    PUSH_TO_TALK = "push_to_talk"


class Expects(Enum):
    """What the caller is about to say, as far as the profile knows."""

    SPEECH = "speech"
    NUMBER = "number"
    SPELLING = "spelling"
    EMAIL = "email"


class LineKind(Enum):
    """A line of the profile by its occasion."""

    GREETING = "greeting"
    RECOVERY = "recovery"
    AWAY = "away"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTakingPolicy:
    """When the caller has finished.

    detection: voice activity, or the edge's button.
    min_delay_ms: silence after the last speech sample before a turn that seems finished is committed.
    max_delay_ms: the same for one that surely goes on; in between the wait is in proportion to the likelihood.
    end_of_turn_threshold: likelihood, of voice and words together, from which a turn counts as finished.
    expects: what is dictated is given `dictation_delay_ms` of silence between its pieces.
    expected_length: so many digits or letters complete what is expected; 0: unknown.
    preemptive_generation: begin the reply while the last silence is still being judged.
    partial_interval_ms: how often a partial transcript is asked for while the caller speaks, seldomer when it takes
        the node long; 0: never.
    max_turn_ms: speech longer than this is committed as it is.
    """

    detection: Detection = Detection.VAD
    min_delay_ms: int = 180
    max_delay_ms: int = 1_400
    end_of_turn_threshold: float = 0.55
    expects: Expects = Expects.SPEECH
    expected_length: int = 0
    dictation_delay_ms: int = 2_500
    preemptive_generation: bool = True
    partial_interval_ms: int = 500
    max_turn_ms: int = 60_000


BACKCHANNELS: Final = (
    "mm", "mmm", "mhm", "mm hm", "mm hmm", "mhmm", "hm", "hmm", "uh huh", "uh", "um", "ah", "oh", "aha", "huh",
    "yeah", "yep", "yup", "ok", "okay", "right", "all right", "alright", "sure", "i see", "got it", "go on", "cool",
    "nice", "great", "good", "wow", "of course", "exactly", "uhm", "er",
)  # fmt: skip
"""Words that show listening. Not "yes" and "no", which answer, nor anything that asks for silence or change."""


INTERRUPTION_WORDS: Final = (
    "stop", "wait", "no", "hold on", "hang on", "never mind", "nevermind", "cancel", "quiet", "pause", "excuse me",
    "one moment", "just a moment", "one second", "just a second", "listen", "enough", "sorry", "hey", "hello",
)  # fmt: skip
"""Words that mean an interruption even when they were heard badly, as short shouted words are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionPolicy:
    """What caller speech over the agent does: the agent pauses at once, then this decides.

    enabled: False keeps the agent talking; the caller's turn is answered afterwards.
    min_duration_ms: from this length on the words so far are looked at while the caller still speaks.
    max_duration_ms: speech this long interrupts whatever it says.
    min_words: speech interrupts when it has at least this many likely words that are not all `backchannels`.
    min_log_probability: a transcript less likely than this counts as a noise without words,
    max_no_speech_probability: and so does one whose sound the engine takes for no speech with more than this.
    interruption_words: words and phrases that interrupt however unlikely the transcript.
    backchannels: words and phrases that do not interrupt.
    false_interruption_timeout_ms: a pause not decided after this long is over and the agent goes on.
    echo_guard_ms: speech beginning this soon after the agent did does not pause it and must differ from its words.
    thinking_min_duration_ms: speech this long while a reply is being prepared ends the reply; shorter speech
    ends it only when it changes the words of the turn.
    """

    enabled: bool = True
    min_duration_ms: int = 500
    max_duration_ms: int = 1_500
    min_words: int = 1
    min_log_probability: float = -1.0
    max_no_speech_probability: float = 0.6
    interruption_words: tuple[str, ...] = INTERRUPTION_WORDS
    backchannels: tuple[str, ...] = BACKCHANNELS
    false_interruption_timeout_ms: int = 2_000
    echo_guard_ms: int = 400
    thinking_min_duration_ms: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class AwayPolicy:
    """What a caller who says nothing is told. `prompts` are said one by one, each after `user_away_timeout_ms`."""

    user_away_timeout_ms: int = 15_000
    prompts: tuple[str, ...] = ("Are you still there?",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfPolicy:
    """How pressed keys become a turn: at `terminator`, or `timeout_ms` after the last key. `{keys}` is filled in."""

    timeout_ms: int = 2_000
    terminator: str = "#"
    turn_text: str = "I pressed {keys}."


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPolicy:
    """Tools the model may ask for. `rounds_max`: after so many rounds of tools a reply must do without."""

    declarations: tuple[ToolDeclaration, ...] = ()
    timeout_ms: int = 10_000
    rounds_max: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryLines:
    """What the agent says when a stage fails; an empty line says nothing."""

    stt_failed: str = "Sorry, I did not catch that. Could you say it again?"
    no_words: str = "Sorry, I did not catch that. Could you say it again?"
    llm_failed: str = "Sorry, I lost my train of thought. Could you say that again?"
    node_lost: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDeadlines:
    """How long each stage may take before it counts as failed, milliseconds."""

    connect_ms: int = 10_000
    end_of_turn_ms: int = 1_000
    transcription_ms: int = 8_000
    first_token_ms: int = 8_000
    generation_ms: int = 30_000
    synthesis_ms: int = 8_000
    playout_ms: int = 3_000
    flush_report_ms: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """idle_ms: both sides silent this long ends the call. call_ms: no call is longer than this."""

    idle_ms: int = 30_000
    call_ms: int = 600_000


VAD_DEFAULT: Final = VadSettings(
    activation_threshold=0.5, deactivation_threshold=0.35, min_speech_ms=32, min_silence_ms=64
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
    uninterruptible: tuple[LineKind, ...] = ()
    away: AwayPolicy = AwayPolicy()
    dtmf: DtmfPolicy = DtmfPolicy()
    tools: ToolPolicy = ToolPolicy()
    recovery: RecoveryLines = RecoveryLines()
    deadlines: StageDeadlines = StageDeadlines()
    limits: CallLimits = CallLimits()
