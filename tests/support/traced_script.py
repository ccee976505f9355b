"""The traces of a session that was driven by hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from support.session_script import Script

from voice_orchestrator.traces.session_traces import SessionTraces
from voice_orchestrator.traces.spans import Span

BEGAN_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass(slots=True)
class KeptTraces:
    """Implements TraceSink: keeps what it is given."""

    traces: list[Span] = field(default_factory=list)
    began_at: list[datetime] = field(default_factory=list)

    def take(self, trace: Span, began_at: datetime) -> None:
        self.traces.append(trace)
        self.began_at.append(began_at)


def traces_of(script: Script, *, closed: bool = False, node: str = "127.0.0.1:50061") -> list[Span]:
    """The traces the steps of a script made; `closed`: the session was over then, whatever its state."""
    kept = KeptTraces()
    session = SessionTraces("call-1", "clinic", BEGAN_AT, kept, lambda: node)
    for event, transition in script.log:
        session.on_transition(event, transition)
    if closed:
        session.close()
    return kept.traces


def named(trace: Span, name: str) -> list[Span]:
    """Every span of that name in a trace, wherever it is."""
    found = [trace] if trace.name == name else []
    for child in trace.children:
        found += named(child, name)
    return found


def one(trace: Span, name: str) -> Span:
    """The only span of that name."""
    (span,) = named(trace, name)
    return span


def times(span: Span) -> tuple[int, int]:
    return span.start_ms, span.end_ms
