"""The session core: `reduce(state, event)` gives the next state and the commands to execute.

Two rules hold for every event. First, what belongs to a run that has ended is refused at the door, before its type is
looked at. Second, the function is total: an event that means nothing in the current state changes nothing and is
reported as ignored with a reason; nothing is raised but IllegalPhaseEdgeError, which is a defect.
"""

from dataclasses import dataclass, replace
from typing import Final

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import EndCause, Phase
from voice_orchestrator.session import events, runs, turns
from voice_orchestrator.session.commands import Command
from voice_orchestrator.session.deadlines import on_tick
from voice_orchestrator.session.ending import end_call, on_call_opened, on_inference_lost, on_inference_ready
from voice_orchestrator.session.events import SessionEvent
from voice_orchestrator.session.state import SessionState
from voice_orchestrator.session.step import Step

REDUCER_VERSION: Final = 1
"""Raised when the same events give other commands than before; journals name the version that wrote them."""

RunEvent = (
    events.ReplyText
    | events.ReplyEnded
    | events.SegmentSounded
    | events.SegmentSynthesised
    | events.RunFailed
    | events.SegmentStarted
    | events.SegmentPlayed
)


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
    step = Step(replace(state, now_ms=max(state.now_ms, event.at_ms)))
    _apply(step, event)
    if step.ignored is None and step.state.phase is not Phase.TERMINATED:
        turns.settle_turn(step)
    return Transition(state=step.state, commands=tuple(step.commands), ignored=step.ignored)


def _apply(step: Step, event: SessionEvent) -> None:
    match event:
        case events.CallOpened():
            on_call_opened(step, event)
        case events.CallerHungUp():
            end_call(step, EndCause.CALLER_HUNG_UP, None)
        case events.EdgeLost():
            failure = Failure(stage=Stage.EDGE, reason=FailureReason.EDGE_LOST, detail=event.detail)
            end_call(step, EndCause.EDGE_LOST, failure)
        case events.ShutdownRequested():
            end_call(step, EndCause.SHUTDOWN, None)
        case events.ShellFailed():
            failure = Failure(stage=Stage.SESSION, reason=FailureReason.INTERNAL, detail=event.detail)
            end_call(step, EndCause.INTERNAL, failure)
        case events.InferenceReady():
            on_inference_ready(step)
        case events.InferenceLost():
            on_inference_lost(step, event)
        case events.Tick():
            on_tick(step)
        case events.PlayoutReported():
            _apply_report(step, event)
        case (
            events.CallerTyped()
            | events.SpeechStarted()
            | events.SpeechEnded()
            | events.CallerTranscribed()
            | events.TranscriptionFailed()
        ):
            _apply_caller(step, event)
        case _:
            _apply_run(step, event)


def _apply_report(step: Step, event: events.PlayoutReported) -> None:
    flushing = step.state.flushing
    known = {run.id for run in (step.run,) if run} | ({flushing.run_id} if flushing else set())
    if event.run_id in known:
        runs.on_playout_reported(step, event)
    else:
        step.ignore("run_ended")


def _apply_caller(
    step: Step,
    event: events.CallerTyped
    | events.SpeechStarted
    | events.SpeechEnded
    | events.CallerTranscribed
    | events.TranscriptionFailed,
) -> None:
    if step.state.phase is Phase.CREATED:
        step.ignore("not_open")
        return
    if step.state.phase is Phase.CONNECTING and not isinstance(event, events.CallerTyped):
        step.ignore("not_connected")
        return
    match event:
        case events.CallerTyped():
            turns.on_caller_typed(step, event)
        case events.SpeechStarted():
            turns.on_speech_started(step, event)
        case events.SpeechEnded():
            turns.on_speech_ended(step, event)
        case events.CallerTranscribed():
            turns.on_caller_transcribed(step, event)
        case _:
            turns.on_transcription_failed(step, event)


def _apply_run(step: Step, event: RunEvent) -> None:
    run = step.run
    if run is None or event.run_id != run.id:
        step.ignore("run_ended")
        return
    match event:
        case events.ReplyText():
            runs.on_reply_text(step, run, event)
        case events.ReplyEnded():
            runs.on_reply_ended(step, run, event)
        case events.SegmentSounded():
            runs.on_segment_sounded(step, run, event)
        case events.SegmentSynthesised():
            runs.on_segment_synthesised(step, run, event)
        case events.RunFailed():
            runs.on_run_failed(step, run, event)
        case events.SegmentStarted():
            runs.on_segment_started(step, run, event)
        case _:
            runs.on_segment_played(step, run, event)
