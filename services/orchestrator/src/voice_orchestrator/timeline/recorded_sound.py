"""The sound of a call for its page: extremes of both waveforms to draw, and the whole of it, compressed, to hear.

Both are made in one pass over the file, a second at a time, so that a recording of an hour takes no memory to speak of.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from voice_operations.operator_error import OperatorError

CHANNELS: Final = 2
BLOCK_MS: Final = 1_000
BIN_MS: Final = (2, 5, 10, 20, 50, 100)
"""Lengths a bin of the waveform may have; each divides a block."""

BINS_MAX: Final = 360_000
"""Bins of one channel, 0.7 MB: an hour in bins of 10 ms. The finest length that stays below is taken."""

SOUND_BYTES_MAX: Final = 24 << 20
"""Compressed sound a page carries, about 100 minutes; a third more as text. A page of more opens too slowly."""

VORBIS_QUALITY: Final = 0.8
"""soundfile's compression level, 0 best to 1 smallest: 31 to 35 kbit/s for two telephone voices that take turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSound:
    """Sound of a recording.

    peaks: int8, shape (2, bins, 2): of caller and agent, in each bin, least and greatest sample, rounded outward.
    loudest: the greatest magnitude of each side, 0 to 1. ogg: both sides as Ogg Vorbis, None when left out or empty.
    """

    duration_ms: int
    bin_ms: int
    peaks: NDArray[np.int8]
    loudest: tuple[float, float]
    ogg: bytes | None


def read_sound(path: Path, *, to_hear: bool) -> RecordedSound:
    """Reads a recording, caller left and agent right; raises OperatorError when it is none or cut short.

    `to_hear`: compress it too, unless that comes to more than SOUND_BYTES_MAX.
    """
    _refuse_cut_wav(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.channels != CHANNELS or file.samplerate * BIN_MS[0] % 1_000:
                raise OperatorError(
                    f"{path}: {file.channels} channels at {file.samplerate} Hz are no recording of a call; "
                    "caller left, agent right, 8,000 or 16,000 Hz"
                )
            return _read(path, file, to_hear=to_hear)
    except soundfile.LibsndfileError as error:
        raise OperatorError(
            f"{path}: cannot be read ({error.error_string.strip()}); move it away to make the page without sound"
        ) from error


def _read(path: Path, file: Any, *, to_hear: bool) -> RecordedSound:  # noqa: ANN401 - the library ships no types
    rate_hz, promised = int(file.samplerate), int(file.frames)
    duration_ms = promised * 1_000 // rate_hz
    bin_ms = next((each for each in BIN_MS if duration_ms <= each * BINS_MAX), BIN_MS[-1])
    voice = _Compressor(rate_hz) if to_hear else None
    peaks, frames = [np.zeros((0, CHANNELS, 2), dtype=np.int16)], 0
    for block in _blocks(file, rate_hz * BLOCK_MS // 1_000):
        frames += len(block)
        peaks.append(_extremes(block, rate_hz * bin_ms // 1_000))
        if voice is not None:
            voice.write(block)
    if frames < promised:
        raise OperatorError(f"{path}: is cut short; move it away to make the page without sound")
    extremes = np.concatenate(peaks)
    magnitude = np.abs(extremes.astype(np.int32)).max(axis=(0, 2), initial=0)
    return RecordedSound(
        duration_ms=duration_ms,
        bin_ms=bin_ms,
        peaks=_as_bytes(extremes),
        loudest=(float(magnitude[0]) / 32_768, float(magnitude[1]) / 32_768),
        ogg=voice.close() if voice is not None and frames else None,
    )


def _blocks(file: Any, frames: int) -> Iterator[NDArray[np.int16]]:  # noqa: ANN401
    while len(block := file.read(frames, dtype="int16", always_2d=True)):
        yield block


def _extremes(block: NDArray[np.int16], bin_frames: int) -> NDArray[np.int16]:
    """Shape (bins, channels, 2) of a block, shape (frames, channels); what is left over is a bin of its own."""
    missing = -len(block) % bin_frames
    if missing:
        # The last sample again changes neither extreme.
        block = np.concatenate([block, np.repeat(block[-1:], missing, axis=0)])
    bins = block.reshape(-1, bin_frames, CHANNELS)
    return np.stack([bins.min(axis=1), bins.max(axis=1)], axis=2)


def _as_bytes(extremes: NDArray[np.int16]) -> NDArray[np.int8]:
    """16 to 8 bits, outward, so that nothing that sounds is drawn as silence; shape (channels, bins, 2)."""
    least, greatest = extremes[:, :, 0] >> 8, (extremes[:, :, 1].astype(np.int32) + 255) >> 8
    return np.stack([least, np.minimum(greatest, 127)], axis=2).astype(np.int8).transpose(1, 0, 2)


class _Compressor:
    """Compresses block by block; gives up when it has become too much."""

    def __init__(self, rate_hz: int) -> None:
        self._bytes = io.BytesIO()
        self._file: Any = soundfile.SoundFile(
            self._bytes,
            "w",
            samplerate=rate_hz,
            channels=CHANNELS,
            format="OGG",
            subtype="VORBIS",
            compression_level=VORBIS_QUALITY,
        )

    def write(self, block: NDArray[np.int16]) -> None:
        """Takes the next block. Blocks are short: the encoder puts a whole one on its stack."""
        if self._file is None:
            return
        self._file.write(block)
        if self._bytes.tell() > SOUND_BYTES_MAX:
            self.close()
            self._bytes = io.BytesIO()

    def close(self) -> bytes | None:
        """Everything, None when it was too much."""
        if self._file is None:
            return None
        file, self._file = self._file, None
        file.close()
        return self._bytes.getvalue()


def _refuse_cut_wav(path: Path) -> None:
    """The library plays the part of a cut file that is there and says nothing."""
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
        size_bytes = path.stat().st_size
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from error
    if head[:4] == b"RIFF" and len(head) == 8 and struct.unpack("<I", head[4:])[0] + 8 > size_bytes:
        raise OperatorError(f"{path}: is cut short; move it away to make the page without sound")
