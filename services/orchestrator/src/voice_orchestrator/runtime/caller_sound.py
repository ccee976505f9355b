"""The caller's sound that a next inference node would need, should the present one be lost. Pure."""

from collections import deque
from typing import Final

from voice_contract.audio import SAMPLE_BYTES, samples_from_ms
from voice_contract.messages import Audio

KEPT_MS_MAX: Final = 60_000
"""The longest turn a profile allows: 1.9 MB, and most turns are a tenth of it."""

LEAD_IN_MS: Final = 500
"""Sound before the present moment that is kept though no turn is open: an onset is noticed late."""


class CallerSound:
    """Keeps what came from a position on. Frames are not copied."""

    def __init__(self) -> None:
        self._frames: deque[Audio] = deque()
        self._from: int | None = None
        self._held = False

    @property
    def end_samples(self) -> int:
        """One past the newest sample that was added."""
        return _end(self._frames[-1]) if self._frames else 0

    def append(self, audio: Audio) -> None:
        """Adds a frame that follows the one before."""
        self._frames.append(audio)
        self._trim()

    def keep_from(self, offset_samples: int | None) -> None:
        """Sound before `offset_samples` is not needed; None: only what an onset noticed soon may reach back to."""
        self._from = offset_samples
        self._trim()

    def hold(self, held: bool) -> None:
        """While there is no node nothing is let go but what is too old for any turn."""
        self._held = held
        self._trim()

    def frames(self, after_samples: int) -> list[Audio]:
        """The kept frames that end after a position, oldest first."""
        return [frame for frame in self._frames if _end(frame) > after_samples]

    def _trim(self) -> None:
        oldest = self.end_samples - samples_from_ms(KEPT_MS_MAX)
        if not self._held:
            usual = self.end_samples - samples_from_ms(LEAD_IN_MS)
            oldest = max(oldest, usual if self._from is None else min(self._from, usual))
        while self._frames and _end(self._frames[0]) <= oldest:
            self._frames.popleft()


def _end(audio: Audio) -> int:
    return audio.offset_samples + len(audio.pcm) // SAMPLE_BYTES
