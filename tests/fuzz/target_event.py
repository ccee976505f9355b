"""Bytes that a peer sends as an Event, or a node as its description."""

import dataclasses
import re
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from random import Random
from typing import Final

from fuzz.bytes_mutations import LARGE_BYTES, often_damaged, one_in
from fuzz.event_corpus import PAYLOADS, alter, fill, valid_event
from fuzz.target import Target
from fuzz.wire import damage_fields, parsed, written
from google.protobuf.message import DecodeError, Message

from voice_agent.v1 import describe_pb2, event_pb2
from voice_contract import codec
from voice_contract.failures import FailureReason, VoiceAgentError
from voice_contract.messages import Event
from voice_contract.senders import Peer

EACH: Final = 6
DETAIL_CHARS_MAX: Final = 200
SPAN_MS_END: Final = 1_000 << 31


def open_target(name: str, folder: Path) -> Target:
    """The target `event` or `description`."""
    del folder
    rng = Random("corpus of events")
    if name == "description":
        return DescriptionTarget()
    return EventTarget([valid_event(kind, rng)[0] for kind in PAYLOADS for _ in range(EACH)])


def _made(rng: Random, valid: bytes, other: bytes, empty: Callable[[], Message]) -> bytes:
    """A message: any values, or a valid one; altered, damaged in its fields, in its bytes, or joined to another."""
    data = valid
    message = empty()
    match rng.randrange(12):
        case 0 | 1 | 2:
            fill(message, rng)
            data = message.SerializeToString()
        case 3 | 4 | 5 | 6 | 7:
            message.MergeFromString(valid)
            for _ in range(rng.choice((1, 1, 2))):
                alter(message, rng)
            return message.SerializeToString()
    match rng.randrange(20):
        case 0:
            return often_damaged(rng, data, other)
        case 1:
            return data + other
        case 2:
            return rng.randbytes(rng.choice((0, 1, 3, 10, 100)))
        case 3 if one_in(rng, 15):
            return data + b"\x7a" + rng.choice((b"\xff\xff\x3f", b"\xff\xff\xff\xff\x7f")) + bytes(LARGE_BYTES - 300)
        case 4 | 5 | 6 | 7 | 8:
            return data
    fields = parsed(data) or []
    for _ in range(rng.choice((1, 1, 2, 4))):
        damage_fields(rng, fields)
    return written(fields, rng)


def sound_numbers(value: object, name: str = "") -> None:
    """Asserts that what was taken holds no number that its name forbids."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            sound_numbers(getattr(value, field.name), field.name)
    elif isinstance(value, tuple):
        for each in value:
            sound_numbers(each, name)
    elif isinstance(value, float):
        assert isfinite(value), f"{name} is {value}"
    elif isinstance(value, int):
        assert 0 <= value < (SPAN_MS_END if name.endswith("_ms") else 1 << 64), f"{name} is {value}"


def _refused(error: VoiceAgentError) -> str:
    """The rule that was broken, after a look at what the error promises."""
    failure = error.failure
    assert failure.reason is FailureReason.INVALID_MESSAGE, f"refused with {failure.reason}"
    assert 0 < len(failure.detail) <= DETAIL_CHARS_MAX, f"a detail of {len(failure.detail)} characters"
    assert failure.detail.isprintable(), "a detail that cannot be printed"
    return "refused " + re.sub(r"(unknown value) -?\d+", r"\1", failure.detail)


class EventTarget:
    """`codec.decode` for every sender, of what gRPC's parser gives; what is taken must survive the way back."""

    def __init__(self, valid: list[bytes]) -> None:
        self._valid = valid

    def make(self, rng: Random) -> bytes:
        return _made(rng, rng.choice(self._valid), rng.choice(self._valid), event_pb2.Event)

    def check(self, data: bytes) -> str:
        try:
            message = event_pb2.Event.FromString(data)
        except DecodeError:
            return self._no_message(data)
        answers = [self._decoded(message, sender) for sender in Peer]
        return min(answers, key=lambda answer: not answer.startswith("took"))

    def _decoded(self, message: event_pb2.Event, sender: Peer) -> str:
        try:
            event = codec.decode(message, sender)
        except VoiceAgentError as error:
            return _refused(error)
        sound_numbers(event)
        again = codec.decode_bytes(codec.encode(event).SerializeToString(), sender)
        assert again == event, f"{type(event.payload).__name__} changed on the way back"
        return f"took {type(event.payload).__name__} from {sender.value}"

    def _no_message(self, data: bytes) -> str:
        try:
            taken: Event = codec.decode_bytes(data, Peer.EDGE)
        except VoiceAgentError as error:
            return _refused(error)
        raise AssertionError(f"took a {type(taken.payload).__name__} that gRPC's parser refuses")


class DescriptionTarget:
    """`codec.decode_description` of what gRPC's parser gives."""

    def make(self, rng: Random) -> bytes:
        message, other = describe_pb2.DescribeResponse(), describe_pb2.DescribeResponse()
        fill(message, rng)
        fill(other, rng)
        return _made(rng, message.SerializeToString(), other.SerializeToString(), describe_pb2.DescribeResponse)

    def check(self, data: bytes) -> str:
        try:
            message = describe_pb2.DescribeResponse.FromString(data)
        except DecodeError:
            return "refused no message"
        try:
            description = codec.decode_description(message)
        except VoiceAgentError as error:
            return _refused(error)
        assert codec.decode_description(codec.encode_description(description)) == description
        return f"took {min(len(description.engines), 3)} engines"
