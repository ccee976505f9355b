"""Folds a journal again and says whether every command comes out byte for byte as it did."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voice_contract.messages import Phase
from voice_orchestrator.runtime.journal import entry_of
from voice_orchestrator.runtime.journal_codec import canonical
from voice_orchestrator.runtime.journal_reader import JournalReader
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.reducer import Transition, reduce
from voice_orchestrator.session.state import initial_state


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStep:
    """One event as it is folded again. `line` is its line in the file."""

    number: int
    line: int
    event: SessionEvent
    phase_before: Phase
    transition: Transition
    recorded: str
    folded: str

    @property
    def identical(self) -> bool:
        """Whether commands and ignored reason are what they were."""
        return self.recorded == self.folded


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What a replay found. `call_ms` is the time of the last event; `whole`: the journal was closed properly."""

    session_id: str
    profile: str
    events: int
    call_ms: int
    whole: bool
    first_difference: ReplayStep | None

    @property
    def identical(self) -> bool:
        """Whether every command is byte-identical."""
        return self.first_difference is None


def replay(path: Path, on_step: Callable[[ReplayStep], bool] | None = None) -> ReplayResult:
    """Folds the journal in `path`; `on_step` sees each step and stops the replay by returning False.

    Raises JournalError for what is no journal of this version.
    """
    journal = JournalReader(path)
    state = initial_state(journal.policy)
    count, different = 0, None
    for recorded in journal.steps():
        before = state.phase
        transition = reduce(state, recorded.event)
        state = transition.state
        count += 1
        step = ReplayStep(
            number=recorded.number,
            line=recorded.line,
            event=recorded.event,
            phase_before=before,
            transition=transition,
            recorded=recorded.outcome,
            folded=_outcome(count, recorded.event, transition),
        )
        go_on = on_step(step) if on_step is not None else True
        if not step.identical:
            different = step
        if not step.identical or not go_on:
            break
    return ReplayResult(
        session_id=journal.session_id,
        profile=journal.profile,
        events=count,
        call_ms=state.now_ms,
        whole=journal.whole,
        first_difference=different,
    )


def _outcome(number: int, event: SessionEvent, transition: Transition) -> str:
    entry = entry_of(number, event, transition)
    return canonical({"commands": entry["commands"], "ignored": entry["ignored"]})
