"""Damage to any bytes: bits, stretches, ends, integers that lie."""

from random import Random
from typing import Final

INTEGERS: Final = (
    0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 1_000, 16_000, 32_767, 32_768, 48_000, 65_535,
    65_536, 192_000, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
"""Where counters, lengths and signs go wrong."""

LARGE_BYTES: Final = 1 << 20


def integer(rng: Random, bits: int) -> int:
    """An integer of so many bits, near where something may go wrong."""
    pick = rng.random()
    if pick < 0.6:
        return (rng.choice(INTEGERS) + rng.choice((0, 0, 0, -1, 1))) % (1 << bits)
    return rng.getrandbits(rng.randint(1, bits))


def one_in(rng: Random, count: int) -> bool:
    """True once in so many times."""
    return rng.randrange(count) == 0


def damaged(rng: Random, data: bytes, other: bytes = b"") -> bytes:
    """`data` with one thing wrong; some damage takes a stretch of `other`."""
    if not data:
        return rng.randbytes(rng.randrange(20))
    at = rng.randrange(len(data))
    end = min(len(data), at + rng.choice((1, 1, 2, 4, 8, 16, 64)))
    match rng.randrange(10):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at] + rng.randbytes(end - at) + data[end:]
        case 2:
            return data[:at] + data[end:]
        case 3:
            return data[:at] + rng.randbytes(rng.randint(1, 9)) + data[at:]
        case 4:
            return data[:end] + data[at:end] * rng.choice((1, 2, 30)) + data[end:]
        case 5:
            return data[:at]
        case 6:
            width = rng.choice((1, 2, 4, 8))
            value = integer(rng, 8 * width).to_bytes(width, rng.choice(("little", "big")))
            return data[:at] + value + data[at + width :]
        case 7:
            source = other or data
            begin = rng.randrange(len(source))
            return data[:at] + source[begin : begin + rng.choice((2, 8, 64, 512))] + data[end:]
        case 8:
            return data[:at] + rng.choice((b"\0", b"\xff", b"\x80", b"\n")) * rng.choice((1, 4, 16)) + data[end:]
        case _:
            return data + rng.randbytes(rng.choice((1, 2, 7, 100)))


def often_damaged(rng: Random, data: bytes, other: bytes = b"") -> bytes:
    """`data` with one to five things wrong."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        data = damaged(rng, data, other)
    return data
