"""Notices that the caller's sound stays away: then no voice activity detection will hear the caller fall silent."""

import asyncio
from typing import Final

from voice_orchestrator.runtime.clock import TIMER_SLACK_S, SessionClock
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.media_clock import MediaClock
from voice_orchestrator.session import events

SOUND_LOST_AFTER_MS: Final = 1_000
"""Caller sound that stays away this long is lost: far beyond any jitter, well before the caller wonders."""


class SoundWatch:
    """Brings one CallerSoundLost per loss. `listen` when the call has caller sound, `arrived` with every frame."""

    def __init__(self, mailbox: Mailbox, clock: SessionClock, media: MediaClock) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._media = media
        self._newest_s = 0.0
        self._end_offset_samples = 0
        self._expecting = asyncio.Event()

    def listen(self) -> None:
        """Caller sound is expected from now on."""
        self._newest_s = self._clock.now_s()
        self._expecting.set()

    def arrived(self, end_offset_samples: int) -> None:
        """A frame that ends at `end_offset_samples` came in; after a loss the next one can be noticed again."""
        self._newest_s = self._clock.now_s()
        self._end_offset_samples = end_offset_samples
        self._expecting.set()

    async def run(self) -> None:
        """Watches until it is cancelled; wakes once a second at most."""
        while True:
            await self._expecting.wait()
            lost_at_s = self._newest_s + SOUND_LOST_AFTER_MS / 1_000
            if self._clock.now_s() < lost_at_s - TIMER_SLACK_S:
                await self._clock.sleep_until_s(lost_at_s)
                continue
            self._expecting.clear()
            offset = self._end_offset_samples
            await self._mailbox.put(
                events.CallerSoundLost(
                    at_ms=self._clock.now_ms(),
                    offset_samples=offset,
                    spoken_at_ms=self._media.spoken_at_ms(offset),
                )
            )
