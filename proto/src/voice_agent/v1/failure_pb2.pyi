from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_UNSPECIFIED: _ClassVar[Stage]
    STAGE_EDGE: _ClassVar[Stage]
    STAGE_SESSION: _ClassVar[Stage]
    STAGE_LINK: _ClassVar[Stage]
    STAGE_VAD: _ClassVar[Stage]
    STAGE_STT: _ClassVar[Stage]
    STAGE_LLM: _ClassVar[Stage]
    STAGE_TTS: _ClassVar[Stage]

class FailureReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_REASON_UNSPECIFIED: _ClassVar[FailureReason]
    FAILURE_REASON_INVALID_MESSAGE: _ClassVar[FailureReason]
    FAILURE_REASON_PROFILE_INVALID: _ClassVar[FailureReason]
    FAILURE_REASON_DEADLINE_EXCEEDED: _ClassVar[FailureReason]
    FAILURE_REASON_OVERLOADED: _ClassVar[FailureReason]
    FAILURE_REASON_ENGINE_ERROR: _ClassVar[FailureReason]
    FAILURE_REASON_ENGINE_UNREACHABLE: _ClassVar[FailureReason]
    FAILURE_REASON_MODEL_MISSING: _ClassVar[FailureReason]
    FAILURE_REASON_EMPTY_RESULT: _ClassVar[FailureReason]
    FAILURE_REASON_INFERENCE_LOST: _ClassVar[FailureReason]
    FAILURE_REASON_PEER_SILENT: _ClassVar[FailureReason]
    FAILURE_REASON_EDGE_LOST: _ClassVar[FailureReason]
    FAILURE_REASON_DRAINING: _ClassVar[FailureReason]
    FAILURE_REASON_CAPACITY_EXHAUSTED: _ClassVar[FailureReason]
    FAILURE_REASON_INTERNAL: _ClassVar[FailureReason]
STAGE_UNSPECIFIED: Stage
STAGE_EDGE: Stage
STAGE_SESSION: Stage
STAGE_LINK: Stage
STAGE_VAD: Stage
STAGE_STT: Stage
STAGE_LLM: Stage
STAGE_TTS: Stage
FAILURE_REASON_UNSPECIFIED: FailureReason
FAILURE_REASON_INVALID_MESSAGE: FailureReason
FAILURE_REASON_PROFILE_INVALID: FailureReason
FAILURE_REASON_DEADLINE_EXCEEDED: FailureReason
FAILURE_REASON_OVERLOADED: FailureReason
FAILURE_REASON_ENGINE_ERROR: FailureReason
FAILURE_REASON_ENGINE_UNREACHABLE: FailureReason
FAILURE_REASON_MODEL_MISSING: FailureReason
FAILURE_REASON_EMPTY_RESULT: FailureReason
FAILURE_REASON_INFERENCE_LOST: FailureReason
FAILURE_REASON_PEER_SILENT: FailureReason
FAILURE_REASON_EDGE_LOST: FailureReason
FAILURE_REASON_DRAINING: FailureReason
FAILURE_REASON_CAPACITY_EXHAUSTED: FailureReason
FAILURE_REASON_INTERNAL: FailureReason

class Failure(_message.Message):
    __slots__ = ("stage", "reason", "retryable", "caller_text", "detail", "utterance_id")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    CALLER_TEXT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_ID_FIELD_NUMBER: _ClassVar[int]
    stage: Stage
    reason: FailureReason
    retryable: bool
    caller_text: str
    detail: str
    utterance_id: int
    def __init__(self, stage: _Optional[_Union[Stage, str]] = ..., reason: _Optional[_Union[FailureReason, str]] = ..., retryable: _Optional[bool] = ..., caller_text: _Optional[str] = ..., detail: _Optional[str] = ..., utterance_id: _Optional[int] = ...) -> None: ...
