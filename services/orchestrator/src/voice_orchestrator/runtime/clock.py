"""The only place of the orchestrator that reads a clock or draws an id."""

import asyncio
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

TIMER_SLACK_S: Final = 0.0005
"""What is due within this time is due now: event loops do not wake more exactly, and a shorter wait would only spin."""


class SessionClock:
    """Time since it was made. `monotonic_s` is replaced where time is virtual; it must agree with the event loop's."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._origin_s = monotonic_s()

    def now_s(self) -> float:
        """Seconds since the clock was made."""
        return self._monotonic_s() - self._origin_s

    def now_ms(self) -> int:
        """Whole milliseconds since the clock was made."""
        return int(self.now_s() * 1_000)

    def monotonic_us(self) -> int:
        """Microseconds of the underlying clock, for the envelopes of events."""
        return int(self._monotonic_s() * 1_000_000)

    async def sleep_until_s(self, at_s: float) -> None:
        """Sleeps until `now_s` is `at_s`; gives way to other tasks even when that has passed."""
        await asyncio.sleep(max(0.0, at_s - self.now_s()))


def new_session_id() -> str:
    """An id nobody can guess or meet again: 48 random bits."""
    return uuid.uuid4().hex[:12]


def wall_time() -> datetime:
    """Date and time in UTC, for names and headers, never for a decision."""
    return datetime.now(UTC)
