"""How much of Whisper's 30 s window an utterance needs, and how to see that a cut window went wrong. Pure.

Whisper's encoder pays for its whole window whatever the utterance. A window cut to the utterance costs a fraction, and
now and then makes the decoder repeat itself. So a cut result is checked and, when it looks like a loop, made again with
the full window.

Most of a cut window is still the silence behind the utterance. Of what comes later than a second behind it one frame of
four is computed (thinned_silence.py).
"""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.engines.base import FloatSamples
from voice_inference.engines.thinned_silence import WindowFrames, thinned

FULL_WINDOW_S: Final = 30
WINDOWS_S: Final = (10, 12, 15, 20, 25, FULL_WINDOW_S)
"""Few sizes, so that an engine which plans per shape plans once. Below 10 s, loops become frequent."""

FRAMES_PER_S: Final = 50
"""Of what the encoder makes; its features are twice as many."""

SAMPLES_PER_FRAME: Final = SAMPLE_RATE_HZ // FRAMES_PER_S
CLOSE_S: Final = 1
STEP: Final = 4
"""Of the silence later than CLOSE_S behind an utterance one frame in STEP is computed. With 8, words are misheard."""

SLACK_S: Final = 2
PIECE_S_MAX: Final = 28
SPLIT_SEARCH_S: Final = 6
QUIET_FRAME_S: Final = 0.2


def window_s(samples: int, sizes_s: Sequence[int] = WINDOWS_S) -> int:
    """Seconds of window for an utterance of `samples` samples of at most PIECE_S_MAX seconds: one of `sizes_s`, which
    rise, or the full window.
    """
    needed = -(-samples // SAMPLE_RATE_HZ) + SLACK_S
    return next((size for size in sizes_s if size >= needed), FULL_WINDOW_S)


def window_frames(samples: int, length_s: int) -> WindowFrames:
    """The frames of a window of `length_s` seconds that are computed for an utterance of `samples` samples at its
    beginning: of a cut window; Whisper's own is what a cut one is held against.
    """
    if length_s >= FULL_WINDOW_S:
        return every_frame(length_s)
    frames = length_s * FRAMES_PER_S
    return thinned(frames, range(min(frames, -(-samples // SAMPLES_PER_FRAME) + CLOSE_S * FRAMES_PER_S), frames, STEP))


def every_frame(length_s: int) -> WindowFrames:
    """A window of `length_s` seconds, nothing left out."""
    frames = length_s * FRAMES_PER_S
    return thinned(frames, range(frames, frames))


def tokens_max(samples: int) -> int:
    """More tokens than anybody speaks in `samples` samples: the fastest speech seen was 4.5 tokens a second."""
    return 8 + -(-6 * samples // SAMPLE_RATE_HZ)


def looks_like_loop(text: str, tokens: int, samples: int) -> bool:
    """Whether the output has too many tokens for the sound, or is one phrase of two or more words repeated."""
    if tokens > tokens_max(samples):
        return True
    words = re.findall(r"[\w']+", text.lower())
    for length in range(2, len(words) // 2 + 1):
        if len(words) % length == 0 and words == words[:length] * (len(words) // length):
            return True
    return False


def split_points(samples: FloatSamples) -> list[int]:
    """Where to cut sound that is longer than a window: at the quietest 200 ms near the end of each piece."""
    points: list[int] = []
    begin = 0
    frame = int(QUIET_FRAME_S * SAMPLE_RATE_HZ)
    while len(samples) - begin > PIECE_S_MAX * SAMPLE_RATE_HZ:
        latest = begin + PIECE_S_MAX * SAMPLE_RATE_HZ
        earliest = latest - SPLIT_SEARCH_S * SAMPLE_RATE_HZ
        frames = np.square(samples[earliest:latest]).reshape(-1, frame).mean(axis=1)
        begin = earliest + int(np.argmin(frames)) * frame + frame // 2
        points.append(begin)
    return points
