import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from voice_agent.v1 import audio_pb2 as _audio_pb2
from voice_agent.v1 import failure_pb2 as _failure_pb2
from voice_agent.v1 import generation_pb2 as _generation_pb2
from voice_agent.v1 import speech_pb2 as _speech_pb2
from voice_agent.v1 import synthesis_pb2 as _synthesis_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EndCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_CAUSE_UNSPECIFIED: _ClassVar[EndCause]
    END_CAUSE_CALLER_HUNG_UP: _ClassVar[EndCause]
    END_CAUSE_EDGE_LOST: _ClassVar[EndCause]
    END_CAUSE_IDLE: _ClassVar[EndCause]
    END_CAUSE_MAX_LENGTH: _ClassVar[EndCause]
    END_CAUSE_INFERENCE_UNAVAILABLE: _ClassVar[EndCause]
    END_CAUSE_SHUTDOWN: _ClassVar[EndCause]
    END_CAUSE_INTERNAL: _ClassVar[EndCause]

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_CREATED: _ClassVar[Phase]
    PHASE_CONNECTING: _ClassVar[Phase]
    PHASE_ACTIVE: _ClassVar[Phase]
    PHASE_PROCESSING: _ClassVar[Phase]
    PHASE_RESPONDING: _ClassVar[Phase]
    PHASE_TERMINATED: _ClassVar[Phase]

class BargeInOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BARGE_IN_OUTCOME_UNSPECIFIED: _ClassVar[BargeInOutcome]
    BARGE_IN_OUTCOME_PAUSED: _ClassVar[BargeInOutcome]
    BARGE_IN_OUTCOME_CONFIRMED: _ClassVar[BargeInOutcome]
    BARGE_IN_OUTCOME_REJECTED: _ClassVar[BargeInOutcome]
    BARGE_IN_OUTCOME_TIMED_OUT: _ClassVar[BargeInOutcome]
END_CAUSE_UNSPECIFIED: EndCause
END_CAUSE_CALLER_HUNG_UP: EndCause
END_CAUSE_EDGE_LOST: EndCause
END_CAUSE_IDLE: EndCause
END_CAUSE_MAX_LENGTH: EndCause
END_CAUSE_INFERENCE_UNAVAILABLE: EndCause
END_CAUSE_SHUTDOWN: EndCause
END_CAUSE_INTERNAL: EndCause
PHASE_UNSPECIFIED: Phase
PHASE_CREATED: Phase
PHASE_CONNECTING: Phase
PHASE_ACTIVE: Phase
PHASE_PROCESSING: Phase
PHASE_RESPONDING: Phase
PHASE_TERMINATED: Phase
BARGE_IN_OUTCOME_UNSPECIFIED: BargeInOutcome
BARGE_IN_OUTCOME_PAUSED: BargeInOutcome
BARGE_IN_OUTCOME_CONFIRMED: BargeInOutcome
BARGE_IN_OUTCOME_REJECTED: BargeInOutcome
BARGE_IN_OUTCOME_TIMED_OUT: BargeInOutcome

class Control(_message.Message):
    __slots__ = ("heartbeat", "failure", "call_open", "call_accepted", "hang_up", "call_ended", "phase_changed", "barge_in", "playout_pause", "playout_resume", "playout_flush", "playout_position", "run_audio_end", "turn_latency", "session_configure", "session_ready", "speech_started", "speech_ended", "transcribe", "cancel_transcription", "prime_prompt", "generate", "generation_ended", "synthesize", "synthesis_ended", "cancel_run", "run_stopped", "session_close")
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    CALL_OPEN_FIELD_NUMBER: _ClassVar[int]
    CALL_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    HANG_UP_FIELD_NUMBER: _ClassVar[int]
    CALL_ENDED_FIELD_NUMBER: _ClassVar[int]
    PHASE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    BARGE_IN_FIELD_NUMBER: _ClassVar[int]
    PLAYOUT_PAUSE_FIELD_NUMBER: _ClassVar[int]
    PLAYOUT_RESUME_FIELD_NUMBER: _ClassVar[int]
    PLAYOUT_FLUSH_FIELD_NUMBER: _ClassVar[int]
    PLAYOUT_POSITION_FIELD_NUMBER: _ClassVar[int]
    RUN_AUDIO_END_FIELD_NUMBER: _ClassVar[int]
    TURN_LATENCY_FIELD_NUMBER: _ClassVar[int]
    SESSION_CONFIGURE_FIELD_NUMBER: _ClassVar[int]
    SESSION_READY_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_ENDED_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIBE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PRIME_PROMPT_FIELD_NUMBER: _ClassVar[int]
    GENERATE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ENDED_FIELD_NUMBER: _ClassVar[int]
    SYNTHESIZE_FIELD_NUMBER: _ClassVar[int]
    SYNTHESIS_ENDED_FIELD_NUMBER: _ClassVar[int]
    CANCEL_RUN_FIELD_NUMBER: _ClassVar[int]
    RUN_STOPPED_FIELD_NUMBER: _ClassVar[int]
    SESSION_CLOSE_FIELD_NUMBER: _ClassVar[int]
    heartbeat: Heartbeat
    failure: _failure_pb2.Failure
    call_open: CallOpen
    call_accepted: CallAccepted
    hang_up: HangUp
    call_ended: CallEnded
    phase_changed: PhaseChanged
    barge_in: BargeIn
    playout_pause: PlayoutPause
    playout_resume: PlayoutResume
    playout_flush: PlayoutFlush
    playout_position: PlayoutPosition
    run_audio_end: RunAudioEnd
    turn_latency: TurnLatency
    session_configure: _speech_pb2.SessionConfigure
    session_ready: _speech_pb2.SessionReady
    speech_started: _speech_pb2.SpeechStarted
    speech_ended: _speech_pb2.SpeechEnded
    transcribe: _speech_pb2.Transcribe
    cancel_transcription: _speech_pb2.CancelTranscription
    prime_prompt: _generation_pb2.PrimePrompt
    generate: _generation_pb2.Generate
    generation_ended: _generation_pb2.GenerationEnded
    synthesize: _synthesis_pb2.Synthesize
    synthesis_ended: _synthesis_pb2.SynthesisEnded
    cancel_run: _generation_pb2.CancelRun
    run_stopped: _generation_pb2.RunStopped
    session_close: _generation_pb2.SessionClose
    def __init__(self, heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., failure: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ..., call_open: _Optional[_Union[CallOpen, _Mapping]] = ..., call_accepted: _Optional[_Union[CallAccepted, _Mapping]] = ..., hang_up: _Optional[_Union[HangUp, _Mapping]] = ..., call_ended: _Optional[_Union[CallEnded, _Mapping]] = ..., phase_changed: _Optional[_Union[PhaseChanged, _Mapping]] = ..., barge_in: _Optional[_Union[BargeIn, _Mapping]] = ..., playout_pause: _Optional[_Union[PlayoutPause, _Mapping]] = ..., playout_resume: _Optional[_Union[PlayoutResume, _Mapping]] = ..., playout_flush: _Optional[_Union[PlayoutFlush, _Mapping]] = ..., playout_position: _Optional[_Union[PlayoutPosition, _Mapping]] = ..., run_audio_end: _Optional[_Union[RunAudioEnd, _Mapping]] = ..., turn_latency: _Optional[_Union[TurnLatency, _Mapping]] = ..., session_configure: _Optional[_Union[_speech_pb2.SessionConfigure, _Mapping]] = ..., session_ready: _Optional[_Union[_speech_pb2.SessionReady, _Mapping]] = ..., speech_started: _Optional[_Union[_speech_pb2.SpeechStarted, _Mapping]] = ..., speech_ended: _Optional[_Union[_speech_pb2.SpeechEnded, _Mapping]] = ..., transcribe: _Optional[_Union[_speech_pb2.Transcribe, _Mapping]] = ..., cancel_transcription: _Optional[_Union[_speech_pb2.CancelTranscription, _Mapping]] = ..., prime_prompt: _Optional[_Union[_generation_pb2.PrimePrompt, _Mapping]] = ..., generate: _Optional[_Union[_generation_pb2.Generate, _Mapping]] = ..., generation_ended: _Optional[_Union[_generation_pb2.GenerationEnded, _Mapping]] = ..., synthesize: _Optional[_Union[_synthesis_pb2.Synthesize, _Mapping]] = ..., synthesis_ended: _Optional[_Union[_synthesis_pb2.SynthesisEnded, _Mapping]] = ..., cancel_run: _Optional[_Union[_generation_pb2.CancelRun, _Mapping]] = ..., run_stopped: _Optional[_Union[_generation_pb2.RunStopped, _Mapping]] = ..., session_close: _Optional[_Union[_generation_pb2.SessionClose, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CallOpen(_message.Message):
    __slots__ = ("profile", "caller_format", "agent_format")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    CALLER_FORMAT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    profile: str
    caller_format: _audio_pb2.AudioFormat
    agent_format: _audio_pb2.AudioFormat
    def __init__(self, profile: _Optional[str] = ..., caller_format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., agent_format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ...) -> None: ...

class CallAccepted(_message.Message):
    __slots__ = ("caller_format", "agent_format")
    CALLER_FORMAT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    caller_format: _audio_pb2.AudioFormat
    agent_format: _audio_pb2.AudioFormat
    def __init__(self, caller_format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., agent_format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ...) -> None: ...

class HangUp(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CallEnded(_message.Message):
    __slots__ = ("cause", "failure")
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    cause: EndCause
    failure: _failure_pb2.Failure
    def __init__(self, cause: _Optional[_Union[EndCause, str]] = ..., failure: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ...) -> None: ...

class PhaseChanged(_message.Message):
    __slots__ = ("from_phase", "to_phase")
    FROM_PHASE_FIELD_NUMBER: _ClassVar[int]
    TO_PHASE_FIELD_NUMBER: _ClassVar[int]
    from_phase: Phase
    to_phase: Phase
    def __init__(self, from_phase: _Optional[_Union[Phase, str]] = ..., to_phase: _Optional[_Union[Phase, str]] = ...) -> None: ...

class BargeIn(_message.Message):
    __slots__ = ("outcome", "speech_length")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SPEECH_LENGTH_FIELD_NUMBER: _ClassVar[int]
    outcome: BargeInOutcome
    speech_length: _duration_pb2.Duration
    def __init__(self, outcome: _Optional[_Union[BargeInOutcome, str]] = ..., speech_length: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class PlayoutPause(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PlayoutResume(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PlayoutFlush(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PlayoutPosition(_message.Message):
    __slots__ = ("played_samples",)
    PLAYED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    played_samples: int
    def __init__(self, played_samples: _Optional[int] = ...) -> None: ...

class RunAudioEnd(_message.Message):
    __slots__ = ("total_samples",)
    TOTAL_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    total_samples: int
    def __init__(self, total_samples: _Optional[int] = ...) -> None: ...

class TurnLatency(_message.Message):
    __slots__ = ("utterance_id", "total", "endpointing", "transcription", "first_token", "first_clause", "synthesis", "delivery")
    UTTERANCE_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTING_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FIRST_CLAUSE_FIELD_NUMBER: _ClassVar[int]
    SYNTHESIS_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    utterance_id: int
    total: _duration_pb2.Duration
    endpointing: _duration_pb2.Duration
    transcription: _duration_pb2.Duration
    first_token: _duration_pb2.Duration
    first_clause: _duration_pb2.Duration
    synthesis: _duration_pb2.Duration
    delivery: _duration_pb2.Duration
    def __init__(self, utterance_id: _Optional[int] = ..., total: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., endpointing: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., transcription: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., first_clause: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., synthesis: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., delivery: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
