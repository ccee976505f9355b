"""Protobuf's wire format as a tree that can be damaged where it matters: tags, types, lengths, numbers, order."""

import struct
from dataclasses import dataclass
from random import Random
from typing import Final

from fuzz.bytes_mutations import integer, often_damaged, one_in

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = range(6)
FIELD_NUMBERS: Final = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 20, 30, 40, 100, 18_999, 19_000, 2**29 - 1, 2**29)
FLOATS: Final = (
    float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-45, -1e-45, 0.5, 1.0, 1.0000001, -1.0, 2.0, 3.4e38,
    -50.0,
)  # fmt: skip
TEXTS: Final = (
    b"", b"\0", b"a", b"en-US", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80",
    "‮ \u0085é你😀".encode(), b"x" * 64, b"x" * 65, "é".encode() * 64, b"x" * 1_001, b"%s{0}${HOME}", b"\r\n\x1b[2J",
)  # fmt: skip


@dataclass(slots=True)
class Field:
    """One field as it stands on the wire. `lies`: so much longer than it is says its length."""

    number: int
    kind: int
    value: "int | bytes | list[Field]"
    lies: int = 0


def varint(value: int, padding: int = 0) -> bytes:
    """A varint, with so many bytes more than it needs."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    for _ in range(padding):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def parsed(data: bytes) -> list[Field] | None:
    """The fields of a message, inner ones as well; None when these bytes are none."""
    fields, at = [], 0
    while at < len(data):
        tag, at = _varint_at(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            number_value, at = _varint_at(data, at)
            field = Field(number, kind, number_value)
        elif kind in (FIXED32, FIXED64):
            width = 4 if kind == FIXED32 else 8
            field, at = Field(number, kind, data[at : at + width]), at + width
        elif kind == BYTES:
            length, at = _varint_at(data, at)
            content = data[at : at + length]
            inner = parsed(content) if 0 < length <= 4_096 else None
            field, at = Field(number, kind, content if inner is None else inner), at + length
        else:
            return None
        if at > len(data) or number == 0:
            return None
        fields.append(field)
    return fields


def _varint_at(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at
    return 0, len(data) + 1


def written(fields: list[Field], rng: Random | None = None) -> bytes:
    """The bytes of fields; with `rng` some numbers are longer than they need to be."""
    out = bytearray()
    for field in fields:
        padding = rng.choice((1, 3, 8)) if rng is not None and one_in(rng, 200) else 0
        out += varint(field.number << 3 | field.kind, padding)
        if isinstance(field.value, int):
            out += varint(field.value, padding)
            continue
        content = field.value if isinstance(field.value, bytes) else written(field.value, rng)
        if field.kind == BYTES:
            out += varint(max(0, len(content) + field.lies) % 2**64)
        out += content
    return bytes(out)


def damage_fields(rng: Random, fields: list[Field], depth: int = 0) -> None:
    """Does one thing to the fields of a message or to those inside one of them."""
    inner = [field.value for field in fields if isinstance(field.value, list)]
    if inner and rng.random() < 0.7:
        damage_fields(rng, rng.choice(inner), depth + 1)
        return
    if not fields:
        fields.append(_any_field(rng))
        return
    at = rng.randrange(len(fields))
    field = fields[at]
    match rng.randrange(16):
        case 0:
            fields.insert(rng.randrange(len(fields) + 1), field)
        case 1:
            del fields[at]
        case 2:
            field.number = rng.choice(FIELD_NUMBERS)
        case 3 if one_in(rng, 3):
            field.kind = rng.randrange(8)
        case 4:
            fields.insert(at, _any_field(rng))
        case 5 if field.kind == BYTES and one_in(rng, 2):
            field.lies = rng.choice((-1, 1, -8, 100, 2**31, 2**32, 2**63))
        case 6:
            rng.shuffle(fields)
        case 7 if depth < 40:
            fields[at] = _wrapped(rng, field)
        case _:
            field.value = _other_value(rng, field)


def _any_field(rng: Random) -> Field:
    number = rng.choice(FIELD_NUMBERS)
    if one_in(rng, 3):
        return Field(number, BYTES, rng.choice(TEXTS))
    return Field(number, VARINT, integer(rng, 64))


def _wrapped(rng: Random, field: Field) -> Field:
    """The field inside fields or groups, some of them never closed."""
    for _ in range(rng.choice((1, 2, 50, 150))):
        field = Field(rng.choice((field.number, 4, 1)), rng.choice((BYTES, BYTES, GROUP)), [field])
    return field


def _other_value(rng: Random, field: Field) -> "int | bytes | list[Field]":
    match field.kind:
        case 0:
            return integer(rng, 64)
        case 5:
            return struct.pack("<f", rng.choice(FLOATS)) if one_in(rng, 2) else rng.randbytes(4)
        case 1:
            return struct.pack("<d", rng.choice(FLOATS)) if one_in(rng, 2) else rng.randbytes(8)
    if isinstance(field.value, bytes) and one_in(rng, 3):
        return often_damaged(rng, field.value)
    return rng.choice(TEXTS)
