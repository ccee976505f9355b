"""Everything a page shows of a call but its sound, found by folding the journal with the production reducer."""

from dataclasses import dataclass
from pathlib import Path

from voice_contract.messages import Phase
from voice_orchestrator.reports.call_log import CallLog
from voice_orchestrator.runtime.journal_reader import JournalError
from voice_orchestrator.runtime.replay import ReplayStep, replay
from voice_orchestrator.timeline.event_rows import EventRow, event_row
from voice_orchestrator.timeline.incidents import Incidents
from voice_orchestrator.timeline.run_story import RunStories
from voice_orchestrator.timeline.spans import Span, SpanTrack
from voice_orchestrator.timeline.turn_story import CallerStory


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStory:
    """A folded call. Times are session milliseconds; `ended_at_ms` is the time of its last event.

    whole: the journal was closed properly. log: what the report was made from.
    """

    session_id: str
    profile: str
    ended_at_ms: int
    whole: bool
    log: CallLog
    phases: list[Span]
    caller: CallerStory
    runs: RunStories
    incidents: Incidents
    rows: list[EventRow]


class _Listener:
    """Sees every step of the fold."""

    def __init__(self) -> None:
        self.log = CallLog()
        self.phases = SpanTrack()
        self.phases.enter(Phase.CREATED.value, 0)
        self.caller = CallerStory()
        self.runs = RunStories()
        self.incidents = Incidents()
        self.rows: list[EventRow] = []
        self._now_ms = 0

    def on_step(self, step: ReplayStep) -> bool:
        """Takes a step; the fold goes on."""
        self.rows.append(event_row(step))
        if step.phase_before is not Phase.TERMINATED:
            # What comes after the end does nothing, and is only listed.
            event, transition = step.event, step.transition
            self._now_ms = max(self._now_ms, event.at_ms)
            self.log.on_transition(event, transition)
            self.caller.follow(event, transition, self._now_ms)
            self.runs.follow(event, transition, self._now_ms)
            self.incidents.follow(event, transition, self._now_ms)
            self.phases.enter(transition.state.phase.value, self._now_ms)
        return True

    def close(self) -> None:
        """The journal ends."""
        self.phases.enter(None, self._now_ms)
        self.caller.close(self._now_ms)
        self.runs.close(self._now_ms)


def read_story(journal: Path) -> CallStory:
    """Folds `journal`; raises JournalError for what is none, or does not fold to what was commanded in the call."""
    listener = _Listener()
    result = replay(journal, listener.on_step)
    if result.first_difference is not None:
        raise JournalError(
            f"{journal}: line {result.first_difference.line}: does not fold to the commands of the call; "
            "look at it with `voice-orchestrator replay`"
        )
    listener.close()
    return CallStory(
        session_id=result.session_id,
        profile=result.profile,
        ended_at_ms=result.call_ms,
        whole=result.whole,
        log=listener.log,
        phases=listener.phases.spans,
        caller=listener.caller,
        runs=listener.runs,
        incidents=listener.incidents,
        rows=listener.rows,
    )
