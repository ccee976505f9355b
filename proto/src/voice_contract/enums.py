"""The closed lists of the contract: what a field of a message can say. `messages` hands them on."""

from enum import Enum


class AudioEncoding(Enum):
    """Layout of samples."""

    S16LE = "s16le"
    MULAW = "mulaw"
    ALAW = "alaw"


class Speaker(Enum):
    """Whose words a transcript holds."""

    CALLER = "caller"
    AGENT = "agent"


class TranscriptKind(Enum):
    """How a transcript relates to the others of its utterance or run."""

    PARTIAL = "partial"
    FINAL = "final"
    DELTA = "delta"


class TranscribeKind(Enum):
    """What kind of transcript is wanted."""

    PARTIAL = "partial"
    FINAL = "final"


class ChatRole(Enum):
    """Who speaks in a chat message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class FinishReason(Enum):
    """Why writing a reply ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOLS = "tools"


class EndCause(Enum):
    """Why a call ended."""

    CALLER_HUNG_UP = "caller_hung_up"
    EDGE_LOST = "edge_lost"
    IDLE = "idle"
    MAX_LENGTH = "max_length"
    INFERENCE_UNAVAILABLE = "inference_unavailable"
    SHUTDOWN = "shutdown"
    INTERNAL = "internal"
    REFUSED = "refused"


class Phase(Enum):
    """Where a session stands."""

    CREATED = "created"
    CONNECTING = "connecting"
    ACTIVE = "active"
    PROCESSING = "processing"
    RESPONDING = "responding"
    TERMINATED = "terminated"


class BargeInOutcome(Enum):
    """What became of caller speech over the agent."""

    PAUSED = "paused"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"


class BargeInCause(Enum):
    """What a decision about caller speech rests on."""

    ONSET = "onset"
    DURATION = "duration"
    WORDS = "words"
    BACKCHANNEL = "backchannel"
    NO_WORDS = "no_words"
    ECHO = "echo"
    CONTINUED = "continued"
    TRANSCRIPTION_FAILED = "transcription_failed"
    TIMEOUT = "timeout"
    TYPED = "typed"
    DTMF = "dtmf"
    PUSH_TO_TALK = "push_to_talk"
    RUN_ENDED = "run_ended"


class SpeculationOutcome(Enum):
    """What became of a reply that was begun before its turn was committed."""

    KEPT = "kept"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    FAILED = "failed"
