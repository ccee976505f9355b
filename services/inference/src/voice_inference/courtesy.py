"""Lets the writing of a reply step aside while its first words are being spoken.

Both want the same cores. The caller waits for the first sound; nobody waits for the end of a text that will be spoken
seconds from now.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from voice_inference.engines.base import CancelToken

STEP_ASIDE_S_MAX: Final = 0.5
"""Work that steps aside goes on after this in any case; the first words of a reply take a fifth of a second."""


class Courtesy:
    """Shared by the engines of a node that run on the same cores. Used from their worker threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._urgent = 0

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """For the length of the block others step aside."""
        with self._changed:
            self._urgent += 1
        try:
            yield
        finally:
            with self._changed:
                self._urgent -= 1
                self._changed.notify_all()

    def step_aside(self, cancel: CancelToken) -> None:
        """Waits while there is urgent work, at most STEP_ASIDE_S_MAX; raises Cancelled at once when cancelled."""
        cancel.on_cancel(self._look_again)
        with self._changed:
            self._changed.wait_for(lambda: not self._urgent or cancel.cancelled, timeout=STEP_ASIDE_S_MAX)
        cancel.raise_if_cancelled()

    def _look_again(self) -> None:
        with self._changed:
            self._changed.notify_all()
