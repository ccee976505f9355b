"""Ctrl-C and SIGTERM during a call: the first asks for a polite end, the second ends the process."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final, Self

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Takes the signals while it is entered."""

    def __init__(self, shut_down: Callable[[], None]) -> None:
        """Calls `shut_down` on the event loop at the first signal."""
        self._shut_down = shut_down
        self.count = 0

    def __enter__(self) -> Self:
        """Takes the signals."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        """Gives the signals back."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        self.count += 1
        if self.count > 1:
            os._exit(130)
        self._shut_down()
