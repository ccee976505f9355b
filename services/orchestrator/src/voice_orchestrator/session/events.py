"""What can happen to a session, as facts in the past tense.

Every event carries `at_ms`, milliseconds since the session began. `run_id` names the run an event belongs to; an event
of a run that has ended is refused before its type is looked at. Positions are samples of 16,000 Hz sound.
"""

from dataclasses import dataclass

from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import FinishReason, TranscribeKind, WorkTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOpened:
    """An edge opened the call. `listens`: caller sound will come; `speaks`: agent sound is wanted."""

    at_ms: int
    listens: bool
    speaks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerHungUp:
    """The caller hung up."""

    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeLost:
    """The edge went away without hanging up."""

    at_ms: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerTyped:
    """The caller typed a turn."""

    at_ms: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceReady:
    """The inference node took the session.

    scores_end_of_turn: it can judge from sound whether a turn is over. scores_words: it can judge from words.
    """

    at_ms: int
    scores_end_of_turn: bool
    scores_words: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceLost:
    """The inference node refused the session or its stream ended."""

    at_ms: int
    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The caller began to speak at `offset_samples`, which was said at `spoken_at_ms`."""

    at_ms: int
    offset_samples: int
    spoken_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFaltered:
    """The caller may be about to fall silent, or go on; what was said so far lies before `offset_samples`."""

    at_ms: int
    offset_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded:
    """The caller fell silent: one past the last speech sample is `offset_samples`, said at `spoken_at_ms`."""

    at_ms: int
    offset_samples: int
    spoken_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerTranscribed:
    """The answer to a Transcribe."""

    at_ms: int
    utterance_id: int
    revision: int
    kind: TranscribeKind
    text: str
    mean_log_probability: float
    no_speech_probability: float
    timing: WorkTiming
    continuation_probability: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionFailed:
    """A Transcribe failed."""

    at_ms: int
    utterance_id: int
    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfTurnScored:
    """The answer to a ScoreEndOfTurn: how likely it is that the caller has finished, 0 to 1."""

    at_ms: int
    utterance_id: int
    revision: int
    probability: float
    timing: WorkTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsScored:
    """The answer to a ScoreWords: how likely it is that a sentence ends with the words, 0 to 1."""

    at_ms: int
    utterance_id: int
    revision: int
    probability: float
    timing: WorkTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfTurnFailed:
    """A ScoreEndOfTurn failed."""

    at_ms: int
    utterance_id: int
    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerKeyed:
    """The caller pressed a key: one of 0-9, A-D, * and #."""

    at_ms: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkPressed:
    """The caller pressed the button to talk, at `offset_samples`, which was spoken at `spoken_at_ms`."""

    at_ms: int
    offset_samples: int
    spoken_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkReleased:
    """The caller let the button go."""

    at_ms: int
    offset_samples: int
    spoken_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSoundLost:
    """The edge stopped sending the caller's sound; the last of it ended at `offset_samples`."""

    at_ms: int
    offset_samples: int
    spoken_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyText:
    """A piece of the run's reply was written."""

    at_ms: int
    run_id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyEnded:
    """The run's reply is written."""

    at_ms: int
    run_id: int
    reason: FinishReason
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    timing: WorkTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequested:
    """The model asks for a tool before it goes on; `arguments` is a JSON object."""

    at_ms: int
    run_id: int
    call_index: int
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReturned:
    """A tool answered."""

    at_ms: int
    call_id: int
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFailed:
    """A tool answered with an error, or did not answer."""

    at_ms: int
    call_id: int
    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSounded:
    """The first sound of a segment arrived from inference."""

    at_ms: int
    run_id: int
    segment_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSynthesised:
    """All sound of a segment arrived. `word_ends`: one past each word's last sample, empty when they are not told."""

    at_ms: int
    run_id: int
    segment_index: int
    total_samples: int
    word_ends: tuple[int, ...]
    timing: WorkTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed:
    """A stage of the run failed on the inference node."""

    at_ms: int
    run_id: int
    stage: Stage
    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentStarted:
    """The first sample of a segment left for the edge."""

    at_ms: int
    run_id: int
    segment_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPlayed:
    """The last sample of a segment left for the edge."""

    at_ms: int
    run_id: int
    segment_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutReported:
    """The edge says how much of the run it played: all of it, or what it had played when it was flushed."""

    at_ms: int
    run_id: int
    played_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The time `next_deadline` asked for has come."""

    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownRequested:
    """The operator or a signal ends the call."""

    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellFailed:
    """The runtime around the core broke; a defect."""

    at_ms: int
    detail: str


SessionEvent = (
    CallOpened
    | CallerHungUp
    | EdgeLost
    | CallerTyped
    | InferenceReady
    | InferenceLost
    | SpeechStarted
    | SpeechFaltered
    | SpeechEnded
    | CallerTranscribed
    | TranscriptionFailed
    | EndOfTurnScored
    | WordsScored
    | EndOfTurnFailed
    | CallerKeyed
    | TalkPressed
    | TalkReleased
    | CallerSoundLost
    | ReplyText
    | ReplyEnded
    | ToolRequested
    | ToolReturned
    | ToolFailed
    | SegmentSounded
    | SegmentSynthesised
    | RunFailed
    | SegmentStarted
    | SegmentPlayed
    | PlayoutReported
    | Tick
    | ShutdownRequested
    | ShellFailed
)
