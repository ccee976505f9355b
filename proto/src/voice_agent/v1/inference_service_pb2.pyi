from voice_agent.v1 import describe_pb2 as _describe_pb2
from voice_agent.v1 import event_pb2 as _event_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
