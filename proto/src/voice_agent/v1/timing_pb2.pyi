from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class WorkTiming(_message.Message):
    __slots__ = ("queued_us", "first_result_us", "total_us")
    QUEUED_US_FIELD_NUMBER: _ClassVar[int]
    FIRST_RESULT_US_FIELD_NUMBER: _ClassVar[int]
    TOTAL_US_FIELD_NUMBER: _ClassVar[int]
    queued_us: int
    first_result_us: int
    total_us: int
    def __init__(self, queued_us: _Optional[int] = ..., first_result_us: _Optional[int] = ..., total_us: _Optional[int] = ...) -> None: ...
