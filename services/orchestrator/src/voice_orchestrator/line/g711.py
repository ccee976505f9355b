"""mu-law and A-law of ITU-T Recommendation G.711 (11/1988), to and from 16-bit PCM by table.

The tables are made from the recommendation's own description (tables 1 and 2): 128 intervals of magnitude on either
side of zero, bounded by the decision values x(0) to x(128). Sound in the interval n is sent as the character signal of
n and heard as the middle of the interval, y(n) = (x(n) + x(n+1)) / 2; mu-law's first interval is heard as 0.

| law | unit of the decision values | positive signal | negative signal | |
|---|---|---|---|---|
| mu-law | 14-bit samples, 4 of ours | 255 - n | 127 - n | |
| A-law | 13-bit samples, 8 of ours | 128 + n | n | every second bit is inverted |

G.711 leaves open which interval a sample lies in that is a decision value exactly. ITU-T G.191, the ITU's reference
code, takes the magnitude of a negative sample by one's complement; so does this module. A positive sample on a
decision value therefore belongs to the outer interval, a negative one to the inner.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

INTERVALS: Final = 128
CHORD_INTERVALS: Final = 16
"""Intervals of one width; the next 16 are twice as wide."""

MULAW_UNIT: Final = 4
ALAW_UNIT: Final = 8
ALAW_INVERTED_BITS: Final = 0x55
SIGN_BIT: Final = 0x80


def _mulaw_decision_values() -> NDArray[np.int64]:
    """x(0) to x(128) as 16-bit samples: 0, 1, 3, ... 31, 35, ... 8,159 in G.711's units."""
    number = np.arange(INTERVALS + 1)
    chord, place = number // CHORD_INTERVALS, number % CHORD_INTERVALS
    values = ((CHORD_INTERVALS + place) << (chord + 1)) - (2 * CHORD_INTERVALS + 1)
    values[0] = 0
    return values * MULAW_UNIT


def _alaw_decision_values() -> NDArray[np.int64]:
    """x(0) to x(128) as 16-bit samples: 0, 2, 4, ... 64, 68, ... 4,096 in G.711's units."""
    number = np.arange(INTERVALS + 1)
    chord, place = number // CHORD_INTERVALS, number % CHORD_INTERVALS
    values = (CHORD_INTERVALS + place) << chord
    values[:CHORD_INTERVALS] = 2 * place[:CHORD_INTERVALS]
    return values * ALAW_UNIT


def _intervals(decision_values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The interval of every 16-bit sample, in the order of its bits: 0 to 32,767, then -32,768 to -1."""
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int64)
    magnitudes = np.where(samples < 0, ~samples, samples)
    return np.searchsorted(decision_values[:INTERVALS], magnitudes, side="right") - 1


def _encode_table(decision_values: NDArray[np.int64], positive: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Character signals by the bits of a sample; `positive`: those of the 128 intervals above zero."""
    signals = positive[_intervals(decision_values)]
    signals[1 << 15 :] ^= SIGN_BIT
    return signals.astype(np.uint8)


def _decode_table(decision_values: NDArray[np.int64], positive: NDArray[np.int64]) -> NDArray[np.int16]:
    """Samples by character signal; `positive` as for `_encode_table`."""
    heard = (decision_values[:-1] + decision_values[1:]) // 2
    table = np.empty(256, dtype=np.int16)
    table[positive] = heard
    table[positive ^ SIGN_BIT] = -heard
    return table


_MULAW_VALUES: Final = _mulaw_decision_values()
_MULAW_POSITIVE: Final = 255 - np.arange(INTERVALS)
_MULAW_ENCODE: Final = _encode_table(_MULAW_VALUES, _MULAW_POSITIVE)
_MULAW_DECODE: Final = _decode_table(_MULAW_VALUES, _MULAW_POSITIVE)
_MULAW_DECODE[[255, 127]] = 0

_ALAW_VALUES: Final = _alaw_decision_values()
_ALAW_POSITIVE: Final = (SIGN_BIT + np.arange(INTERVALS)) ^ ALAW_INVERTED_BITS
_ALAW_ENCODE: Final = _encode_table(_ALAW_VALUES, _ALAW_POSITIVE)
_ALAW_DECODE: Final = _decode_table(_ALAW_VALUES, _ALAW_POSITIVE)


def decode_mulaw(signals: bytes) -> NDArray[np.int16]:
    """16-bit samples, one for each byte of mu-law."""
    return _MULAW_DECODE.take(np.frombuffer(signals, dtype=np.uint8))


def encode_mulaw(samples: NDArray[np.int16]) -> bytes:
    """mu-law, one byte for each 16-bit sample."""
    return _MULAW_ENCODE.take(samples.view(np.uint16)).tobytes()


def decode_alaw(signals: bytes) -> NDArray[np.int16]:
    """16-bit samples, one for each byte of A-law."""
    return _ALAW_DECODE.take(np.frombuffer(signals, dtype=np.uint8))


def encode_alaw(samples: NDArray[np.int16]) -> bytes:
    """A-law, one byte for each 16-bit sample."""
    return _ALAW_ENCODE.take(samples.view(np.uint16)).tobytes()
