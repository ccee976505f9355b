from voice_agent.v1 import audio_pb2 as _audio_pb2
from voice_agent.v1 import control_pb2 as _control_pb2
from voice_agent.v1 import transcript_pb2 as _transcript_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Event(_message.Message):
    __slots__ = ("session_id", "sequence", "sender_monotonic_us", "run_id", "audio", "transcript", "control")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SENDER_MONOTONIC_US_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    sequence: int
    sender_monotonic_us: int
    run_id: int
    audio: _audio_pb2.Audio
    transcript: _transcript_pb2.Transcript
    control: _control_pb2.Control
    def __init__(self, session_id: _Optional[str] = ..., sequence: _Optional[int] = ..., sender_monotonic_us: _Optional[int] = ..., run_id: _Optional[int] = ..., audio: _Optional[_Union[_audio_pb2.Audio, _Mapping]] = ..., transcript: _Optional[_Union[_transcript_pb2.Transcript, _Mapping]] = ..., control: _Optional[_Union[_control_pb2.Control, _Mapping]] = ...) -> None: ...
