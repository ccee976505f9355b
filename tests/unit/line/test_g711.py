"""G.711 against three independent descriptions: the recommendation's tables, the ITU's reference code, and audioop."""

import warnings
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from voice_orchestrator.line.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

EVERY_SIGNAL = bytes(range(256))
EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.int16)

# Columns 1 to 3 of tables 1a and 2a of G.711: intervals x step up to the last decision value of the segment.
MULAW_SEGMENTS = (
    (1, 1, 1),
    (15, 2, 31),
    (16, 4, 95),
    (16, 8, 223),
    (16, 16, 479),
    (16, 32, 991),
    (16, 64, 2_015),
    (16, 128, 4_063),
    (16, 256, 8_159),
)
ALAW_SEGMENTS = (
    (32, 2, 64),
    (16, 4, 128),
    (16, 8, 256),
    (16, 16, 512),
    (16, 32, 1_024),
    (16, 64, 2_048),
    (16, 128, 4_096),
)


def decision_values(segments: tuple[tuple[int, int, int], ...]) -> list[int]:
    """x(0) to x(128) in G.711's units; every segment must end where its table says."""
    values = [0]
    for count, step, last in segments:
        for _ in range(count):
            values.append(values[-1] + step)
        assert values[-1] == last
    assert len(values) == 129
    return values


def mulaw_signal(number: int, negative: bool) -> int:
    return 127 - number if negative else 255 - number


def alaw_signal(number: int, negative: bool) -> int:
    inverted_bits = 0b01010101
    return (number if negative else 128 + number) ^ inverted_bits


Signal = Callable[[int, bool], int]


def signals_by_the_tables(values: list[int], unit: int, signal: Signal) -> dict[int, int]:
    """Every sample strictly inside an interval; one on a decision value: up when positive, down when negative."""
    signals = {}
    for number in range(128):
        first, behind = values[number] * unit, values[number + 1] * unit
        if number == 127:
            behind = 40_000  # beyond the virtual decision value everything is the last interval
        for magnitude in range(first, behind):
            signals[magnitude] = signal(number, False)
        for magnitude in range(first + 1, behind + 1):
            signals[-magnitude] = signal(number, True)
    return signals


LAWS = [
    pytest.param(MULAW_SEGMENTS, 4, mulaw_signal, encode_mulaw, decode_mulaw, id="mu-law"),
    pytest.param(ALAW_SEGMENTS, 8, alaw_signal, encode_alaw, decode_alaw, id="A-law"),
]
Encode = Callable[[NDArray[np.int16]], bytes]
Decode = Callable[[bytes], NDArray[np.int16]]


@pytest.mark.parametrize(("segments", "unit", "signal", "encode", "decode"), LAWS)
def test_every_sample_is_sent_as_the_recommendations_tables_say(
    segments: tuple[tuple[int, int, int], ...], unit: int, signal: Signal, encode: Encode, decode: Decode
) -> None:
    expected = signals_by_the_tables(decision_values(segments), unit, signal)
    assert list(encode(EVERY_SAMPLE)) == [expected[int(sample)] for sample in EVERY_SAMPLE]


@pytest.mark.parametrize(("segments", "unit", "signal", "encode", "decode"), LAWS)
def test_every_signal_is_heard_as_the_middle_of_its_interval(
    segments: tuple[tuple[int, int, int], ...], unit: int, signal: Signal, encode: Encode, decode: Decode
) -> None:
    values = decision_values(segments)
    heard = decode(EVERY_SIGNAL)
    for number in range(128):
        middle = (values[number] + values[number + 1]) * unit // 2
        if segments is MULAW_SEGMENTS and number == 0:
            middle = 0
        assert heard[signal(number, False)] == middle
        assert heard[signal(number, True)] == -middle


@pytest.mark.parametrize(("segments", "unit", "signal", "encode", "decode"), LAWS)
def test_what_was_heard_is_sent_again_as_the_same_signal(
    segments: tuple[tuple[int, int, int], ...], unit: int, signal: Signal, encode: Encode, decode: Decode
) -> None:
    again = bytearray(encode(decode(EVERY_SIGNAL)))
    if segments is MULAW_SEGMENTS:
        assert again[127] == 255  # there is one zero in PCM and two in mu-law
        again[127] = 127
    assert bytes(again) == EVERY_SIGNAL


# --- ITU-T G.191: the ITU's reference code, by shifts


def g191_mulaw(sample: int) -> int:
    magnitude = min((~sample if sample < 0 else sample) // 4 + 33, 0x1FFF)
    segment = max(1, magnitude.bit_length() - 5)
    signal = (8 - segment) << 4 | 15 - (magnitude >> segment & 15)
    return signal if sample < 0 else signal | 0x80


def g191_alaw(sample: int) -> int:
    magnitude = (~sample if sample < 0 else sample) // 16
    exponent = max(0, magnitude.bit_length() - 4)
    mantissa = (magnitude >> max(0, exponent - 1)) & 15
    signal = exponent << 4 | mantissa
    return (signal if sample < 0 else signal | 0x80) ^ 0x55


def test_every_sample_is_sent_as_by_the_itus_reference_code() -> None:
    assert list(encode_mulaw(EVERY_SAMPLE)) == [g191_mulaw(int(sample)) for sample in EVERY_SAMPLE]
    assert list(encode_alaw(EVERY_SAMPLE)) == [g191_alaw(int(sample)) for sample in EVERY_SAMPLE]


# --- Python's audioop, which is Sun's g711.c


@pytest.fixture(scope="module")
def audioop() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module: ModuleType = pytest.importorskip("audioop")
    return module


def test_every_signal_is_heard_as_by_audioop(audioop: ModuleType) -> None:
    assert decode_mulaw(EVERY_SIGNAL).tobytes() == audioop.ulaw2lin(EVERY_SIGNAL, 2)
    assert decode_alaw(EVERY_SIGNAL).tobytes() == audioop.alaw2lin(EVERY_SIGNAL, 2)


def test_every_sample_is_sent_in_alaw_as_by_audioop(audioop: ModuleType) -> None:
    assert encode_alaw(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE.tobytes(), 2)


def test_every_sample_is_sent_in_mulaw_as_by_audioop_but_those_at_negative_decision_values(audioop: ModuleType) -> None:
    """audioop cuts a negative sample to 14 bits away from zero: its -1 is heard as -8, against table 2b."""
    theirs = np.frombuffer(audioop.lin2ulaw(EVERY_SAMPLE.tobytes(), 2), dtype=np.uint8)
    ours = np.frombuffer(encode_mulaw(EVERY_SAMPLE), dtype=np.uint8)
    differ = EVERY_SAMPLE[ours != theirs].tolist()
    values = decision_values(MULAW_SEGMENTS)[1:128]
    assert differ == sorted(-4 * value + nearer for value in values for nearer in range(4))
    # Away from zero by one interval, each of them.
    assert set((ours.astype(int) - theirs)[ours != theirs].tolist()) == {1}


def test_a_negative_sample_is_sent_as_audioop_sends_its_ones_complement(audioop: ModuleType) -> None:
    negative = EVERY_SAMPLE[EVERY_SAMPLE < 0]
    theirs = np.frombuffer(audioop.lin2ulaw((~negative).tobytes(), 2), dtype=np.uint8)
    assert encode_mulaw(negative) == (theirs ^ 0x80).tobytes()
