"""Stretches of time in which something was in one state."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `from_ms` until `to_ms`, session milliseconds."""

    state: str
    from_ms: int
    to_ms: int


class SpanTrack:
    """Collects the spans of one thing that is in one state at a time, or in none; none has length zero."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._state: str | None = None
        self._since_ms = 0

    @property
    def state(self) -> str | None:
        """The present state."""
        return self._state

    def enter(self, state: str | None, at_ms: int) -> None:
        """The thing is in `state` since `at_ms`; a time before the present state's beginning counts as that."""
        if state == self._state:
            return
        at_ms = max(at_ms, self._since_ms)
        if self._state is not None and at_ms > self._since_ms:
            self.spans.append(Span(state=self._state, from_ms=self._since_ms, to_ms=at_ms))
        self._state, self._since_ms = state, at_ms
