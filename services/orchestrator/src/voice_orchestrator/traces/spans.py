"""What a trace is made of, before anything of OpenTelemetry is there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

Value = str | bool | int | float | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of work and what was done in it; a trace is the outermost one. Times are session milliseconds.

    client: it is a request to another process. error: why it failed, one word of a small set; empty when it did not.
    """

    name: str
    start_ms: int
    end_ms: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    client: bool = False
    error: str = ""
    children: tuple["Span", ...] = ()

    @property
    def size(self) -> int:
        """Spans in it, itself included."""
        return 1 + sum(child.size for child in self.children)


@dataclass(slots=True, kw_only=True)
class OpenSpan:
    """A span that is being written; the first end counts."""

    name: str
    start_ms: int
    attributes: dict[str, Value] = field(default_factory=dict)
    client: bool = False
    end_ms: int | None = None
    error: str = ""
    children: list["OpenSpan"] = field(default_factory=list)

    def end(self, at_ms: int, error: str = "") -> None:
        """It is over, with everything in it."""
        if self.end_ms is not None:
            return
        self.end_ms, self.error = at_ms, error
        for child in self.children:
            child.end(at_ms)

    def done(self, at_ms: int) -> Span:
        """As it stands in a trace; what is not over ends at `at_ms`."""
        end_ms = at_ms if self.end_ms is None else self.end_ms
        return Span(
            name=self.name,
            start_ms=self.start_ms,
            end_ms=max(self.start_ms, end_ms),
            attributes=self.attributes,
            client=self.client,
            error=self.error,
            children=tuple(child.done(at_ms) for child in self.children),
        )


class TraceSink(Protocol):
    """Takes traces that are complete."""

    def take(self, trace: Span, began_at: datetime) -> None:
        """One trace of a session whose time 0 was at `began_at`; never waits, never raises."""
