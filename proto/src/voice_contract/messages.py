"""The contract's messages as frozen values: what proto/voice_agent/v1 says, without protobuf.

One class per payload of `Event`; comments on who sends what, when and how often stand in the .proto files and are not
repeated. Durations are whole milliseconds unless the name says otherwise, positions are samples. `codec` translates
to and from bytes-on-the-wire messages and refuses what breaks the contract.
"""

from dataclasses import dataclass

from voice_contract.descriptions import EngineDescription as EngineDescription
from voice_contract.descriptions import NodeDescription as NodeDescription
from voice_contract.enums import AudioEncoding as AudioEncoding
from voice_contract.enums import BargeInCause as BargeInCause
from voice_contract.enums import BargeInOutcome as BargeInOutcome
from voice_contract.enums import ChatRole as ChatRole
from voice_contract.enums import EndCause as EndCause
from voice_contract.enums import FinishReason as FinishReason
from voice_contract.enums import Phase as Phase
from voice_contract.enums import Speaker as Speaker
from voice_contract.enums import SpeculationOutcome as SpeculationOutcome
from voice_contract.enums import TranscribeKind as TranscribeKind
from voice_contract.enums import TranscriptKind as TranscriptKind
from voice_contract.failures import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """Format of one direction of sound."""

    encoding: AudioEncoding = AudioEncoding.S16LE
    sample_rate_hz: int = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTiming:
    """What a piece of work cost on the inference node, microseconds."""

    queued_us: int = 0
    first_result_us: int = 0
    total_us: int = 0


# --- payloads of both streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """A stretch of sound."""

    pcm: bytes
    offset_samples: int
    segment_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A stretch of words."""

    speaker: Speaker
    kind: TranscriptKind
    text: str
    utterance_id: int = 0
    revision: int = 0
    segment_index: int = 0
    start_offset_samples: int = 0
    end_offset_samples: int = 0
    mean_log_probability: float = 0.0
    timing: WorkTiming = WorkTiming()
    no_speech_probability: float = 0.0
    continuation_probability: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The sender is alive."""


# --- edge stream


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOpen:
    """A caller wants to talk to an agent. A format that is None means no sound in that direction."""

    profile: str
    caller_format: AudioFormat | None
    agent_format: AudioFormat | None
    caller_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAccepted:
    """The orchestrator takes the call."""

    caller_format: AudioFormat | None
    agent_format: AudioFormat | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """The caller hangs up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """The call is over."""

    cause: EndCause
    failure: Failure | None = None
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseChanged:
    """The session changed its phase."""

    from_phase: Phase
    to_phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeIn:
    """A decision about caller speech over the run in the envelope."""

    outcome: BargeInOutcome
    speech_length_ms: int
    cause: BargeInCause


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutPause:
    """Stop playing at once, keep what is buffered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutResume:
    """Go on at the sample where PlayoutPause stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutFlush:
    """Drop what is buffered of the run in the envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutPosition:
    """How much of the run in the envelope was played."""

    played_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAudioEnd:
    """The run in the envelope has no more sound."""

    total_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentMark:
    """All sound of a segment of the run in the envelope was sent; it ends at `end_offset_samples` of the run."""

    segment_index: int
    end_offset_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLatency:
    """Contiguous stages between the last speech sample and the first agent sample; they add up to the total."""

    utterance_id: int
    total_ms: int
    endpointing_ms: int
    transcription_ms: int
    first_token_ms: int
    first_clause_ms: int
    synthesis_ms: int
    delivery_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtmf:
    """A key of the caller's telephone: one of 0-9, A-D, * and #."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkPressed:
    """The caller presses the button to talk."""

    offset_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkReleased:
    """The caller lets the button go."""

    offset_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeard:
    """The words the caller heard of the run in the envelope."""

    text: str
    interrupted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeculationEnded:
    """What became of a reply that was begun before its turn was committed, and what it had cost by then."""

    outcome: SpeculationOutcome
    written_tokens: int
    synthesised_ms: int
    lead_ms: int


# --- inference stream


@dataclass(frozen=True, slots=True, kw_only=True)
class VadSettings:
    """How caller speech is told from silence."""

    activation_threshold: float
    deactivation_threshold: float
    min_speech_ms: int
    min_silence_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfigure:
    """Prepares the inference node for one session."""

    caller_format: AudioFormat | None
    agent_format: AudioFormat | None
    language: str
    voice: str
    vad: VadSettings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReady:
    """The node took the session."""

    scores_end_of_turn: bool = False
    scores_words: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The caller began to speak."""

    start_offset_samples: int
    detected_offset_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded:
    """The caller paused or stopped."""

    end_offset_samples: int
    detected_offset_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFaltered:
    """The caller's speech became faint: it may be about to end, or go on."""

    detected_offset_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcribe:
    """Transcribe a stretch of caller sound sent before; `end_offset_samples` 0 means all of it so far."""

    utterance_id: int
    revision: int
    kind: TranscribeKind
    start_offset_samples: int
    end_offset_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTranscription:
    """Give up a transcription."""

    utterance_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreEndOfTurn:
    """Judge from the sound of a turn whether the caller has finished."""

    utterance_id: int
    revision: int
    start_offset_samples: int
    end_offset_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfTurnScored:
    """How likely it is that the caller has finished, 0 to 1."""

    utterance_id: int
    revision: int
    probability: float
    timing: WorkTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message of the conversation; the tool fields are empty unless it asks for a tool or answers as one."""

    role: ChatRole
    text: str
    tool_call_id: str = ""
    tool_name: str = ""
    tool_arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreWords:
    """Judge from the words of a turn, which the last of `messages` holds, whether the caller has finished."""

    utterance_id: int
    revision: int
    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsScored:
    """That a sentence of the caller's ends with the words so far, 0 to 1."""

    utterance_id: int
    revision: int
    probability: float
    timing: WorkTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDeclaration:
    """A tool the model may ask for; `parameters_schema` is the JSON Schema of an object."""

    name: str
    description: str
    parameters_schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequested:
    """The model of the run in the envelope asks for a tool; `arguments` is a JSON object."""

    call_index: int
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimePrompt:
    """Evaluate a prompt into the cache ahead of time."""

    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Write a reply for the run in the envelope."""

    messages: tuple[ChatMessage, ...]
    max_tokens: int
    temperature: float
    top_p: float
    seed: int = 0
    stop: tuple[str, ...] = ()
    tools: tuple[ToolDeclaration, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationEnded:
    """The reply of the run in the envelope is written."""

    reason: FinishReason
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    timing: WorkTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesize:
    """Speak one segment of the run in the envelope."""

    segment_index: int
    text: str
    speaking_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisEnded:
    """A segment is spoken."""

    segment_index: int
    total_samples: int
    timing: WorkTiming
    word_end_offset_samples: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRun:
    """Stop all work of the run in the envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStopped:
    """No work of the run in the envelope is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClose:
    """The session is over."""


EdgeControl = (
    CallOpen
    | CallAccepted
    | HangUp
    | CallEnded
    | PhaseChanged
    | BargeIn
    | PlayoutPause
    | PlayoutResume
    | PlayoutFlush
    | PlayoutPosition
    | RunAudioEnd
    | SegmentMark
    | TurnLatency
    | Dtmf
    | TalkPressed
    | TalkReleased
    | RunHeard
    | SpeculationEnded
)
InferenceControl = (
    SessionConfigure
    | SessionReady
    | SpeechStarted
    | SpeechEnded
    | Transcribe
    | CancelTranscription
    | PrimePrompt
    | Generate
    | GenerationEnded
    | Synthesize
    | SynthesisEnded
    | CancelRun
    | RunStopped
    | SessionClose
    | ScoreEndOfTurn
    | EndOfTurnScored
    | ToolRequested
    | SpeechFaltered
    | ScoreWords
    | WordsScored
)
Payload = Audio | Transcript | Heartbeat | Failure | EdgeControl | InferenceControl


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Envelope of everything on both streams; `run_id` 0 means no run."""

    session_id: str
    sequence: int
    sender_monotonic_us: int
    payload: Payload
    run_id: int = 0
