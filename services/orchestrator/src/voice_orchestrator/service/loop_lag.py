"""Samples how late the event loop runs what is due: whatever holds it up holds up every call."""

from collections.abc import Awaitable, Callable
from typing import Final

PERIOD_S: Final = 0.1
"""Often enough to see a stall of a tenth of a second, seldom enough to cost nothing."""


class LoopLagSampler:
    """`run` tells `observe` seconds of delay, ten times a second, until it is cancelled.

    `now_s` is the event loop's clock and `sleep` its sleep.
    """

    def __init__(
        self,
        observe: Callable[[float], None],
        now_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._observe = observe
        self._now_s = now_s
        self._sleep = sleep

    async def run(self) -> None:
        """Samples until it is cancelled."""
        while True:
            due_s = self._now_s() + PERIOD_S
            await self._sleep(PERIOD_S)
            self._observe(max(0.0, self._now_s() - due_s))
