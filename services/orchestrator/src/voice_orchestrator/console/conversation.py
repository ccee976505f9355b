"""A call as it happens, for a person at a terminal."""

from rich.console import Console
from rich.text import Text

from voice_contract.failures import Failure
from voice_contract.messages import (
    BargeIn,
    CallEnded,
    Event,
    Payload,
    PhaseChanged,
    RunHeard,
    Speaker,
    SpeculationEnded,
    SpeculationOutcome,
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
            case Failure() as failure:
                self._line(at_ms, "failure", describe_failure(failure), "red")
            case TurnLatency() as latency:
                for line in waterfall(latency):
                    self._console.print(Text(f"{'':>21}{line}", style="magenta"), soft_wrap=True)
            case CallEnded(cause=cause, failure=failure):
                self._line(at_ms, "", f"call ended: {cause.value}", "dim")
                if failure is not None:
                    self._line(at_ms, "failure", describe_failure(failure), "red")
            case other:
                self._on_decision(other, at_ms)

    def _on_decision(self, payload: Payload, at_ms: int) -> None:
        match payload:
            case BargeIn() as decision:
                self._line(at_ms, "barge-in", describe_barge_in(decision), "yellow")
            case RunHeard(text=text, interrupted=True):
                self._line(at_ms, "heard", f"{text} —" if text else "nothing of it", "yellow")
            case SpeculationEnded() as ended if ended.outcome is not SpeculationOutcome.KEPT:
                self._line(at_ms, "early", describe_waste(ended), "dim")
            case _:
                pass

    def _line(self, at_ms: int, who: str, text: str, style: str) -> None:
        line = Text(f"{at_ms / 1_000:8.2f} s ", style="dim")
        line.append(f"{who:>9} ", style=style)
        line.append(text, style=style)
        self._console.print(line, soft_wrap=True)


def describe_barge_in(decision: BargeIn) -> str:
    """One line: what became of caller speech over the agent, and why."""
    outcome, cause = (part.value.replace("_", " ") for part in (decision.outcome, decision.cause))
    return f"{outcome} ({cause}) after {decision.speech_length_ms} ms of speech"


def describe_waste(ended: SpeculationEnded) -> str:
    """One line: what a reply begun too early had cost."""
    cost = f"{ended.written_tokens} tokens and {ended.synthesised_ms} ms of speech for nothing"
    return f"reply begun early was {ended.outcome.value}: {cost}"


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
