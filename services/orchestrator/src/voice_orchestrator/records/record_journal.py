"""The journal of a call on its event loop: lines in memory until the writer takes them."""

from collections.abc import Callable
from typing import Final

from voice_orchestrator.runtime.journal import BUFFER_BYTES, JournalHeader, entry_of, line_of
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.reducer import Transition

LINES_BYTES_MAX: Final = 256 << 10
"""Lines of one call that may wait while the writer takes nothing; then the journal is over."""


class RecordJournal:
    """Implements JournalSink. `hand_over` has the writer take what `take` gives; `overflowed` is told once."""

    def __init__(self, header: JournalHeader, hand_over: Callable[[], None], overflowed: Callable[[], None]) -> None:
        self._hand_over = hand_over
        self._overflowed = overflowed
        self._lines = bytearray(line_of(header.to_plain()))
        self._count = 0
        self._over = False

    @property
    def waiting_bytes(self) -> int:
        """Lines that the writer did not take yet."""
        return len(self._lines)

    def record(self, event: SessionEvent, transition: Transition) -> None:
        """See JournalSink."""
        self._count += 1
        if self._over:
            return
        self._put(line_of(entry_of(self._count, event, transition)))
        if len(self._lines) >= BUFFER_BYTES:
            self._hand_over()

    def flush(self) -> None:
        """See JournalSink."""
        self._hand_over()

    def take(self) -> bytes:
        """Everything that waits, to be written now."""
        lines, self._lines = bytes(self._lines), bytearray()
        return lines

    def put_back(self, lines: bytes) -> None:
        """The writer did not take `lines`, which nothing was recorded after."""
        self._lines[:0] = lines

    def stop(self) -> None:
        """The file takes no more."""
        self._over = True
        self._lines.clear()

    def end(self) -> None:
        """Adds the line that says that the journal is whole."""
        if not self._over:
            self._put(line_of({"end": self._count}))

    def _put(self, line: bytes) -> None:
        if len(self._lines) + len(line) > LINES_BYTES_MAX:
            self._over = True
            self._overflowed()
            return
        self._lines += line
