"""Bytes of Event that no codec makes, to see what becomes of them, and the number of one that cannot be decoded."""

from typing import Final

VARINT: Final = 0
BYTES: Final = 2

SESSION_ID: Final = 1
SEQUENCE: Final = 2
SENDER_MONOTONIC_US: Final = 3
RUN_ID: Final = 4
CONTROL: Final = 12

NOT_A_MESSAGE: Final = b"\xff\xff\xff\xff"
"""Begins a tag that never ends."""

UNKNOWN_ARM: Final = 999
"""A number no arm of Control has."""


def envelope(session_id: str, sequence: int, sender_monotonic_us: int, run_id: int = 0) -> bytes:
    """An Event without a payload."""
    numbers = ((SEQUENCE, sequence), (SENDER_MONOTONIC_US, sender_monotonic_us), (RUN_ID, run_id))
    return field(SESSION_ID, session_id.encode()) + b"".join(field(number, value) for number, value in numbers)


def control_of_unknown_arm() -> bytes:
    """A payload that goes behind an envelope: a Control whose arm nobody knows."""
    return field(CONTROL, field(UNKNOWN_ARM, b""))


def field(number: int, value: int | bytes) -> bytes:
    """One field of a message."""
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sequence_of(data: bytes) -> int | None:
    """The sequence number in the bytes of an Event; None when they cannot be read so far."""
    at = 0
    try:
        while at < len(data):
            tag, at = _read_varint(data, at)
            number, kind = tag >> 3, tag & 7
            value, at = _read_varint(data, at)
            if kind == BYTES:
                at += value
            elif kind != VARINT:
                return None
            elif number == SEQUENCE:
                return value
    except IndexError:
        return None
    return None


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at
