"""What Whisper's encoder gives its decoder of an utterance."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from voice_inference.engines.stt.network_layers import Floats
from voice_inference.engines.stt.whisper_window import FRAMES_PER_S

LONG_FRAMES: Final = 15 * FRAMES_PER_S
"""From so many frames on, what a window needs in memory is not kept for the next one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeardSound:
    """`frames`, (1, frames, size), and the `emphasis` on each, (frames,), as WindowFrames has it."""

    frames: Floats
    emphasis: Floats


def emphasis_for(queries: int, emphasis: Floats) -> Floats:
    """The same for each of so many queries, as the networks are given it, (1, 1, queries, frames)."""
    return np.ascontiguousarray(np.broadcast_to(emphasis, (1, 1, queries, len(emphasis))))
