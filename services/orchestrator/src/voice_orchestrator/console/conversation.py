"""A call as it happens, for a person at a terminal."""

from rich.console import Console
from rich.text import Text

from voice_contract.failures import Failure
from voice_contract.messages import (
    BargeIn,
    CallEnded,
    Event,
    PhaseChanged,
    Speaker,
    Transcript,
    TranscriptKind,
    TurnLatency,
)
from voice_orchestrator.console.waterfall import waterfall


class ConversationView:
    """Implements EdgeListener by printing one line per thing worth knowing."""

    def __init__(self, console: Console, *, phases: bool = True) -> None:
        self._console = console
        self._phases = phases

    def on_event(self, event: Event, at_ms: int) -> None:
        """See EdgeListener."""
        match event.payload:
            case Transcript(speaker=Speaker.CALLER, kind=TranscriptKind.PARTIAL, text=text):
                self._line(at_ms, "caller", f"{text} …", "dim cyan")
            case Transcript(speaker=Speaker.CALLER, text=text):
                self._line(at_ms, "caller", text, "bold cyan")
            case Transcript(speaker=Speaker.AGENT, text=text):
                self._line(at_ms, "agent", text, "bold green")
            case PhaseChanged(to_phase=phase) if self._phases:
                self._line(at_ms, "", phase.name, "dim")
            case BargeIn(outcome=outcome, speech_length_ms=length_ms):
                self._line(at_ms, "barge-in", f"{outcome.value} after {length_ms} ms of speech", "yellow")
            case Failure() as failure:
                self._line(at_ms, "failure", describe_failure(failure), "red")
            case TurnLatency() as latency:
                for line in waterfall(latency):
                    self._console.print(Text(f"{'':>21}{line}", style="magenta"), soft_wrap=True)
            case CallEnded(cause=cause, failure=failure):
                self._line(at_ms, "", f"call ended: {cause.value}", "dim")
                if failure is not None:
                    self._line(at_ms, "failure", describe_failure(failure), "red")
            case _:
                pass

    def _line(self, at_ms: int, who: str, text: str, style: str) -> None:
        line = Text(f"{at_ms / 1_000:8.2f} s ", style="dim")
        line.append(f"{who:>9} ", style=style)
        line.append(text, style=style)
        self._console.print(line, soft_wrap=True)


def describe_failure(failure: Failure) -> str:
    """One line for an operator."""
    return f"{failure.stage.value}: {failure.reason.value}{': ' if failure.detail else ''}{failure.detail}"


class ChatView:
    """Implements EdgeListener for a typed conversation: only what the agent says, and what went wrong."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def on_event(self, event: Event, at_ms: int) -> None:
        """See EdgeListener."""
        del at_ms
        match event.payload:
            case Transcript(speaker=Speaker.AGENT, text=text):
                self._console.print(Text(f"agent: {text}", style="green"), soft_wrap=True)
            case Failure() as failure:
                self._console.print(Text(f"failure: {describe_failure(failure)}", style="red"), soft_wrap=True)
            case CallEnded(failure=Failure() as failure):
                self._console.print(Text(f"failure: {describe_failure(failure)}", style="red"), soft_wrap=True)
            case _:
                pass
