"""WAV and FLAC files of every kind libsndfile writes, and RIFF files built from chunks that can lie."""

import io
import struct
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
import soundfile
from fuzz.bytes_mutations import LARGE_BYTES, damaged, integer, often_damaged, one_in
from numpy.typing import NDArray

from voice_orchestrator.audio_files.wav_reader import RATE_HZ_MAX, RATE_HZ_MIN

RATES_HZ: Final = (4_000, 8_000, 11_025, 16_000, 16_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
ODD_RATES_HZ: Final = (
    0, 1, 3_999, RATE_HZ_MIN, 12_345, 47_999, RATE_HZ_MAX - 1, RATE_HZ_MAX, RATE_HZ_MAX + 1, 2**32 - 1,
)  # fmt: skip
SUBTYPES: Final = (
    "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610",
    "G721_32", "NMS_ADPCM_16",
)  # fmt: skip
CHUNK_NAMES: Final = (
    b"fmt ", b"data", b"fact", b"LIST", b"INFO", b"bext", b"cue ", b"smpl", b"PEAK", b"id3 ", b"JUNK", b"PAD ",
    b"ds64", b"RIFF", b"iXML", b"acid", b"inst", b"cart", b"chna", b"axml", b"disp", b"levl", b"\0\0\0\0",
    b"\xff\xff\xff\xff", b"Data", b"FLLR",
)  # fmt: skip
FORMAT_TAGS: Final = (0, 1, 1, 1, 2, 3, 3, 6, 7, 0x11, 0x31, 0x40, 0x50, 0x55, 0x64, 0xFFFE, 0xFFFE, 0xFFFF)
GUID_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")
FLOATS: Final = (float("nan"), float("inf"), -float("inf"), 3.4e38, -3.4e38, 1e30, 1e-45, -0.0, 1.0, -1.0, 1.5, 1e300)
FORMAT_FIELDS: Final = ((0, 2), (2, 2), (4, 4), (8, 4), (12, 2), (14, 2), (16, 2), (18, 2), (20, 4), (24, 2))
"""Where the numbers of a fmt chunk are, and how wide."""


@dataclass(slots=True)
class Chunk:
    """A chunk; `size` is what its header says, if not the truth."""

    name: bytes
    content: bytes
    size: int | None = None

    def written(self) -> bytes:
        length = len(self.content) if self.size is None else self.size
        return self.name + struct.pack("<I", length % 2**32) + self.content + b"\0" * (len(self.content) % 2)


def valid_files(kind: str) -> list[bytes]:
    """Short files of every width, with one, two and eight channels, at several rates."""
    rng, files = Random("corpus of sounds"), []
    subtypes = SUBTYPES if kind != "FLAC" else ("PCM_16", "PCM_24", "PCM_S8")
    for index, subtype in enumerate(subtypes):
        for channels in (1, 2, 8) if "PCM" in subtype and "ADPCM" not in subtype else (1,):
            samples = sine(rng, 160)
            rate_hz = 8_000 if index >= 6 else RATES_HZ[(index + channels) % len(RATES_HZ)]
            files.append(_file(kind, np.stack([samples] * channels, axis=1), rate_hz, subtype))
    return files


def _file(kind: str, samples: NDArray[np.float64], rate_hz: int, subtype: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, subtype=subtype, format=kind)
    return _undated(out.getvalue())


def _undated(data: bytes) -> bytes:
    """`data` without the second it was written in, which libsndfile puts behind the version in a PEAK chunk."""
    at = data.find(b"PEAK", 0, 100)
    return data if at < 0 else data[: at + 12] + bytes(4) + data[at + 16 :]


def sine(rng: Random, length: int) -> NDArray[np.float64]:
    """A tone, as loud as full scale at most."""
    return np.asarray(rng.random() * np.sin(np.arange(length) * rng.uniform(0.01, 3.0)))


# --- from chunks


def built(rng: Random) -> bytes:
    """A RIFF file of chunks of its own, some of which are wrong."""
    chunks = _plausible(rng)
    if rng.random() < 0.85:
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            _damage(rng, chunks)
    body = b"WAVE" + b"".join(chunk.written() for chunk in chunks)
    size = len(body) if rng.random() < 0.8 else integer(rng, 32)
    data = rng.choice((b"RIFF",) * 12 + (b"RF64", b"RIFX", b"FORM")) + struct.pack("<I", size) + body
    return data[: rng.randrange(len(data))] if one_in(rng, 20) else data


def _plausible(rng: Random) -> list[Chunk]:
    """The chunks of a file that can be played, mostly."""
    tag, bits = rng.choice(((1, 8), (1, 16), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)))
    channels = rng.choice((1, 1, 1, 2, 2, 3, 8))
    rate_hz = rng.choice(RATES_HZ) if rng.random() < 0.9 else rng.choice(ODD_RATES_HZ)
    block = channels * bits // 8
    content = _sound(rng, tag, bits, channels)
    fields = struct.pack("<HIIHH", channels, rate_hz, rate_hz * block % 2**32, block, bits)
    if one_in(rng, 5):
        extension = struct.pack("<HHI", 22, bits, integer(rng, 32)) + struct.pack("<H", tag) + GUID_TAIL
        fmt = Chunk(b"fmt ", struct.pack("<H", 0xFFFE) + fields + extension)
    else:
        fmt = Chunk(b"fmt ", struct.pack("<H", tag) + fields + rng.choice((b"", b"", b"\0\0")))
    chunks = [fmt, Chunk(b"data", content)]
    if one_in(rng, 6):
        sizes = [len(content) if one_in(rng, 2) else integer(rng, 64) for _ in range(3)]
        chunks.insert(0, Chunk(b"ds64", struct.pack("<QQQI", *sizes, 0)))
    if one_in(rng, 4):
        chunks.insert(rng.randrange(3), _other_chunk(rng))
    return chunks


def _sound(rng: Random, tag: int, bits: int, channels: int) -> bytes:
    frames = rng.choice((0, 1, 1, 2, 3, 10, 50, 50, 160, 160, 400))
    if one_in(rng, 2_000):
        frames = LARGE_BYTES // (channels * bits // 8)
    if tag == 1:
        return rng.randbytes(frames * channels * bits // 8)
    with np.errstate(over="ignore"):
        values = np.repeat(sine(rng, frames), channels).astype("<f4" if bits == 32 else "<f8")
        for _ in range(rng.choice((0, 0, 1, 8))):
            if len(values):
                values[rng.randrange(len(values)) :][: rng.choice((1, 8))] = rng.choice(FLOATS)
    return values.tobytes()


def _other_chunk(rng: Random) -> Chunk:
    return Chunk(rng.choice(CHUNK_NAMES), rng.randbytes(rng.choice((0, 1, 4, 16, 24, 60, 300))))


def _damage(rng: Random, chunks: list[Chunk]) -> None:
    if not chunks:
        chunks.append(_other_chunk(rng))
        return
    at = rng.randrange(len(chunks))
    chunk = chunks[at]
    match rng.randrange(9):
        case 0:
            chunk.size = rng.choice((integer(rng, 32), len(chunk.content) + rng.choice((-2, -1, 1, 2, 8))))
        case 1:
            chunks.insert(rng.randrange(len(chunks) + 1), Chunk(chunk.name, chunk.content, chunk.size))
        case 2:
            del chunks[at]
        case 3:
            rng.shuffle(chunks)
        case 4:
            chunk.name = rng.choice(CHUNK_NAMES)
        case 5:
            chunks.insert(at, _other_chunk(rng))
        case 6:
            chunk.content = damaged(rng, chunk.content)
        case 7:
            inner = b"".join(each.written() for each in chunks)
            chunks.insert(at, Chunk(rng.choice((b"LIST", b"RIFF", b"JUNK")), inner))
        case _:
            _damage_format(rng, chunks)


def _damage_format(rng: Random, chunks: list[Chunk]) -> None:
    for chunk in chunks:
        if chunk.name == b"fmt ":
            at, width = rng.choice(FORMAT_FIELDS)
            value = rng.choice(FORMAT_TAGS) if at in (0, 24) else integer(rng, 8 * width)
            chunk.content = chunk.content[:at] + value.to_bytes(width, "little") + chunk.content[at + width :]


def damaged_file(rng: Random, valid: list[bytes]) -> bytes:
    """A file as a program wrote it, with its first bytes damaged more often than its sound."""
    data = rng.choice(valid)
    if rng.random() < 0.7:
        head = rng.choice((12, 44, 60, 100))
        return often_damaged(rng, data[:head], rng.choice(valid)) + data[head:]
    return often_damaged(rng, data, rng.choice(valid))
