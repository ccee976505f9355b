from voice_agent.v1 import failure_pb2 as _failure_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EngineDescription(_message.Message):
    __slots__ = ("stage", "engine", "model", "device", "precision", "languages", "streaming", "word_times", "concurrency", "voices")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    STREAMING_FIELD_NUMBER: _ClassVar[int]
    WORD_TIMES_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    VOICES_FIELD_NUMBER: _ClassVar[int]
    stage: _failure_pb2.Stage
    engine: str
    model: str
    device: str
    precision: str
    languages: _containers.RepeatedScalarFieldContainer[str]
    streaming: bool
    word_times: bool
    concurrency: int
    voices: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, stage: _Optional[_Union[_failure_pb2.Stage, str]] = ..., engine: _Optional[str] = ..., model: _Optional[str] = ..., device: _Optional[str] = ..., precision: _Optional[str] = ..., languages: _Optional[_Iterable[str]] = ..., streaming: _Optional[bool] = ..., word_times: _Optional[bool] = ..., concurrency: _Optional[int] = ..., voices: _Optional[_Iterable[str]] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("version", "ready", "engines", "session_slots", "free_session_slots")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    SESSION_SLOTS_FIELD_NUMBER: _ClassVar[int]
    FREE_SESSION_SLOTS_FIELD_NUMBER: _ClassVar[int]
    version: str
    ready: bool
    engines: _containers.RepeatedCompositeFieldContainer[EngineDescription]
    session_slots: int
    free_session_slots: int
    def __init__(self, version: _Optional[str] = ..., ready: _Optional[bool] = ..., engines: _Optional[_Iterable[_Union[EngineDescription, _Mapping]]] = ..., session_slots: _Optional[int] = ..., free_session_slots: _Optional[int] = ...) -> None: ...
