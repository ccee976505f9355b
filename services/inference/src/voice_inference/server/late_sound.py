"""Which of a caller's sound has become too old on its way, by the clocks of two machines. Pure."""

from dataclasses import dataclass
from typing import Final

SOUND_AGE_MS_MAX: Final = 500
"""Caller sound that is older when the node gets to it is dropped: nobody wants to be heard late."""

WINDOW_US: Final = 5_000_000
"""What counts as no delay is looked for anew every so often: clocks drift, and that of a paused machine jumps."""

RESENT_AHEAD_US: Final = 250_000
"""Sound that is further ahead of half its pace was not spoken just now but is sent again, for a node that was lost.

More than the longest frame of a caller has, 200 ms, which may come as ten at once.
"""

AHEAD_US_MAX: Final = 2 * RESENT_AHEAD_US


@dataclass(slots=True)
class LateSound:
    """Judges one stream: every event is shown once, in order.

    The clocks have nothing in common but their pace. The shortest way an event took in the last 5 to 10 s (arrival less
    sending) stands for no delay at all; how much longer another one took is its age. Sound that a session's next node
    is sent at once is old and wanted; its pace gives it away. A stream begins as if with such sound.
    """

    _quickest_us: int = 0
    _quickest_before_us: int = 0
    _window_began_us: int | None = None
    _sound_sent_us: int | None = None
    _ahead_us: int = AHEAD_US_MAX

    def is_late(self, sent_us: int, arrived_us: int, sound_us: int = 0) -> bool:
        """Whether an event's sound is to be dropped; without sound nothing is late.

        `sent_us` is the sender's clock, `arrived_us` the node's, `sound_us` the length of the event's sound.
        """
        age_us = self._age_us(arrived_us - sent_us, arrived_us)
        return sound_us > 0 and not self._is_resent(sent_us, sound_us) and age_us > SOUND_AGE_MS_MAX * 1_000

    def _age_us(self, way_us: int, arrived_us: int) -> int:
        if self._window_began_us is None:
            self._window_began_us = arrived_us
            self._quickest_us = self._quickest_before_us = way_us
        elif arrived_us - self._window_began_us >= WINDOW_US:
            # However long the node stood still: the window before is from when it did not.
            self._window_began_us = arrived_us
            self._quickest_us, self._quickest_before_us = way_us, self._quickest_us
        self._quickest_us = min(self._quickest_us, way_us)
        return way_us - min(self._quickest_us, self._quickest_before_us)

    def _is_resent(self, sent_us: int, sound_us: int) -> bool:
        if self._sound_sent_us is not None:
            ahead_us = self._ahead_us + sound_us - 2 * (sent_us - self._sound_sent_us)
            self._ahead_us = min(AHEAD_US_MAX, max(0, ahead_us))
        self._sound_sent_us = sent_us
        return self._ahead_us > RESENT_AHEAD_US
