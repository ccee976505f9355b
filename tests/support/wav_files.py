"""Sound files for tests, and what is heard in sound."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from voice_contract.audio import SAMPLE_RATE_HZ


def tone(frequency_hz: float, *, rate_hz: int = SAMPLE_RATE_HZ, seconds: float = 0.5, level: float = 0.5) -> Any:
    """A sine, float64."""
    at_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return level * np.sin(2 * np.pi * frequency_hz * at_s)


def write_wav(path: Path, samples: Any, rate_hz: int = SAMPLE_RATE_HZ, subtype: str = "PCM_16") -> Path:
    soundfile.write(str(path), samples, rate_hz, subtype=subtype, format="WAV")
    return path


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """A RIFF chunk; `size` is what its header says, if not the truth."""
    return name + struct.pack("<I", len(content) if size is None else size) + content + b"\0" * (len(content) % 2)


def riff(*chunks: bytes) -> bytes:
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks))


def pcm16_format(channels: int = 1, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    return chunk(b"fmt ", struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * channels * 2, channels * 2, 16))


def loudest_hz(samples: NDArray[np.int16]) -> float:
    """The strongest frequency in sound of the runtime's rate."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * SAMPLE_RATE_HZ / len(samples)


def level_of(samples: NDArray[np.int16]) -> float:
    """The amplitude of the sine that is as loud as the middle of `samples`; 1 is full scale."""
    quarter = len(samples) // 4
    middle = samples[quarter : 3 * quarter].astype(np.float64) / 32_768
    return float(np.sqrt(2 * np.mean(middle**2)))
