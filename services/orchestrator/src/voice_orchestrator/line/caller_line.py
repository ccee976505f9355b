"""The caller's sound on its way in: frames of the edge's format become inner PCM."""

from typing import Final

from voice_contract.messages import AudioFormat
from voice_orchestrator.line.edge_format import EdgeFormat
from voice_orchestrator.line.resampler import DOUBLING, Resampler

FRAME_MS_MAX: Final = 200


class CallerLine:
    """One call's way in. Positions are kept: edge sample k at 8 kHz is inner sample 2k.

    From 8 kHz `HOLD_BACK_SAMPLES` inner samples (3.4 ms) come with the next frame; 16 kHz holds nothing back, and
    s16le at 16 kHz passes as it is. Raises ValueError when sound of the format is not converted.
    """

    def __init__(self, format_: AudioFormat) -> None:
        self._edge = EdgeFormat.of(format_)
        self._resampler = Resampler(DOUBLING) if self._edge.inner_per_edge == 2 else None
        self._frame_samples_max = self._edge.sample_rate_hz * FRAME_MS_MAX // 1_000

    def feed(self, sound: bytes) -> bytes:
        """Inner PCM that follows what was given before, of a frame of any length to 200 ms.

        Empty only when the frame is shorter than what is held back. Raises ValueError, and takes nothing, when `sound`
        is empty, longer than 200 ms, or ends in the middle of a sample.
        """
        self._check(sound)
        if self._edge.is_inner:
            return sound
        samples = self._edge.decode(sound)
        if self._resampler is not None:
            samples = self._resampler.feed(samples)
        return samples.tobytes()

    def finish(self) -> bytes:
        """What was held back, at the end of the sound; a frame after that begins anew, behind silence."""
        return b"" if self._resampler is None else self._resampler.finish().tobytes()

    def inner_samples(self, edge_samples: int) -> int:
        """Inner position of an edge position."""
        return self._edge.inner_samples(edge_samples)

    def _check(self, sound: bytes) -> None:
        samples = self._edge.samples_of(sound)
        if not samples:
            raise ValueError("a frame of the caller holds no sound")
        if samples > self._frame_samples_max:
            raise ValueError(
                f"a frame of the caller holds {samples} samples at {self._edge.sample_rate_hz} Hz, "
                f"longer than {FRAME_MS_MAX} ms"
            )
