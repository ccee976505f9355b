"""A stereo WAV file that grows while the call goes on and can be played at any time: caller left, agent right.

Sound is put at its position of the call's timeline whenever it comes; gaps are silent, what comes again replaces what
was there. The header is made true after every write, so a process that is killed leaves a file that plays.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voice_contract.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from voice_orchestrator.audio_files.stereo_recording import AGENT as AGENT
from voice_orchestrator.audio_files.stereo_recording import CALLER as CALLER

CHANNELS: Final = 2
FRAME_BYTES: Final = CHANNELS * SAMPLE_BYTES
"""One sample of both sides."""

HEADER_BYTES: Final = 44
SPAN_SAMPLES_MAX: Final = 4 * SAMPLE_RATE_HZ
"""Sound of one write that lies together is written together, up to this length; what bounds the writer's memory."""


class Chunk(NamedTuple):
    """Sound of one side, `pcm` 16-bit little-endian at `position_samples` of the timeline."""

    position_samples: int
    channel: int
    pcm: bytes

    @property
    def end_samples(self) -> int:
        """One past its last sample."""
        return self.position_samples + len(self.pcm) // SAMPLE_BYTES


class StereoWavFile:
    """Not safe to use from two threads at a time; blocks."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        """Creates `path`, readable by its owner only, without sound; raises OSError. It never exceeds `bytes_max`."""
        self._samples_max = (bytes_max - HEADER_BYTES) // FRAME_BYTES
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.end_samples = 0
        """Length of the sound."""
        try:
            self._write_header()
        except OSError:
            os.close(self._fd)
            raise

    def write(self, chunks: Sequence[Chunk]) -> bool:
        """Puts sound where it belongs, in this order; False when some of it lies beyond the cap and is not kept.

        Raises OSError; what was written before, and as much of this as was written whole, can still be played.
        """
        joined = _joined(chunks)
        inside = [self._clipped(chunk) for chunk in joined]
        try:
            for span in _spans([chunk for chunk in inside if chunk.pcm]):
                self._write_span(span)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, HEADER_BYTES + self.end_samples * FRAME_BYTES)
            with suppress(OSError):
                self._write_header()
            raise
        self._write_header()
        return all(chunk.end_samples <= self._samples_max for chunk in joined)

    def close(self) -> None:
        """Closes the file; raises OSError where the file system tells only now what it could not keep."""
        os.close(self._fd)

    def _clipped(self, chunk: Chunk) -> Chunk:
        begin, end = max(0, chunk.position_samples), min(chunk.end_samples, self._samples_max)
        if (begin, end) == (chunk.position_samples, chunk.end_samples):
            return chunk
        first = (begin - chunk.position_samples) * SAMPLE_BYTES
        return Chunk(begin, chunk.channel, chunk.pcm[first : first + max(0, end - begin) * SAMPLE_BYTES])

    def _write_span(self, span: Sequence[Chunk]) -> None:
        begin, end = min(chunk.position_samples for chunk in span), max(chunk.end_samples for chunk in span)
        frames = self._read(begin, end)
        for chunk in span:
            samples = np.frombuffer(chunk.pcm, dtype="<i2")
            frames[chunk.position_samples - begin : chunk.end_samples - begin, chunk.channel] = samples
        view, done = memoryview(frames.tobytes()), 0
        while done < len(view):
            done += os.pwrite(self._fd, view[done:], HEADER_BYTES + begin * FRAME_BYTES + done)
            self.end_samples = max(self.end_samples, begin + done // FRAME_BYTES)

    def _read(self, begin: int, end: int) -> NDArray[np.int16]:
        """What the file holds from `begin` to `end`, shape (n, 2); silence where it holds nothing."""
        frames: NDArray[np.int16] = np.zeros((end - begin, CHANNELS), dtype="<i2")
        held = min(end, self.end_samples) - begin
        if held > 0:
            found = os.pread(self._fd, held * FRAME_BYTES, HEADER_BYTES + begin * FRAME_BYTES)
            known = np.frombuffer(found[: len(found) // FRAME_BYTES * FRAME_BYTES], dtype="<i2").reshape(-1, CHANNELS)
            frames[: len(known)] = known
        return frames

    def _write_header(self) -> None:
        os.pwrite(self._fd, wav_header(self.end_samples), 0)


def wav_header(samples: int) -> bytes:
    """Header of a file with so many samples on each side."""
    data_bytes = samples * FRAME_BYTES
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        HEADER_BYTES - 8 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,  # PCM
        CHANNELS,
        SAMPLE_RATE_HZ,
        SAMPLE_RATE_HZ * FRAME_BYTES,
        FRAME_BYTES,
        SAMPLE_BYTES * 8,
        b"data",
        data_bytes,
    )


def repair_wav(path: Path) -> None:
    """Makes the header of a recording whose writer was killed tell all of its sound; raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        samples = max(0, os.fstat(fd).st_size - HEADER_BYTES) // FRAME_BYTES
        os.ftruncate(fd, HEADER_BYTES + samples * FRAME_BYTES)
        os.pwrite(fd, wav_header(samples), 0)
    finally:
        os.close(fd)


def _joined(chunks: Sequence[Chunk]) -> list[Chunk]:
    """`chunks` with those in one piece that follow each other on their side; halves of samples are dropped.

    The sides do not touch each other, so only the order on each of them has to stay.
    """
    joined: list[tuple[int, int, list[bytes]]] = []
    newest: dict[int, tuple[int, list[bytes]]] = {}
    for position, channel, given in chunks:
        pcm = given if len(given) % SAMPLE_BYTES == 0 else given[:-1]
        end, parts = newest.get(channel, (-1, []))
        if end == position and parts:
            parts.append(pcm)
        else:
            parts = [pcm]
            joined.append((position, channel, parts))
        newest[channel] = (position + len(pcm) // SAMPLE_BYTES, parts)
    return [Chunk(position, channel, b"".join(parts)) for position, channel, parts in joined]


def _spans(chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    """`chunks` in their order, those together that lie within SPAN_SAMPLES_MAX."""
    span: list[Chunk] = []
    begin = end = 0
    for chunk in chunks:
        lower, upper = min(begin, chunk.position_samples), max(end, chunk.end_samples)
        if span and upper - lower > SPAN_SAMPLES_MAX:
            yield span
            span = []
        if not span:
            lower, upper = chunk.position_samples, chunk.end_samples
        span.append(chunk)
        begin, end = lower, upper
    if span:
        yield span
