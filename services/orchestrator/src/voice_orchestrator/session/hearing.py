"""A run being heard and coming to its one end: release, playing, flush, and what is remembered of it."""

from voice_contract.audio import ms_from_samples
from voice_contract.messages import (
    BargeIn,
    BargeInCause,
    BargeInOutcome,
    CancelRun,
    ChatRole,
    Phase,
    PrimePrompt,
    RunHeard,
    Speaker,
    SpeculationEnded,
    SpeculationOutcome,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import DropRun, FlushRun, ReleaseRun, ResumeRun
from voice_orchestrator.session.evolve import evolved
from voice_orchestrator.session.history import conversation, heard_text, played_text, whole_text, with_entry
from voice_orchestrator.session.latency import turn_latency
from voice_orchestrator.session.state import (
    Flushing,
    Run,
    RunKind,
    RunStatus,
    Said,
    Segment,
    ToolStatus,
)
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.tool_record import tool_entries


def prime(step: Step) -> None:
    """Has the conversation so far evaluated into the model's cache, before it is needed."""
    step.to_inference(PrimePrompt(messages=conversation(step.policy, step.state.history)))


def interruptible(step: Step, run: Run) -> bool:
    """Whether the caller may end this run by speaking."""
    return run.line is None or run.line not in step.policy.uninterruptible


# --- being heard


def release(step: Step, run: Run) -> Run:
    """Makes a silent run audible; the turn it answers is over with that."""
    if run.status is not RunStatus.SILENT:
        return run
    assert not run.speculative, "a reply to a turn that is not over may not be heard"
    run = step.change_run(run, status=RunStatus.AUDIBLE)
    if step.turn is not None and step.turn.id == run.turn_id:
        step.change(turn=None)
    if step.state.speaks:
        step.emit(ReleaseRun(run_id=run.id))
    if step.state.phase is not Phase.CONNECTING:
        step.enter(Phase.RESPONDING)
    if not step.state.speaks:
        announce_latency(step, run)
        return run
    return watch_playout(step, run)


def announce_segment(step: Step, run_id: int, index: int, text: str) -> None:
    """Tells the edge the words that begin to be heard."""
    words = Transcript(speaker=Speaker.AGENT, kind=TranscriptKind.FINAL, text=text, segment_index=index)
    step.to_edge(words, run_id)


def announce_latency(step: Step, run: Run) -> None:
    """Tells the edge where the time went, for a run that answers a turn."""
    if run.marks is not None:
        step.to_edge(turn_latency(run.turn_id, run.marks, step.now_ms), run.id)


def requested(run: Run, index: int) -> bool:
    """Whether the run has such a segment and it is being or was spoken."""
    return 0 <= index < len(run.segments) and run.segments[index].requested


def mark_segment(step: Step, run: Run, index: int, *, played: bool) -> Run:
    """Notes that a segment began to be heard, or was heard."""
    segment = evolved(run.segments[index], {"started": True, "played": played})
    return step.change_run(run, segments=(*run.segments[:index], segment, *run.segments[index + 1 :]))


def on_segment_started(step: Step, run: Run, event: events.SegmentStarted) -> None:
    """A segment's first sample left for the edge."""
    index = event.segment_index
    if run.status is RunStatus.SILENT or not requested(run, index) or run.segments[index].started:
        step.ignore("segment_not_playing")
        return
    run = mark_segment(step, run, index, played=run.segments[index].played)
    if run.heard_from_ms is None:
        run = step.change_run(run, heard_from_ms=step.now_ms)
        announce_latency(step, run)
    announce_segment(step, run.id, index, run.segments[index].text)
    watch_playout(step, run)


def watch_playout(step: Step, run: Run) -> Run:
    """Sets the time by which playing must have made progress, whenever playing is all that is waited for."""
    deadline_ms = None
    if run.status is RunStatus.AUDIBLE and run.written and run.synthesis_deadline_ms is None:
        left = sum(segment.samples or 0 for segment in run.segments if not segment.played)
        deadline_ms = step.now_ms + ms_from_samples(left) + step.policy.deadlines.playout_ms
    return step.change_run(run, playout_deadline_ms=deadline_ms)


def on_playout_reported(step: Step, event: events.PlayoutReported) -> None:
    """The edge played the run to its end, or says how far it got before it was flushed."""
    flushing, run = step.state.flushing, step.run
    if flushing is not None and flushing.run.id == event.run_id:
        settle_flush(step, heard_text(flushing.run.segments, event.played_samples))
    elif run is None or run.id != event.run_id:
        step.ignore("run_ended")
    elif run.closed and all(segment.played or not segment.samples for segment in run.segments):
        whole = event.played_samples >= run.samples_known and not run.truncated
        heard = whole_text(run.segments) if whole else heard_text(run.segments, event.played_samples)
        end_run(step, run, heard, interrupted=not whole)
    else:
        # Not all of it has left: nobody can have played it to its end.
        step.ignore("report_of_open_run")


# --- the end


def end_run(step: Step, run: Run, heard: str, *, interrupted: bool) -> None:
    """Ends a run that needs nothing more, with the words the caller heard of it."""
    close_watch(step)
    if run.status is RunStatus.PAUSED:
        # The pause crossed the report on its way: an edge that stays paused would keep the next reply.
        step.emit(ResumeRun(run_id=run.id))
    _remember(step, run, run.user_text, heard, interrupted=interrupted)
    step.change(run=None, quiet_since_ms=step.now_ms)
    if step.turn is not None and step.turn.id == run.turn_id:
        step.change(turn=None)
    if step.state.phase in (Phase.PROCESSING, Phase.RESPONDING):
        step.enter(Phase.ACTIVE)
    if run.kind is RunKind.LINE and step.state.phase is not Phase.CONNECTING:
        # The model has not seen these words: the next reply should not have to wait for it to read them.
        prime(step)


def cancel_silent_run(
    step: Step, run: Run, outcome: SpeculationOutcome, cause: BargeInCause = BargeInCause.RUN_ENDED
) -> None:
    """Ends a run nobody heard; the turn it answers stays open.

    `outcome` says why if it was begun early, `cause` if it was held because the caller went on.
    """
    step.to_inference(CancelRun(), run.id)
    _drop_silent(step, run, outcome, cause)


def _drop_silent(step: Step, run: Run, outcome: SpeculationOutcome, cause: BargeInCause) -> None:
    step.emit(DropRun(run_id=run.id))
    if run.held:
        onset_ms = step.turn.onset_ms if step.turn is not None else step.now_ms
        announce_decision(step, run, BargeInOutcome.CONFIRMED, cause, onset_ms)
    announce_speculation(step, run, outcome)
    _remember(step, run, "", "", interrupted=False)
    step.change(run=None)


def announce_speculation(step: Step, run: Run, outcome: SpeculationOutcome) -> None:
    """Tells the edge what became of a reply that was begun early, and its cost; once per run."""
    if not run.speculative or run.held:
        return
    step.to_edge(
        SpeculationEnded(
            outcome=outcome,
            written_tokens=run.written_tokens,
            synthesised_ms=ms_from_samples(run.samples_known),
            lead_ms=step.now_ms - run.began_at_ms,
        ),
        run.id,
    )


def flush_run(step: Step, run: Run, *, merged: bool = False) -> None:
    """Ends a run that is heard: its sound stops now, its words are settled when the edge reports.

    merged: what the caller said is not remembered yet, it goes on in the next turn.
    """
    step.to_inference(CancelRun(), run.id)
    _flush(step, run, "" if merged else run.user_text)
    step.change(quiet_since_ms=step.now_ms)
    if step.state.phase is not Phase.CONNECTING:
        step.enter(Phase.ACTIVE)


def abandon_run(step: Step) -> None:
    """Ends the run of a node that is gone: no cancel can reach it."""
    run = step.run
    if run is None:
        return
    close_watch(step)
    if run.status is RunStatus.SILENT:
        _drop_silent(step, run, SpeculationOutcome.FAILED, BargeInCause.RUN_ENDED)
    else:
        _flush(step, run, run.user_text)


def _flush(step: Step, run: Run, user_text: str) -> None:
    settle_flush(step, None)
    flushing = Flushing(run=run, user_text=user_text, deadline_ms=step.now_ms + step.policy.deadlines.flush_report_ms)
    step.change(run=None, watch=None, flushing=flushing, unsaid=())
    if step.state.speaks:
        step.emit(FlushRun(run_id=run.id))
    else:
        settle_flush(step, None)


def settle_flush(step: Step, heard: str | None) -> None:
    """Writes a flushed run into the history; `heard` None: the edge did not say, count what left completely."""
    flushing = step.state.flushing
    if flushing is None:
        return
    run = flushing.run
    text = played_text(run.segments) if heard is None else heard
    step.change(flushing=None)
    whole = run.written and not run.truncated and text == whole_text(run.segments)
    _remember(step, run, flushing.user_text, text, interrupted=not whole)


def _remember(step: Step, run: Run, user_text: str, heard: str, *, interrupted: bool) -> None:
    """Writes what a run leaves behind: the caller's words, what tools gave back, and what was heard."""
    history = with_entry(step.state.history, Said(role=ChatRole.USER, text=user_text))
    kept = []
    for call in step.state.tools:
        if call.run_id != run.id or call.status is ToolStatus.RUNNING:
            kept.append(call)
        elif call.status is ToolStatus.DONE:
            for entry in tool_entries(call):
                history = with_entry(history, entry)
    history = with_entry(history, Said(role=ChatRole.ASSISTANT, text=heard, interrupted=interrupted))
    step.change(history=history, tools=tuple(kept))
    if run.status is not RunStatus.SILENT:
        step.to_edge(RunHeard(text=heard, interrupted=interrupted), run.id)


# --- the decision about caller speech over a run, as the edge is told of it


def announce_decision(step: Step, run: Run, outcome: BargeInOutcome, cause: BargeInCause, onset_ms: int) -> None:
    """Tells the edge what became, or may become, of caller speech that began at `onset_ms`."""
    turn = step.turn
    until_ms = step.now_ms if turn is None or turn.speaking else turn.spoken_until_ms
    step.to_edge(BargeIn(outcome=outcome, speech_length_ms=max(0, until_ms - onset_ms), cause=cause), run.id)


def close_watch(step: Step) -> None:
    """The run ends before it was decided what the speech over it meant; the speech is a turn like any other."""
    watch, run = step.state.watch, step.run
    if watch is not None and run is not None:
        announce_decision(step, run, BargeInOutcome.REJECTED, BargeInCause.RUN_ENDED, watch.onset_ms)
    step.change(watch=None)


def segments_with(segments: tuple[Segment, ...], index: int, changed: Segment) -> tuple[Segment, ...]:
    """`segments` with one of them replaced."""
    return (*segments[:index], changed, *segments[index + 1 :])
