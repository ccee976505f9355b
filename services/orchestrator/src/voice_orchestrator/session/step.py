"""One step of the reducer while it is being worked out: the state so far and the commands so far."""

from typing import Any

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import Phase, PhaseChanged
from voice_orchestrator.session.commands import Command, EdgeMessage, InferenceMessage, ToEdge, ToInference
from voice_orchestrator.session.evolve import assign, copy_of
from voice_orchestrator.session.phases import require_edge
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.state import Run, SessionState, Turn


class Step:
    """Collects what one event changes. Lives for one call of `reduce` and never leaves it."""

    __slots__ = ("_own", "_own_run", "_own_turn", "commands", "ignored", "now_ms", "state")

    def __init__(self, state: SessionState, now_ms: int) -> None:
        self.state = state
        # From its first change on a value is the step's own copy, changed in place by nobody else and never after.
        self._own = False
        self._own_turn: Turn | None = None
        self._own_run: Run | None = None
        self.now_ms = now_ms
        self.commands: list[Command] = []
        self.ignored: str | None = None

    @property
    def policy(self) -> SessionPolicy:
        """The session's policy."""
        return self.state.policy

    @property
    def turn(self) -> Turn | None:
        """The turn that is open or being answered silently."""
        return self.state.turn

    @property
    def run(self) -> Run | None:
        """The live run."""
        return self.state.run

    # Names are checked when they are assigned; values are checked where the changed state is read.
    def change(self, **changes: Any) -> None:  # noqa: ANN401
        """Changes fields of the state."""
        if not self._own:
            self.state = copy_of(self.state)
            self._own = True
            changes["now_ms"] = self.now_ms
        assign(self.state, changes)

    def change_turn(self, turn: Turn, **changes: Any) -> Turn:  # noqa: ANN401
        """Changes fields of the turn and makes it the state's; the value given is used up, the one returned counts."""
        if turn is not self._own_turn:
            turn = self._own_turn = copy_of(turn)
        assign(turn, changes)
        if self.state.turn is not turn:
            self.change(turn=turn)
        return turn

    def change_run(self, run: Run, **changes: Any) -> Run:  # noqa: ANN401
        """Changes fields of the run and makes it the state's; the value given is used up, the one returned counts."""
        if run is not self._own_run:
            run = self._own_run = copy_of(run)
        assign(run, changes)
        if self.state.run is not run:
            self.change(run=run)
        return run

    def ignore(self, why: str) -> None:
        """Records that the event had no effect; `why` is a counter's name."""
        self.ignored = why

    def emit(self, command: Command) -> None:
        """Adds a command."""
        self.commands.append(command)

    def to_inference(self, message: InferenceMessage, run_id: int = 0) -> None:
        """Adds a message to the inference node."""
        self.emit(ToInference(message=message, run_id=run_id))

    def to_edge(self, message: EdgeMessage, run_id: int = 0) -> None:
        """Adds a message to the edge."""
        self.emit(ToEdge(message=message, run_id=run_id))

    def report_failure(
        self, stage: Stage, reason: FailureReason, detail: str, *, run_id: int = 0, utterance_id: int = 0
    ) -> None:
        """Tells the edge of a failure the call survives."""
        failure = Failure(stage=stage, reason=reason, detail=detail, utterance_id=utterance_id)
        self.to_edge(failure, run_id)

    def enter(self, phase: Phase) -> None:
        """Changes the phase and tells the edge; does nothing when it is the current one."""
        before = self.state.phase
        if phase is before:
            return
        require_edge(before, phase)
        self.change(phase=phase)
        self.to_edge(PhaseChanged(from_phase=before, to_phase=phase))
