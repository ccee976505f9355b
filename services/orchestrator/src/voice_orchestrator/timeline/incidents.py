"""What happened to a call: decisions about caller speech, failures, tools at work, and what disturbs or ends it."""

from dataclasses import dataclass

from voice_contract.failures import Failure
from voice_contract.messages import BargeIn, BargeInOutcome
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import Command, EndCall, ToEdge
from voice_orchestrator.session.reducer import Transition
from voice_orchestrator.session.state import SessionState, ToolStatus


@dataclass(slots=True, kw_only=True)
class Interruption:
    """Caller speech over a run, from the pause to what was decided. Times are session milliseconds.

    paused_at_ms: None when the run was not paused, or was going on again already.
    decided_at_ms, outcome, cause: None, "paused" and "onset" while it is not decided.
    """

    run_id: int
    paused_at_ms: int | None
    decided_at_ms: int | None
    outcome: str
    cause: str
    speech_ms: int

    @property
    def at_ms(self) -> int:
        """When it began, as far as the run is concerned."""
        at_ms = self.decided_at_ms if self.paused_at_ms is None else self.paused_at_ms
        assert at_ms is not None, "it is paused or decided"
        return at_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """A failure, and what it belongs to; `ended_call`: it is why the call ended."""

    at_ms: int
    run_id: int
    failure: Failure
    ended_call: bool


@dataclass(slots=True, kw_only=True)
class ToolUse:
    """A tool at work; `outcome` is returned, failed or, while it has not answered, running."""

    call_id: int
    run_id: int
    name: str
    arguments: str
    from_ms: int
    to_ms: int | None = None
    outcome: str = "running"
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something else worth a flag: a key, typed words, a node that is lost, the end."""

    at_ms: int
    kind: str
    label: str


class Incidents:
    """Follows what happens at one moment, step by step."""

    def __init__(self) -> None:
        self.interruptions: list[Interruption] = []
        self.mishaps: list[Mishap] = []
        self.tools: dict[int, ToolUse] = {}
        self.marks: list[Mark] = []
        self.end_cause: str | None = None
        self._undecided: dict[int, Interruption] = {}

    def follow(self, event: events.SessionEvent, transition: Transition, at_ms: int) -> None:
        """Takes the next step."""
        if transition.ignored is None:
            self._note_event(event, at_ms)
        self._follow_tools(transition.state, at_ms)
        for command in transition.commands:
            self._note_command(command, at_ms)

    def _note_event(self, event: events.SessionEvent, at_ms: int) -> None:
        match event:
            case events.CallerKeyed(key=key):
                self.marks.append(Mark(at_ms=at_ms, kind="key", label=f"key {key}"))
            case events.CallerTyped(text=text):
                self.marks.append(Mark(at_ms=at_ms, kind="typed", label=f"typed: {text}"))
            case events.InferenceReady():
                self.marks.append(Mark(at_ms=at_ms, kind="node", label="inference node ready"))
            case events.InferenceLost(reason=reason):
                self.marks.append(
                    Mark(at_ms=at_ms, kind="trouble", label=f"inference node lost: {_words(reason.value)}")
                )
            case events.CallerSoundLost():
                self.marks.append(Mark(at_ms=at_ms, kind="trouble", label="caller sound lost"))
            case events.ToolFailed(call_id=call_id, detail=detail) if call_id in self.tools:
                self._answered(self.tools[call_id], at_ms, "failed", detail)
            case events.ToolReturned(call_id=call_id, result=result) if call_id in self.tools:
                self._answered(self.tools[call_id], at_ms, "returned", result)
            case _:
                pass

    def _answered(self, use: ToolUse, at_ms: int, outcome: str, result: str) -> None:
        use.to_ms, use.outcome, use.result = at_ms, outcome, result

    def _follow_tools(self, state: SessionState, at_ms: int) -> None:
        """Tools begin when their turn is committed, and may be given up by their deadline."""
        for call in state.tools:
            if call.status is ToolStatus.HELD:
                continue
            use = self.tools.setdefault(
                call.id,
                ToolUse(call_id=call.id, run_id=call.run_id, name=call.name, arguments=call.arguments, from_ms=at_ms),
            )
            if call.status is ToolStatus.DONE and use.to_ms is None:
                self._answered(use, at_ms, "failed", call.result)

    def _note_command(self, command: Command, at_ms: int) -> None:
        match command:
            case ToEdge(message=BargeIn() as decision, run_id=run_id):
                self._note_decision(decision, run_id, at_ms)
            case ToEdge(message=Failure() as failure, run_id=run_id):
                self.mishaps.append(Mishap(at_ms=at_ms, run_id=run_id, failure=failure, ended_call=False))
            case EndCall(cause=cause, failure=failure):
                self.end_cause = cause.value
                self.marks.append(Mark(at_ms=at_ms, kind="end", label=f"end of the call: {_words(cause.value)}"))
                if failure is not None:
                    self.mishaps.append(Mishap(at_ms=at_ms, run_id=0, failure=failure, ended_call=True))
            case _:
                pass

    def _note_decision(self, decision: BargeIn, run_id: int, at_ms: int) -> None:
        paused = decision.outcome is BargeInOutcome.PAUSED
        known = None if paused else self._undecided.pop(run_id, None)
        if known is None:
            known = Interruption(
                run_id=run_id,
                paused_at_ms=at_ms if paused else None,
                decided_at_ms=None,
                outcome="",
                cause="",
                speech_ms=0,
            )
            self.interruptions.append(known)
        if paused:
            self._undecided[run_id] = known
        else:
            known.decided_at_ms = at_ms
        known.outcome, known.cause = decision.outcome.value, decision.cause.value
        known.speech_ms = decision.speech_length_ms


def _words(code: str) -> str:
    return code.replace("_", " ")
