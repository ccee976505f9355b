import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from voice_agent.v1 import audio_pb2 as _audio_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TranscribeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSCRIBE_KIND_UNSPECIFIED: _ClassVar[TranscribeKind]
    TRANSCRIBE_KIND_PARTIAL: _ClassVar[TranscribeKind]
    TRANSCRIBE_KIND_FINAL: _ClassVar[TranscribeKind]
TRANSCRIBE_KIND_UNSPECIFIED: TranscribeKind
TRANSCRIBE_KIND_PARTIAL: TranscribeKind
TRANSCRIBE_KIND_FINAL: TranscribeKind

class VadSettings(_message.Message):
    __slots__ = ("activation_threshold", "deactivation_threshold", "min_speech", "min_silence")
    ACTIVATION_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    DEACTIVATION_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MIN_SPEECH_FIELD_NUMBER: _ClassVar[int]
    MIN_SILENCE_FIELD_NUMBER: _ClassVar[int]
    activation_threshold: float
    deactivation_threshold: float
    min_speech: _duration_pb2.Duration
    min_silence: _duration_pb2.Duration
    def __init__(self, activation_threshold: _Optional[float] = ..., deactivation_threshold: _Optional[float] = ..., min_speech: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., min_silence: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SessionConfigure(_message.Message):
    __slots__ = ("caller_format", "agent_format", "language", "voice", "vad")
    CALLER_FORMAT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    VAD_FIELD_NUMBER: _ClassVar[int]
    caller_format: _audio_pb2.AudioFormat
    agent_format: _audio_pb2.AudioFormat
    language: str
    voice: str
    vad: VadSettings
    def __init__(self, caller_format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., agent_format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., language: _Optional[str] = ..., voice: _Optional[str] = ..., vad: _Optional[_Union[VadSettings, _Mapping]] = ...) -> None: ...

class SessionReady(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("start_offset_samples", "detected_offset_samples")
    START_OFFSET_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    DETECTED_OFFSET_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    start_offset_samples: int
    detected_offset_samples: int
    def __init__(self, start_offset_samples: _Optional[int] = ..., detected_offset_samples: _Optional[int] = ...) -> None: ...

class SpeechEnded(_message.Message):
    __slots__ = ("end_offset_samples", "detected_offset_samples")
    END_OFFSET_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    DETECTED_OFFSET_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    end_offset_samples: int
    detected_offset_samples: int
    def __init__(self, end_offset_samples: _Optional[int] = ..., detected_offset_samples: _Optional[int] = ...) -> None: ...

class Transcribe(_message.Message):
    __slots__ = ("utterance_id", "revision", "kind", "start_offset_samples", "end_offset_samples")
    UTTERANCE_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    utterance_id: int
    revision: int
    kind: TranscribeKind
    start_offset_samples: int
    end_offset_samples: int
    def __init__(self, utterance_id: _Optional[int] = ..., revision: _Optional[int] = ..., kind: _Optional[_Union[TranscribeKind, str]] = ..., start_offset_samples: _Optional[int] = ..., end_offset_samples: _Optional[int] = ...) -> None: ...

class CancelTranscription(_message.Message):
    __slots__ = ("utterance_id",)
    UTTERANCE_ID_FIELD_NUMBER: _ClassVar[int]
    utterance_id: int
    def __init__(self, utterance_id: _Optional[int] = ...) -> None: ...
