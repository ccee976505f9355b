"""The traces of a session that was driven by hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from support.session_script import SPECULATIVE, Script, policy

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


def asked() -> Script:
    """The caller spoke from 940 to 1,800 ms; the words are known at 2,150 ms and the turn is over at 2,300."""
    script = Script().open()
    script.after(1_000).start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.after(150).transcribed("Are you open today?")
    script.wait(150)
    return script


def answered() -> Script:
    """And the reply begins to be heard at 2,570 ms."""
    script = asked()
    script.after(70).write("Yes")
    script.after(40).write(", of course we are.", end=True)
    script.after(110).sound(0)
    script.after(30).synthesise(0)
    script.after(20).start(0)
    return script


def heard() -> Script:
    """To its end, at 3,570 ms."""
    return answered().after(1_000).finish()


def speculated() -> Script:
    """A reply is begun at the first pause, at 2,150 ms."""
    script = Script(policy(turn_taking=SPECULATIVE)).open()
    script.after(1_000).start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.after(150).transcribed("Are you open today?")
    return script
