"""The session core: `reduce(state, event)` gives the next state and the commands to execute.

Two rules hold for every event. First, what belongs to a run that has ended is refused at the door, before its type is
looked at. Second, the function is total: an event that means nothing in the current state changes nothing and is
reported as ignored with a reason; nothing is raised but IllegalPhaseEdgeError, which is a defect.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import EndCause, Phase
from voice_orchestrator.session import complete_turns, events, hearing, runs, speech, tools, transcripts
from voice_orchestrator.session.commands import Command
from voice_orchestrator.session.commit import settle_turn
from voice_orchestrator.session.deadlines import on_tick
from voice_orchestrator.session.ending import end_call, on_call_opened, on_inference_lost, on_inference_ready
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.state import Run, SessionState
from voice_orchestrator.session.step import Step

REDUCER_VERSION: Final = 5
"""Raised when the same events give other commands than before; journals name the version that wrote them.

3: a turn whose node is lost is kept, and its sound transcribed by the next node.
4: a reply that is heard when its node is lost goes on.
5: sound and words are judged together, and words are asked for as soon as speech falters.
"""

REPLAYED_VERSIONS: Final = frozenset({5})
"""Versions whose journals are folded again: turns are committed at other times since 5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What an event did. `ignored`: None, or why it did nothing, as a counter's name."""

    state: SessionState
    commands: tuple[Command, ...]
    ignored: str | None


def reduce(state: SessionState, event: SessionEvent) -> Transition:
    """Applies `event` to `state`. An event older than the state counts as happening now."""
    if state.phase is Phase.TERMINATED:
        return Transition(state=state, commands=(), ignored="terminated")
    step = Step(state, max(state.now_ms, event.at_ms))
    _apply(step, event)
    if step.ignored is None:
        step.change()
        if step.state.phase is not Phase.TERMINATED:
            settle_turn(step)
    return Transition(state=step.state, commands=tuple(step.commands), ignored=step.ignored)


def _on_edge_lost(step: Step, event: events.EdgeLost) -> None:
    failure = Failure(stage=Stage.EDGE, reason=FailureReason.EDGE_LOST, detail=event.detail)
    end_call(step, EndCause.EDGE_LOST, failure)


def _on_shell_failed(step: Step, event: events.ShellFailed) -> None:
    failure = Failure(stage=Stage.SESSION, reason=FailureReason.INTERNAL, detail=event.detail)
    end_call(step, EndCause.INTERNAL, failure)


CALL_EVENTS: Final[Mapping[type[Any], Callable[[Step, Any], None]]] = {
    events.CallOpened: on_call_opened,
    events.CallerHungUp: lambda step, _: end_call(step, EndCause.CALLER_HUNG_UP, None),
    events.EdgeLost: _on_edge_lost,
    events.ShutdownRequested: lambda step, _: end_call(step, EndCause.SHUTDOWN, None),
    events.ShellFailed: _on_shell_failed,
    events.InferenceReady: on_inference_ready,
    events.InferenceLost: on_inference_lost,
    events.Tick: lambda step, _: on_tick(step),
    events.PlayoutReported: hearing.on_playout_reported,
    events.ToolReturned: tools.on_tool_returned,
    events.ToolFailed: tools.on_tool_failed,
}
"""What concerns the whole call, or brings its own way to tell what it belongs to."""

COMPLETE_TURN_EVENTS: Final[Mapping[type[Any], Callable[[Step, Any], None]]] = {
    events.CallerTyped: complete_turns.on_caller_typed,
    events.CallerKeyed: complete_turns.on_caller_keyed,
}
"""What the caller says without sound: possible as soon as the call is open."""

SPEECH_EVENTS: Final[Mapping[type[Any], Callable[[Step, Any], None]]] = {
    events.SpeechStarted: speech.on_speech_started,
    events.SpeechFaltered: speech.on_speech_faltered,
    events.SpeechEnded: speech.on_speech_ended,
    events.TalkPressed: speech.on_talk_pressed,
    events.TalkReleased: speech.on_talk_released,
    events.CallerSoundLost: speech.on_caller_sound_lost,
    events.CallerTranscribed: transcripts.on_caller_transcribed,
    events.TranscriptionFailed: transcripts.on_transcription_failed,
    events.EndOfTurnScored: transcripts.on_end_of_turn_scored,
    events.WordsScored: transcripts.on_words_scored,
    events.EndOfTurnFailed: transcripts.on_end_of_turn_failed,
}
"""What the caller says in sound: possible while a node listens."""

RUN_EVENTS: Final[Mapping[type[Any], Callable[[Step, Run, Any], None]]] = {
    events.ReplyText: runs.on_reply_text,
    events.ReplyEnded: runs.on_reply_ended,
    events.ToolRequested: tools.on_tool_requested,
    events.SegmentSounded: runs.on_segment_sounded,
    events.SegmentSynthesised: runs.on_segment_synthesised,
    events.RunFailed: runs.on_run_failed,
    events.SegmentStarted: hearing.on_segment_started,
    events.SegmentPlayed: runs.on_segment_played,
}
"""What a run brings forth: refused when the run is not the live one."""


def _apply(step: Step, event: SessionEvent) -> None:
    kind, phase = type(event), step.state.phase
    if (on_run := RUN_EVENTS.get(kind)) is not None:
        run, run_id = step.run, getattr(event, "run_id", 0)
        if run is None or run.id != run_id:
            step.ignore("run_ended")
        else:
            on_run(step, run, event)
    elif (on_speech := SPEECH_EVENTS.get(kind)) is not None:
        if phase is Phase.CREATED:
            step.ignore("not_open")
        elif phase is Phase.CONNECTING:
            step.ignore("not_connected")
        else:
            on_speech(step, event)
    elif (on_turn := COMPLETE_TURN_EVENTS.get(kind)) is not None:
        if phase is Phase.CREATED:
            step.ignore("not_open")
        else:
            on_turn(step, event)
    else:
        CALL_EVENTS[kind](step, event)
