"""What the network made of one sentence, turned piece by piece into what leaves: louder, resampled, begun at once."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.engines.base import FloatSamples, IntSamples

PIECE_SAMPLES: Final = SAMPLE_RATE_HZ // 5
"""Sound leaves in pieces of at most 200 ms."""

LEVEL: Final = 0.11
"""Root mean square of speech, pauses left out, as a share of full scale: -19 dB."""
LEVEL_FRAME_MS: Final = 20
PAUSE_SHARE: Final = 0.1
"""A frame is a pause when it has less than this share of the loudest frame's level."""

KNEE: Final = 0.8
CEILING: Final = 0.95
"""Up to the knee sound stays as it is; above it is pressed together, so that nothing ever passes the ceiling."""

QUIET: Final = 0.007
LEAD_SAMPLES: Final = SAMPLE_RATE_HZ // 100
"""Silence kept before a sentence; what the voice adds beyond it would only be waited for."""


def gain_for(sound: FloatSamples, rate_hz: int) -> float:
    """What brings a voice that spoke `sound` to the level; 1 when it was silent.

    One gain for all a voice says: a sentence's own peak is known only when all of it has been made.
    """
    frame = rate_hz * LEVEL_FRAME_MS // 1000
    frames = sound[: len(sound) // frame * frame].reshape(-1, frame).astype(np.float64)
    power = np.square(frames).mean(axis=1)
    if not len(power) or power.max() <= 0:
        return 1.0
    spoken = power[power > PAUSE_SHARE**2 * power.max()]
    return float(LEVEL / np.sqrt(spoken.mean()))


class SentenceSound:
    """Takes a sentence's sound in windows, at the voice's rate, and gives pieces of 16,000 Hz."""

    def __init__(self, *, rate_hz: int, gain: float) -> None:
        self._gain = gain
        self._resampler = (
            soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
            if rate_hz != SAMPLE_RATE_HZ
            else None
        )
        self._held: FloatSamples | None = np.zeros(0, dtype=np.float32)
        self.lead_samples = 0
        """Samples at the beginning that were left out."""
        self.sent_samples = 0
        """Samples that were given."""

    def add(self, samples: FloatSamples, *, last: bool) -> Iterator[IntSamples]:
        """The pieces that `samples` completes; all that is left when they are the `last`. To be read to its end."""
        louder = samples * np.float32(self._gain)
        if self._resampler is not None:
            louder = self._resampler.resample_chunk(louder, last=last)
        sound = self._begun(louder, last=last)
        self.sent_samples += len(sound)
        for at in range(0, len(sound), PIECE_SAMPLES):
            yield np.rint(_limited(sound[at : at + PIECE_SAMPLES]) * 32767).astype(np.int16)

    def _begun(self, sound: FloatSamples, *, last: bool) -> FloatSamples:
        """`sound` less the silence before the sentence; nothing as long as it has not begun."""
        if self._held is None:
            return sound
        sound = np.concatenate([self._held, sound])
        loud = np.flatnonzero(np.abs(sound) > QUIET)
        ended = len(sound) if last else max(0, len(sound) - LEAD_SAMPLES)
        lead = max(0, int(loud[0]) - LEAD_SAMPLES) if len(loud) else ended
        self.lead_samples += lead
        self._held = None if len(loud) or last else sound[lead:]
        return sound[lead:] if self._held is None else sound[:0]


def _limited(sound: FloatSamples) -> NDArray[np.float32]:
    over = np.abs(sound) - KNEE
    if over.max(initial=0) <= 0:
        return sound
    room = CEILING - KNEE
    pressed = np.sign(sound) * (KNEE + room * np.tanh(np.maximum(over, 0) / room))
    return np.where(over > 0, pressed, sound).astype(np.float32)
