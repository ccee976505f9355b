"""Failures as data: the closed list of reasons of failure.proto, each with a sentence fit for a caller.

FailureReason   what happened; equal to voice_agent.v1.FailureReason by a test
Stage           where it happened
Failure         one failure, as it travels and as the session core sees it
VoiceAgentError the exception that carries a Failure inside one process
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Stage(Enum):
    """The part of the pipeline a failure belongs to."""

    EDGE = "edge"
    SESSION = "session"
    LINK = "link"
    VAD = "vad"
    STT = "stt"
    LLM = "llm"
    TTS = "tts"
    END_OF_TURN = "end_of_turn"
    TOOL = "tool"


class FailureReason(Enum):
    """What happened. Values equal the names of the proto enum without prefix, in lower case."""

    INVALID_MESSAGE = "invalid_message"
    PROFILE_INVALID = "profile_invalid"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    OVERLOADED = "overloaded"
    ENGINE_ERROR = "engine_error"
    ENGINE_UNREACHABLE = "engine_unreachable"
    MODEL_MISSING = "model_missing"
    EMPTY_RESULT = "empty_result"
    INFERENCE_LOST = "inference_lost"
    PEER_SILENT = "peer_silent"
    EDGE_LOST = "edge_lost"
    DRAINING = "draining"
    CAPACITY_EXHAUSTED = "capacity_exhausted"
    INTERNAL = "internal"
    CALLER_SOUND_LOST = "caller_sound_lost"
    NO_WORDS = "no_words"
    TOOL_UNKNOWN = "tool_unknown"
    TOOL_FAILED = "tool_failed"
    RATE_EXCEEDED = "rate_exceeded"


CALLER_TEXT: Final[dict[FailureReason, str]] = {
    FailureReason.INVALID_MESSAGE: "Something in this call was not understood.",
    FailureReason.PROFILE_INVALID: "This number is not in service at the moment.",
    FailureReason.DEADLINE_EXCEEDED: "That took too long, please try again.",
    FailureReason.OVERLOADED: "We are very busy right now, please try again.",
    FailureReason.ENGINE_ERROR: "Something went wrong on our side, please try again.",
    FailureReason.ENGINE_UNREACHABLE: "We cannot answer right now, please try again later.",
    FailureReason.MODEL_MISSING: "We cannot answer right now, please try again later.",
    FailureReason.EMPTY_RESULT: "Sorry, could you say that again?",
    FailureReason.INFERENCE_LOST: "One moment please, we are having a technical problem.",
    FailureReason.PEER_SILENT: "One moment please, we are having a technical problem.",
    FailureReason.EDGE_LOST: "The connection was lost.",
    FailureReason.DRAINING: "We are restarting, please call again in a moment.",
    FailureReason.CAPACITY_EXHAUSTED: "All lines are busy, please call again in a moment.",
    FailureReason.INTERNAL: "Something went wrong on our side, please try again.",
    FailureReason.CALLER_SOUND_LOST: "We cannot hear you at the moment.",
    FailureReason.NO_WORDS: "Sorry, could you say that again?",
    FailureReason.TOOL_UNKNOWN: "That cannot be done at the moment.",
    FailureReason.TOOL_FAILED: "That cannot be done at the moment.",
    FailureReason.RATE_EXCEEDED: "Something in this call was not understood.",
}
"""The sentence for each reason; complete by a test."""

RETRYABLE: Final[frozenset[FailureReason]] = frozenset(
    {
        FailureReason.DEADLINE_EXCEEDED,
        FailureReason.OVERLOADED,
        FailureReason.EMPTY_RESULT,
        FailureReason.INFERENCE_LOST,
        FailureReason.PEER_SILENT,
        FailureReason.DRAINING,
        FailureReason.CAPACITY_EXHAUSTED,
        FailureReason.CALLER_SOUND_LOST,
        FailureReason.NO_WORDS,
    }
)
"""Reasons after which the same request may succeed unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure. `detail` is for the operator and holds no personal data."""

    stage: Stage
    reason: FailureReason
    detail: str = ""
    utterance_id: int = 0

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed if it is made again unchanged."""
        return self.reason in RETRYABLE

    @property
    def caller_text(self) -> str:
        """One sentence fit for a caller."""
        return CALLER_TEXT[self.reason]


class VoiceAgentError(Exception):
    """A failure on its way up inside one process; `str()` is one line for an operator."""

    def __init__(self, failure: Failure) -> None:
        """Wraps `failure`."""
        super().__init__(failure.detail or f"{failure.stage.value}: {failure.reason.value}")
        self.failure = failure
