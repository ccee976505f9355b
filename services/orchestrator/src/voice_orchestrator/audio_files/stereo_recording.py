"""The recording of a call: caller left, agent right, on the true timeline, 16-bit, 16,000 Hz."""

import errno
import os
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from voice_contract.audio import SAMPLE_RATE_HZ

BLOCK_SAMPLES: Final = SAMPLE_RATE_HZ * 10
SAMPLES_MAX: Final = SAMPLE_RATE_HZ * 3_600 * 4
CALLER: Final = 0
AGENT: Final = 1


class StereoRecording:
    """Collects sound at absolute sample positions of one timeline; gaps are silent.

    Kept in memory in blocks of 10 s (64 kB a second of both channels), written once at the end: a recording never makes
    a call wait for a disk. What lies beyond four hours is not kept.
    """

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.int16]] = []
        self._end_samples = 0

    @property
    def end_samples(self) -> int:
        """One past the last sample written on either side."""
        return self._end_samples

    def write_caller(self, position_samples: int, samples: NDArray[np.int16]) -> None:
        """Puts caller sound at `position_samples`; what was there is replaced."""
        self._write(CALLER, position_samples, samples)

    def write_agent(self, position_samples: int, samples: NDArray[np.int16]) -> None:
        """Puts agent sound at `position_samples`; what was there is replaced."""
        self._write(AGENT, position_samples, samples)

    def _write(self, channel: int, position_samples: int, samples: NDArray[np.int16]) -> None:
        if position_samples < 0:
            raise ValueError("a recording has no sound before its beginning")
        samples = samples[: max(0, SAMPLES_MAX - position_samples)]
        at = position_samples
        while len(samples):
            index, inside = divmod(at, BLOCK_SAMPLES)
            while len(self._blocks) <= index:
                self._blocks.append(np.zeros((BLOCK_SAMPLES, 2), dtype=np.int16))
            part = samples[: BLOCK_SAMPLES - inside]
            self._blocks[index][inside : inside + len(part), channel] = part
            samples = samples[len(part) :]
            at += len(part)
        self._end_samples = max(self._end_samples, at)

    def samples(self) -> NDArray[np.int16]:
        """Everything, shape (n, 2)."""
        if not self._blocks:
            return np.zeros((0, 2), dtype=np.int16)
        return np.concatenate(self._blocks)[: self._end_samples]

    def save(self, path: Path) -> None:
        """Writes the file, readable by its owner only, whole or not at all; raises OSError.

        Blocks, so it is called off the event loop.
        """
        staged = path.with_name(f".{path.name}.part")
        try:
            descriptor = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w+b") as stream:
                soundfile.write(stream, self.samples(), SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
            staged.replace(path)
        except soundfile.LibsndfileError as error:
            raise OSError(errno.EIO, f"cannot be written ({error.error_string.strip()})", str(path)) from error
        finally:
            staged.unlink(missing_ok=True)
