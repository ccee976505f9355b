"""The life of a run: writing, segmenting, synthesis, release, playing, and its one end."""

from dataclasses import replace

from voice_contract.audio import ms_from_samples
from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import (
    CancelRun,
    ChatRole,
    Generate,
    Phase,
    PrimePrompt,
    Speaker,
    Synthesize,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import CloseRun, DropRun, FlushRun, ReleaseRun
from voice_orchestrator.session.history import heard_text, played_text, prompt, system_message, with_message
from voice_orchestrator.session.latency import turn_latency
from voice_orchestrator.session.segmentation import split_all, split_ready
from voice_orchestrator.session.state import (
    Flushing,
    LatencyMarks,
    Run,
    RunKind,
    RunStatus,
    Segment,
    Turn,
)
from voice_orchestrator.session.step import Step

SEGMENTS_AHEAD_MAX = 3
"""Segments synthesised or being synthesised that were not played yet: bounds what an interruption throws away."""


# --- beginning


def prime(step: Step) -> None:
    """Has the conversation so far evaluated into the model's cache, before it is needed."""
    step.to_inference(PrimePrompt(messages=(system_message(step.policy), *step.state.history)))


def start_reply(step: Step, turn: Turn, text: str) -> None:
    """Has the model answer the committed turn."""
    generation = step.policy.generation
    run = _open_run(step, RunKind.REPLY, turn, text)
    step.change_run(run, writing_deadline_ms=step.now_ms + step.policy.deadlines.first_token_ms)
    step.to_inference(
        Generate(
            messages=prompt(step.policy, step.state.history, text),
            max_tokens=generation.max_tokens,
            temperature=generation.temperature,
            top_p=generation.top_p,
            seed=generation.seed,
            stop=generation.stop,
        ),
        run.id,
    )


def start_line(step: Step, line: str, turn: Turn | None) -> None:
    """Says a line of the profile, in place of a reply to `turn` when there is one."""
    run = _open_run(step, RunKind.LINE, turn, (turn.text if turn else None) or "")
    _add_segments(step, run, split_all(line, first=True), written=True)


def _open_run(step: Step, kind: RunKind, turn: Turn | None, user_text: str) -> Run:
    marks = None
    if turn is not None and turn.committed_at_ms is not None:
        marks = LatencyMarks(
            spoken_until_ms=turn.spoken_until_ms,
            committed_at_ms=turn.committed_at_ms,
            transcribed_at_ms=turn.transcribed_at_ms,
        )
    run = Run(
        id=step.state.next_run_id,
        kind=kind,
        status=RunStatus.SILENT,
        turn_id=turn.id if turn else 0,
        user_text=user_text,
        marks=marks,
    )
    step.change(run=run, next_run_id=run.id + 1)
    return run


# --- writing and synthesis


def on_reply_text(step: Step, run: Run, event: events.ReplyText) -> None:
    """A piece of the reply: cut what is complete into segments."""
    if run.written:
        step.ignore("text_after_end")
        return
    if run.marks is not None and run.marks.first_text_at_ms is None:
        run = step.change_run(
            run,
            marks=replace(run.marks, first_text_at_ms=step.now_ms),
            writing_deadline_ms=step.now_ms + step.policy.deadlines.generation_ms,
        )
    ready, rest = split_ready(run.buffer + event.text, first=not run.segments)
    _add_segments(step, replace(run, buffer=rest), ready, written=False)


def on_reply_ended(step: Step, run: Run, event: events.ReplyEnded) -> None:
    """The reply is written: what is left of it is the last segment."""
    del event  # its counts are for the report
    if run.written:
        step.ignore("end_after_end")
        return
    ready = split_all(run.buffer, first=not run.segments)
    _add_segments(step, replace(run, buffer="", writing_deadline_ms=None), ready, written=True)


def _add_segments(step: Step, run: Run, texts: tuple[str, ...], *, written: bool) -> None:
    marks = run.marks
    if texts and marks is not None and marks.first_segment_at_ms is None:
        marks = replace(marks, first_segment_at_ms=step.now_ms)
    added = tuple(Segment(text=text) for text in texts)
    run = step.change_run(run, segments=run.segments + added, marks=marks, written=written)
    if written and not run.segments:
        fail_run(step, run, Stage.LLM, FailureReason.EMPTY_RESULT, "the reply holds no words")
    elif step.state.speaks:
        _request_synthesis(step, run)
    else:
        _show_text(step, run)


def _show_text(step: Step, run: Run) -> None:
    """Words only: every segment is heard the moment it is complete."""
    for index, segment in enumerate(run.segments):
        if not segment.played:
            _release(step, run)
            _announce_segment(step, run.id, index, segment.text)
    run = step.change_run(
        run,
        status=RunStatus.AUDIBLE if run.segments else run.status,
        segments=tuple(replace(segment, started=True, played=True, samples=0) for segment in run.segments),
    )
    if run.written:
        _end_run(step, run, played_text(run.segments))


def _request_synthesis(step: Step, run: Run) -> None:
    ahead = sum(1 for segment in run.segments if segment.requested and not segment.played)
    segments = list(run.segments)
    for index, segment in enumerate(segments):
        if ahead >= SEGMENTS_AHEAD_MAX:
            break
        if segment.requested:
            continue
        segments[index] = replace(segment, requested=True)
        ahead += 1
        message = Synthesize(segment_index=index, text=segment.text, speaking_rate=step.policy.speaking_rate)
        step.to_inference(message, run.id)
    deadline_ms = run.synthesis_deadline_ms
    if deadline_ms is None and any(segment.requested and segment.samples is None for segment in segments):
        deadline_ms = step.now_ms + step.policy.deadlines.synthesis_ms
    step.change_run(run, segments=tuple(segments), synthesis_deadline_ms=deadline_ms)


def on_segment_sounded(step: Step, run: Run, event: events.SegmentSounded) -> None:
    """The first sound of a segment is here; the run's very first one makes it audible."""
    if not _requested(run, event.segment_index):
        step.ignore("segment_not_requested")
        return
    if run.marks is not None and run.marks.first_sound_at_ms is None:
        run = step.change_run(run, marks=replace(run.marks, first_sound_at_ms=step.now_ms))
    _release(step, run)


def on_segment_synthesised(step: Step, run: Run, event: events.SegmentSynthesised) -> None:
    """A segment is spoken completely: ask for the next, or close the run."""
    index = event.segment_index
    if not _requested(run, index) or run.segments[index].samples is not None:
        step.ignore("segment_not_requested")
        return
    segment = replace(run.segments[index], samples=event.total_samples, played=event.total_samples == 0)
    segments = (*run.segments[:index], segment, *run.segments[index + 1 :])
    run = step.change_run(run, segments=segments, synthesis_deadline_ms=None)
    if event.total_samples:
        run = _release(step, run)
    _request_synthesis(step, run)
    _close_when_complete(step)


def _requested(run: Run, index: int) -> bool:
    return index < len(run.segments) and run.segments[index].requested


def _close_when_complete(step: Step) -> None:
    run = step.run
    if run is None or run.closed or not run.written:
        return
    if any(segment.samples is None for segment in run.segments):
        watch_playout(step, run)
    elif run.samples_known:
        run = step.change_run(run, closed=True)
        step.emit(CloseRun(run_id=run.id))
        watch_playout(step, run)
    else:
        fail_run(step, run, Stage.TTS, FailureReason.EMPTY_RESULT, "synthesis gave no sound")


# --- being heard


def _release(step: Step, run: Run) -> Run:
    """Makes a silent run audible; the turn it answers is over with that."""
    if run.status is not RunStatus.SILENT:
        return run
    run = step.change_run(run, status=RunStatus.AUDIBLE)
    if step.turn is not None and step.turn.id == run.turn_id:
        step.change(turn=None)
    if step.state.speaks:
        step.emit(ReleaseRun(run_id=run.id))
    step.enter(Phase.RESPONDING)
    if not step.state.speaks:
        _announce_latency(step, run)
    return run


def _announce_segment(step: Step, run_id: int, index: int, text: str) -> None:
    words = Transcript(speaker=Speaker.AGENT, kind=TranscriptKind.FINAL, text=text, segment_index=index)
    step.to_edge(words, run_id)


def _announce_latency(step: Step, run: Run) -> None:
    if run.marks is not None:
        step.to_edge(turn_latency(run.turn_id, run.marks, step.now_ms), run.id)


def on_segment_started(step: Step, run: Run, event: events.SegmentStarted) -> None:
    """A segment's first sample left for the edge."""
    index = event.segment_index
    if run.status is RunStatus.SILENT or not _requested(run, index) or run.segments[index].started:
        step.ignore("segment_not_playing")
        return
    first = not any(segment.started for segment in run.segments)
    run = step.change_run(run, segments=_marked(run, index, started=True))
    if first:
        _announce_latency(step, run)
    _announce_segment(step, run.id, index, run.segments[index].text)
    watch_playout(step, run)


def on_segment_played(step: Step, run: Run, event: events.SegmentPlayed) -> None:
    """A segment's last sample left for the edge: there is room to synthesise one more."""
    index = event.segment_index
    if not _requested(run, index) or not run.segments[index].started or run.segments[index].played:
        step.ignore("segment_not_playing")
        return
    run = step.change_run(run, segments=_marked(run, index, started=True, played=True))
    _request_synthesis(step, run)
    run = step.run or run
    watch_playout(step, run)


def _marked(run: Run, index: int, *, started: bool, played: bool = False) -> tuple[Segment, ...]:
    segment = replace(run.segments[index], started=started, played=played)
    return (*run.segments[:index], segment, *run.segments[index + 1 :])


def watch_playout(step: Step, run: Run) -> None:
    """Sets the time by which playing must have made progress, whenever playing is all that is waited for."""
    deadline_ms = None
    if run.status is RunStatus.AUDIBLE and run.written and run.synthesis_deadline_ms is None:
        left = sum(segment.samples or 0 for segment in run.segments if not segment.played)
        deadline_ms = step.now_ms + ms_from_samples(left) + step.policy.deadlines.playout_ms
    step.change_run(run, playout_deadline_ms=deadline_ms)


def on_playout_reported(step: Step, event: events.PlayoutReported) -> None:
    """The edge played the run to its end, or says how far it got before it was flushed."""
    flushing, run = step.state.flushing, step.run
    if flushing is not None and flushing.run_id == event.run_id:
        settle_flush(step, heard_text(flushing.segments, event.played_samples))
    elif run is not None and run.closed:
        whole = not run.truncated and event.played_samples >= run.samples_known
        text = " ".join(segment.text for segment in run.segments)
        _end_run(step, run, text if whole else heard_text(run.segments, event.played_samples))
    else:
        step.ignore("report_of_open_run")


# --- the end


def _end_run(step: Step, run: Run, heard: str) -> None:
    """Ends a run that needs nothing more, with the words the caller heard of it."""
    _remember(step, run.user_text, heard)
    step.change(run=None, watch=None, quiet_since_ms=step.now_ms)
    if step.turn is not None and step.turn.id == run.turn_id:
        step.change(turn=None)
    if step.state.phase in (Phase.PROCESSING, Phase.RESPONDING):
        step.enter(Phase.ACTIVE)
    if run.kind is RunKind.LINE:
        # The model has not seen these words: the next reply should not have to wait for it to read them.
        prime(step)


def _remember(step: Step, user_text: str, heard: str) -> None:
    history = with_message(step.state.history, ChatRole.USER, user_text)
    step.change(history=with_message(history, ChatRole.ASSISTANT, heard))


def cancel_silent_run(step: Step, run: Run) -> None:
    """Ends a run nobody heard; the turn it answers stays open."""
    step.to_inference(CancelRun(), run.id)
    step.emit(DropRun(run_id=run.id))
    step.change(run=None)


def flush_run(step: Step, run: Run) -> None:
    """Ends a run that is heard: its sound stops now, its words are settled when the edge reports."""
    step.to_inference(CancelRun(), run.id)
    settle_flush(step, None)
    if step.state.speaks:
        step.emit(FlushRun(run_id=run.id))
        deadline_ms = step.now_ms + step.policy.deadlines.playout_ms
        flushing = Flushing(run_id=run.id, user_text=run.user_text, segments=run.segments, deadline_ms=deadline_ms)
        step.change(flushing=flushing)
    else:
        _remember(step, run.user_text, played_text(run.segments))
    step.change(run=None, watch=None, quiet_since_ms=step.now_ms)
    step.enter(Phase.ACTIVE)


def settle_flush(step: Step, heard: str | None) -> None:
    """Writes a flushed run into the history; `heard` None: the edge did not say, count what left completely."""
    flushing = step.state.flushing
    if flushing is None:
        return
    step.change(flushing=None)
    _remember(step, flushing.user_text, played_text(flushing.segments) if heard is None else heard)


def on_run_failed(step: Step, run: Run, event: events.RunFailed) -> None:
    """A stage of the run failed on the inference node."""
    fail_run(step, run, event.stage, event.reason, event.detail)


def fail_run(step: Step, run: Run, stage: Stage, reason: FailureReason, detail: str) -> None:
    """A stage of the run failed or overran: say what is ready, or a recovery line, or nothing."""
    step.report_failure(stage, reason, detail, run_id=run.id, utterance_id=run.turn_id)
    if run.status is RunStatus.SILENT:
        cancel_silent_run(step, run)
        _recover(step, run, stage)
        return
    if run.closed and stage is not Stage.EDGE:
        return
    if stage is Stage.EDGE or not step.state.speaks:
        flush_run(step, run)
        return
    step.to_inference(CancelRun(), run.id)
    kept = tuple(segment for segment in run.segments if segment.samples is not None or segment.started)
    known = tuple(replace(segment, samples=segment.samples or 0) for segment in kept)
    run = step.change_run(
        run,
        segments=known,
        buffer="",
        written=True,
        closed=True,
        truncated=True,
        writing_deadline_ms=None,
        synthesis_deadline_ms=None,
    )
    step.emit(CloseRun(run_id=run.id))
    watch_playout(step, run)


def _recover(step: Step, run: Run, stage: Stage) -> None:
    """After a silent run failed: a recovery line instead, unless it was a line itself or no voice is left."""
    line = step.policy.recovery.llm_failed
    turn = step.turn
    if turn is not None and turn.id == run.turn_id and run.kind is RunKind.REPLY and stage is Stage.LLM and line:
        start_line(step, line, turn)
    else:
        _end_run(step, run, "")
