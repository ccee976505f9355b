"""Reads a caller's sound file, whatever its rate, width and channels, into the runtime's format."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from voice_contract.audio import SAMPLE_RATE_HZ, ms_from_samples
from voice_operations.operator_error import OperatorError

RATE_HZ_MIN: Final = 4_000
RATE_HZ_MAX: Final = 192_000
CHANNELS_MAX: Final = 8
DURATION_S_MAX: Final = 3_600
SUBTYPES: Final = frozenset({"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"})
STREAMED_SIZES: Final = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF})
"""Data sizes written by programs that did not know the length when they wrote the header."""
PIECE_FRAMES: Final = 1 << 16
LEVEL_MAX: Final = 1e6
"""Full scale is 1; what is louder than this would overflow when it is averaged and resampled, and is clipped anyway."""


class WavError(OperatorError):
    """A file is not a WAV that can be played; the line names the file and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSound:
    """A caller's sound: int16, one channel, 16,000 Hz, and what it was made from."""

    path: Path
    samples: NDArray[np.int16]
    source_rate_hz: int
    source_channels: int
    source_subtype: str

    @property
    def duration_ms(self) -> int:
        """Length, ms."""
        return ms_from_samples(len(self.samples))


def read_wav(path: Path) -> CallerSound:
    """Reads `path`, averages its channels and resamples it; raises WavError."""
    _check_container(path)
    return _read(path, "WAV")


def read_sound(path: Path) -> CallerSound:
    """Reads a WAV or FLAC file as `read_wav` does; raises WavError."""
    try:
        with path.open("rb") as stream:
            is_flac = stream.read(4) == b"fLaC"
    except OSError:
        is_flac = False
    return _read(path, "FLAC") if is_flac else read_wav(path)


def _read(path: Path, kind: str) -> CallerSound:
    try:
        with soundfile.SoundFile(str(path)) as file:
            _check_format(path, file)
            rate_hz, channels, subtype = int(file.samplerate), int(file.channels), str(file.subtype)
            promised = int(file.frames)
            mono = _averaged(path, file)
    except soundfile.LibsndfileError as error:
        raise WavError(f"{path}: cannot be read as a {kind} file ({error.error_string.strip()})") from error
    if not len(mono):
        raise WavError(f"{path}: holds no sound")
    if kind == "FLAC" and len(mono) < promised:
        raise WavError(f"{path}: is cut short, it promises {promised} samples, {len(mono)} are there")
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="VHQ")
    samples = np.clip(np.round(mono * 32_768.0), -32_768, 32_767).astype(np.int16)
    if not len(samples):
        raise WavError(f"{path}: holds no sound")
    return CallerSound(
        path=path, samples=samples, source_rate_hz=rate_hz, source_channels=channels, source_subtype=subtype
    )


def _averaged(path: Path, file: Any) -> NDArray[np.float32]:  # noqa: ANN401 - the library ships no types
    """The average of the channels; read in pieces, so that no memory is taken for sound that is only promised."""
    pieces: list[NDArray[np.float32]] = []
    while not pieces or len(pieces[-1]) == PIECE_FRAMES:
        piece = file.read(PIECE_FRAMES, dtype="float32", always_2d=True)
        if not np.isfinite(piece).all():
            raise WavError(f"{path}: holds samples that are not numbers; write it again as 16-bit PCM")
        pieces.append(np.clip(piece, -LEVEL_MAX, LEVEL_MAX).mean(axis=1))
    return np.concatenate(pieces)


def _check_format(path: Path, file: Any) -> None:  # noqa: ANN401 - the library ships no types
    if file.subtype not in SUBTYPES:
        raise WavError(
            f"{path}: {file.subtype} is not PCM; convert it with `ffmpeg -i {path.name} -c:a pcm_s16le converted.wav`"
        )
    if not RATE_HZ_MIN <= file.samplerate <= RATE_HZ_MAX:
        raise WavError(f"{path}: a rate of {file.samplerate} Hz is not between {RATE_HZ_MIN} and {RATE_HZ_MAX} Hz")
    if file.channels > CHANNELS_MAX:
        raise WavError(f"{path}: {file.channels} channels are more than {CHANNELS_MAX}")
    if file.frames > DURATION_S_MAX * file.samplerate:
        raise WavError(f"{path}: longer than {DURATION_S_MAX // 60} minutes; cut it into pieces")


def _check_container(path: Path) -> None:
    """Refuses what is not a whole RIFF/WAVE file; libsndfile would silently play the part that is there."""
    try:
        if path.is_dir():
            raise WavError(f"{path}: is a folder, name a .wav file")
        size_bytes = path.stat().st_size
        if size_bytes == 0:
            raise WavError(f"{path}: is empty")
        with path.open("rb") as stream:
            head = stream.read(12)
            if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
                raise WavError(
                    f"{path}: is not a WAV file; convert it with `ffmpeg -i {path.name} -c:a pcm_s16le converted.wav`"
                )
            _check_data_chunk(path, stream, size_bytes)
    except FileNotFoundError as error:
        raise WavError(f"{path}: there is no such file") from error
    except OSError as error:
        raise WavError(f"{path}: {error.strerror}") from error


def _check_data_chunk(path: Path, stream: Any, size_bytes: int) -> None:  # noqa: ANN401
    at = 12
    while at + 8 <= size_bytes:
        stream.seek(at)
        name, length = struct.unpack("<4sI", stream.read(8))
        if name == b"data":
            have = size_bytes - at - 8
            if length not in STREAMED_SIZES and length > have:
                raise WavError(f"{path}: is cut short, its header promises {length} bytes of sound, {have} are there")
            return
        at += 8 + length + length % 2
    raise WavError(f"{path}: is cut short, it ends before its sound begins")
