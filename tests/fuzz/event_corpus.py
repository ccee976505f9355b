"""Valid events of every kind, and messages of the contract with any value in any field."""

import dataclasses
import enum
import typing
from random import Random
from typing import Any, Final

from fuzz.bytes_mutations import integer, one_in
from fuzz.wire import FLOATS
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from voice_contract import codec
from voice_contract import messages as m
from voice_contract.failures import VoiceAgentError
from voice_contract.senders import ALLOWED_SENDER, RUN_SCOPED, TRANSCRIPT_SENDER, Peer

PAYLOADS: Final[tuple[type[Any], ...]] = typing.get_args(m.Payload)
TRIES: Final = 300
WORDS: Final = ("", "x", "en-US", "Grüß Gott 你好", "a\nb", "x" * 60, "1", "#", "D")
SMALL: Final = (0, 1, 2, 3, 20, 100, 8_000, 16_000, 48_000)
FRACTIONS: Final = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
SHARES: Final = (0.0625, 0.5, 0.5, 1.0)


def valid_event(kind: type[Any], rng: Random) -> tuple[bytes, Peer]:
    """An event with a payload of this kind that the contract allows, and who may send it."""
    for _ in range(TRIES):
        sender = rng.choice(sorted(ALLOWED_SENDER[kind], key=lambda peer: peer.value))
        payload = _instance(kind, rng)
        if isinstance(payload, m.Transcript):
            speaker, words = rng.choice(sorted(TRANSCRIPT_SENDER[sender], key=repr))
            payload = dataclasses.replace(payload, speaker=speaker, kind=words)
        event = m.Event(
            session_id="" if kind is m.CallOpen else "abc123",
            sequence=rng.randint(1, 1_000),
            sender_monotonic_us=rng.randrange(10**9),
            payload=payload,
            run_id=rng.choice((0, 7)) if kind not in RUN_SCOPED else 7,
        )
        data = codec.encode(event).SerializeToString()
        try:
            codec.decode_bytes(data, sender)
        except VoiceAgentError:
            continue
        return data, sender
    raise AssertionError(f"no valid {kind.__name__} in {TRIES} tries")


def _instance(kind: type[Any], rng: Random) -> Any:
    hints = typing.get_type_hints(kind)
    values = {field.name: _value(hints[field.name], field.name, rng) for field in dataclasses.fields(kind)}
    if kind is m.TurnLatency:
        values["total_ms"] = sum(value for name, value in values.items() if name.endswith("_ms") and name != "total_ms")
    return kind(**values)


def _value(hint: Any, name: str, rng: Random) -> Any:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return rng.choice(list(hint))
    if hint is str:
        return rng.choice("0123456789ABCD*#" if name == "key" else WORDS)
    if hint is bytes:
        return rng.randbytes(2 * rng.choice((1, 80, 160, 320)))
    if hint is bool:
        return one_in(rng, 2)
    if hint is int:
        return rng.choice(SMALL)
    if hint is float:
        return -rng.random() if name.endswith("log_probability") else rng.choice(SHARES)
    if dataclasses.is_dataclass(hint):
        return _instance(typing.cast("type[Any]", hint), rng)
    if typing.get_origin(hint) is tuple:
        values = tuple(_value(typing.get_args(hint)[0], name, rng) for _ in range(rng.randint(0, 3)))
        return tuple(sorted(values)) if typing.get_args(hint)[0] is int else values
    options = [option for option in typing.get_args(hint) if option is not type(None)]
    return None if one_in(rng, 4) else _value(options[0], name, rng)


# --- any message


def fill(message: Message, rng: Random, depth: int = 0) -> None:
    """Sets some fields of a message to anything their types can hold, at most one of each `oneof`."""
    descriptor: Any = message.DESCRIPTOR  # one of two kinds, by what protobuf is made of
    left_out = {
        field.name for oneof in descriptor.oneofs for field in rng.sample(list(oneof.fields), len(oneof.fields) - 1)
    }
    for field in descriptor.fields:
        if field.name in left_out or (field.containing_oneof is None and rng.random() < 0.25):
            continue
        if field.is_repeated:
            for _ in range(rng.choice((0, 1, 1, 2, 5))):
                _add(message, field, rng, depth)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name), rng, depth + 1)
        else:
            setattr(message, field.name, _scalar(field, rng, likely=rng.random() < 0.85))


def alter(message: Message, rng: Random) -> None:
    """Sets one field somewhere in a message to anything its type can hold, numbers with a fraction more often."""
    while (inner := [value for _, value in message.ListFields() if isinstance(value, Message)]) and rng.random() < 0.8:
        message = rng.choice(inner)
    descriptor: Any = message.DESCRIPTOR
    fields = list(descriptor.fields)
    if not fields:
        return
    field = rng.choices(fields, [4 if field.cpp_type in FRACTIONS else 1 for field in fields])[0]
    if field.is_repeated:
        _add(message, field, rng, 0)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        fill(getattr(message, field.name), rng)
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, _scalar(field, rng, likely=False))


def _add(message: Message, field: Any, rng: Random, depth: int) -> None:
    values = getattr(message, field.name)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        fill(values.add(), rng, depth + 1)
    else:
        values.append(_scalar(field, rng, likely=rng.random() < 0.85))


def _scalar(field: Any, rng: Random, *, likely: bool) -> Any:
    kinds = FieldDescriptor
    match field.cpp_type:
        case kinds.CPPTYPE_BOOL:
            return one_in(rng, 2)
        case kinds.CPPTYPE_ENUM:
            known = [value.number for value in field.enum_type.values]
            return rng.choice(known) if likely or one_in(rng, 2) else rng.choice((-1, 99, 2**31 - 1, -(2**31)))
        case kinds.CPPTYPE_FLOAT | kinds.CPPTYPE_DOUBLE:
            sign = -1 if field.name.endswith("log_probability") else 1
            return sign * rng.choice(SHARES) if likely else rng.choice(FLOATS)
        case kinds.CPPTYPE_UINT32 | kinds.CPPTYPE_UINT64:
            return rng.choice(SMALL) if likely else integer(rng, 32 if field.cpp_type == kinds.CPPTYPE_UINT32 else 64)
        case kinds.CPPTYPE_INT32 | kinds.CPPTYPE_INT64:
            bits = 32 if field.cpp_type == kinds.CPPTYPE_INT32 else 64
            return rng.choice(SMALL) if likely else integer(rng, bits) - (1 << bits - 1)
    if field.type == kinds.TYPE_BYTES:
        return rng.randbytes(rng.choice((0, 1, 2, 640)))
    return rng.choice(WORDS)
