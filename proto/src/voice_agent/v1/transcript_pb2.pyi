from voice_agent.v1 import sensitivity_pb2 as _sensitivity_pb2
from voice_agent.v1 import timing_pb2 as _timing_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Speaker(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SPEAKER_UNSPECIFIED: _ClassVar[Speaker]
    SPEAKER_CALLER: _ClassVar[Speaker]
    SPEAKER_AGENT: _ClassVar[Speaker]

class TranscriptKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSCRIPT_KIND_UNSPECIFIED: _ClassVar[TranscriptKind]
    TRANSCRIPT_KIND_PARTIAL: _ClassVar[TranscriptKind]
    TRANSCRIPT_KIND_FINAL: _ClassVar[TranscriptKind]
    TRANSCRIPT_KIND_DELTA: _ClassVar[TranscriptKind]
SPEAKER_UNSPECIFIED: Speaker
SPEAKER_CALLER: Speaker
SPEAKER_AGENT: Speaker
TRANSCRIPT_KIND_UNSPECIFIED: TranscriptKind
TRANSCRIPT_KIND_PARTIAL: TranscriptKind
TRANSCRIPT_KIND_FINAL: TranscriptKind
TRANSCRIPT_KIND_DELTA: TranscriptKind

class Transcript(_message.Message):
    __slots__ = ("speaker", "kind", "text", "utterance_id", "revision", "segment_index", "start_offset_samples", "end_offset_samples", "mean_log_probability", "timing")
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    speaker: Speaker
    kind: TranscriptKind
    text: str
    utterance_id: int
    revision: int
    segment_index: int
    start_offset_samples: int
    end_offset_samples: int
    mean_log_probability: float
    timing: _timing_pb2.WorkTiming
    def __init__(self, speaker: _Optional[_Union[Speaker, str]] = ..., kind: _Optional[_Union[TranscriptKind, str]] = ..., text: _Optional[str] = ..., utterance_id: _Optional[int] = ..., revision: _Optional[int] = ..., segment_index: _Optional[int] = ..., start_offset_samples: _Optional[int] = ..., end_offset_samples: _Optional[int] = ..., mean_log_probability: _Optional[float] = ..., timing: _Optional[_Union[_timing_pb2.WorkTiming, _Mapping]] = ...) -> None: ...
