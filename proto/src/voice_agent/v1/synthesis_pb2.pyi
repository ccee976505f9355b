from voice_agent.v1 import sensitivity_pb2 as _sensitivity_pb2
from voice_agent.v1 import timing_pb2 as _timing_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Synthesize(_message.Message):
    __slots__ = ("segment_index", "text", "speaking_rate")
    SEGMENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SPEAKING_RATE_FIELD_NUMBER: _ClassVar[int]
    segment_index: int
    text: str
    speaking_rate: float
    def __init__(self, segment_index: _Optional[int] = ..., text: _Optional[str] = ..., speaking_rate: _Optional[float] = ...) -> None: ...

class SynthesisEnded(_message.Message):
    __slots__ = ("segment_index", "total_samples", "timing")
    SEGMENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    segment_index: int
    total_samples: int
    timing: _timing_pb2.WorkTiming
    def __init__(self, segment_index: _Optional[int] = ..., total_samples: _Optional[int] = ..., timing: _Optional[_Union[_timing_pb2.WorkTiming, _Mapping]] = ...) -> None: ...
