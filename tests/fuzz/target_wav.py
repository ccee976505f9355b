"""Files that are given as a caller's sound: WAV for `wav`, FLAC for `flac`."""

import re
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
from fuzz.bytes_mutations import LARGE_BYTES, one_in
from fuzz.riff import built, damaged_file, valid_files
from fuzz.target import Target, one_line_each

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_orchestrator.audio_files.wav_reader import (
    CHANNELS_MAX,
    RATE_HZ_MAX,
    RATE_HZ_MIN,
    SUBTYPES,
    CallerSound,
    WavError,
    read_sound,
    read_wav,
)

EDGE_SAMPLES: Final = 64
"""Resampling may give so many samples more than the lengths say."""


def open_target(name: str, folder: Path) -> Target:
    """The target `wav` or `flac`."""
    return SoundTarget(folder / f"sound.{name}", valid_files(name.upper()), is_flac=name == "flac")


class SoundTarget:
    """`read_wav` of a file, or `read_sound` of a FLAC; sound that is taken was in the file."""

    def __init__(self, path: Path, valid: list[bytes], *, is_flac: bool) -> None:
        self._path, self._valid, self._is_flac = path, valid, is_flac

    def make(self, rng: Random) -> bytes:
        if one_in(rng, 100):
            return rng.choice((b"", rng.randbytes(rng.randrange(200)), b"RIFF\xff\xff\xff\xffWAVE" + rng.randbytes(40)))
        if one_in(rng, 3_000):
            return rng.choice(self._valid)[:60] + bytes(LARGE_BYTES)
        if self._is_flac and one_in(rng, 6):  # damage hardly ever gets past a FLAC's checksums
            return rng.choice(self._valid) + rng.randbytes(rng.choice((0, 0, 1, 100)))
        if self._is_flac or rng.random() < 0.3:
            return damaged_file(rng, self._valid)
        return built(rng)

    def check(self, data: bytes) -> str:
        self._path.write_bytes(data)
        try:
            sound = read_sound(self._path) if self._is_flac else read_wav(self._path)
        except WavError as error:
            return self._refused(error)
        self._look_at(sound, len(data))
        return f"took {sound.source_subtype} of {sound.source_channels} channels"

    def _refused(self, error: WavError) -> str:
        one_line_each(error.problems, f"{self._path}: ")
        told = str(error).removeprefix(f"{self._path}: ")
        return "refused " + re.sub(r"-?\d+", "0", told)

    def _look_at(self, sound: CallerSound, size_bytes: int) -> None:
        assert sound.samples.dtype == np.int16, f"samples are {sound.samples.dtype}"
        assert sound.samples.ndim == 1, f"samples have {sound.samples.ndim} dimensions"
        assert len(sound.samples) > 0, "no samples"
        assert sound.source_subtype in SUBTYPES or self._is_flac, f"took {sound.source_subtype}"
        assert RATE_HZ_MIN <= sound.source_rate_hz <= RATE_HZ_MAX, f"took a rate of {sound.source_rate_hz} Hz"
        assert 1 <= sound.source_channels <= CHANNELS_MAX, f"took {sound.source_channels} channels"
        # Every frame of a WAV is a byte a channel at least; silence in a FLAC is almost nothing.
        frames_max = size_bytes // sound.source_channels if not self._is_flac else size_bytes * 65_536
        samples_max = frames_max * SAMPLE_RATE_HZ / sound.source_rate_hz + EDGE_SAMPLES
        assert len(sound.samples) <= samples_max, f"{len(sound.samples)} samples out of {size_bytes} bytes"
