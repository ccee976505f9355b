"""The work of a run: writing, segmenting, synthesis; begun early or at the commit, adopted, held, failed."""

from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import (
    BargeInCause,
    BargeInOutcome,
    CancelRun,
    ChatMessage,
    FinishReason,
    Generate,
    Phase,
    SpeculationOutcome,
    Synthesize,
)
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import CloseRun, SpeakPrepared
from voice_orchestrator.session.evolve import evolved
from voice_orchestrator.session.hearing import (
    announce_decision,
    announce_segment,
    announce_speculation,
    cancel_silent_run,
    end_run,
    flush_run,
    release,
    requested,
    segments_with,
    watch_playout,
)
from voice_orchestrator.session.history import as_message, played_text, prompt, whole_text
from voice_orchestrator.session.policy import LineKind
from voice_orchestrator.session.segmentation import split_all, split_ready
from voice_orchestrator.session.state import LatencyMarks, Run, RunKind, RunStatus, Segment, Turn
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.tool_record import tool_entries
from voice_orchestrator.session.tools import start_held_tools

SEGMENTS_AHEAD_MAX = 3
"""Segments synthesised or being synthesised that were not played yet: bounds what an interruption throws away."""

SEGMENTS_AHEAD_SPECULATIVE = 1
"""The same while the turn is not committed: only what the commit releases at once."""


# --- beginning


def start_reply(step: Step, turn: Turn, *, speculative: bool) -> Run:
    """Has the model answer the turn; `speculative`: silently, until the turn is committed."""
    run = _open_run(step, RunKind.REPLY, None, turn, speculative=speculative)
    run = step.change_run(run, writing_deadline_ms=step.now_ms + step.policy.deadlines.first_token_ms)
    generate(step, run, prompt(step.policy, step.state.history, run.user_text), with_tools=True)
    return run


def generate(step: Step, run: Run, messages: tuple[ChatMessage, ...], *, with_tools: bool) -> None:
    """Has the model write."""
    generation = step.policy.generation
    step.to_inference(
        Generate(
            messages=messages,
            max_tokens=generation.max_tokens,
            temperature=generation.temperature,
            top_p=generation.top_p,
            seed=generation.seed,
            stop=generation.stop,
            tools=step.policy.tools.declarations if with_tools else (),
        ),
        run.id,
    )


def say_rest(step: Step) -> None:
    """Goes on with a reply whose node was lost, unless the caller has gone on meanwhile."""
    rest = step.state.unsaid
    if not rest:
        return
    if step.turn is not None:
        step.change(unsaid=())
    elif step.run is None and step.state.phase is Phase.ACTIVE:
        step.change(unsaid=())
        run = _open_run(step, RunKind.REPLY, None, None, speculative=False)
        _add_segments(step, run, rest, written=True)


def start_line(step: Step, line: str, kind: LineKind, turn: Turn | None) -> None:
    """Says a line of the profile, in place of a reply to `turn` when there is one."""
    run = _open_run(step, RunKind.LINE, kind, turn, speculative=False)
    _add_segments(step, run, split_all(line, first=True), written=True)


def say_hold_line(step: Step) -> None:
    """There is no node for longer than a caller should hear nothing: a line whose sound is at hand."""
    step.change(hold_line_due_ms=None)
    text = step.policy.recovery.node_lost
    run = _open_run(step, RunKind.LINE, LineKind.HOLD, None, speculative=False)
    step.change_run(
        run,
        segments=(Segment(text=text, requested=True),),
        written=True,
        synthesis_deadline_ms=step.now_ms + step.policy.deadlines.synthesis_ms,
    )
    step.emit(SpeakPrepared(run_id=run.id, text=text))


def _open_run(step: Step, kind: RunKind, line: LineKind | None, turn: Turn | None, *, speculative: bool) -> Run:
    run = Run(
        id=step.state.next_run_id,
        kind=kind,
        line=line,
        status=RunStatus.SILENT,
        answers=turn,
        user_text=turn.words if turn else "",
        began_at_ms=step.now_ms,
        marks=_marks(step, turn),
        speculative=speculative,
    )
    step.change(run=run, next_run_id=run.id + 1)
    return run


def _marks(step: Step, turn: Turn | None) -> LatencyMarks | None:
    if turn is None:
        return None
    return LatencyMarks(
        spoken_until_ms=turn.spoken_until_ms,
        committed_at_ms=step.now_ms if turn.committed_at_ms is None else turn.committed_at_ms,
        transcribed_at_ms=turn.transcribed_at_ms,
    )


# --- between speculation and commit


def adopt_run(step: Step, run: Run, turn: Turn) -> None:
    """The turn of a speculative run is committed with the same words: what is ready is heard at once."""
    if run.held:
        announce_decision(step, run, BargeInOutcome.REJECTED, BargeInCause.NO_WORDS, turn.onset_ms)
    announce_speculation(step, run, SpeculationOutcome.KEPT)
    assert run.marks is not None, "it answers a turn"
    marks = evolved(
        run.marks,
        {
            "spoken_until_ms": turn.spoken_until_ms,
            "committed_at_ms": turn.committed_at_ms,
            "transcribed_at_ms": turn.transcribed_at_ms,
        },
    )
    run = step.change_run(run, speculative=False, held=False, answers=turn, user_text=turn.words, marks=marks)
    start_held_tools(step, run)
    if not step.state.speaks:
        _show_text(step, run)
        return
    if run.sounded:
        run = release(step, run)
    _request_synthesis(step, run)


def hold_run(step: Step, run: Run, onset_ms: int) -> None:
    """The caller goes on while the reply is being prepared: it may not be heard before that is over."""
    if run.speculative:
        return
    announce_decision(step, run, BargeInOutcome.PAUSED, BargeInCause.ONSET, onset_ms)
    step.change_run(run, speculative=True, held=True)


def continue_reply(step: Step, run: Run) -> None:
    """The tools the run waited for have answered: the model goes on with what they gave back."""
    messages = list(prompt(step.policy, step.state.history, run.user_text))
    spoken = whole_text(run.segments)
    for call in step.state.tools:
        if call.run_id == run.id:
            messages += [as_message(entry) for entry in tool_entries(call, spoken)]
            spoken = ""
    run = step.change_run(
        run,
        awaits_tools=False,
        round_begun=False,
        tool_round=run.tool_round + 1,
        writing_deadline_ms=step.now_ms + step.policy.deadlines.first_token_ms,
    )
    generate(step, run, tuple(messages), with_tools=run.tool_round < step.policy.tools.rounds_max)


# --- writing and synthesis


def on_reply_text(step: Step, run: Run, event: events.ReplyText) -> None:
    """A piece of the reply: cut what is complete into segments."""
    if run.written or run.awaits_tools:
        step.ignore("text_after_end")
        return
    changes: dict[str, object] = {"written_tokens": run.written_tokens + 1}
    if not run.round_begun:
        changes["round_begun"] = True
        changes["writing_deadline_ms"] = step.now_ms + step.policy.deadlines.generation_ms
    if run.marks is not None and run.marks.first_text_at_ms is None:
        changes["marks"] = evolved(run.marks, {"first_text_at_ms": step.now_ms})
    ready, changes["buffer"] = split_ready(run.buffer + event.text, first=not run.segments)
    run = step.change_run(run, **changes)
    if ready:
        _add_segments(step, run, ready, written=False)


def on_reply_ended(step: Step, run: Run, event: events.ReplyEnded) -> None:
    """The reply is written: what is left of it is the last segment. Or the model waits for its tools."""
    if run.written or run.awaits_tools:
        step.ignore("end_after_end")
        return
    waits = event.reason is FinishReason.TOOLS and any(call.run_id == run.id for call in step.state.tools)
    ready = split_all(run.buffer, first=not run.segments)
    run = step.change_run(run, buffer="", writing_deadline_ms=None, awaits_tools=waits)
    _add_segments(step, run, ready, written=not waits)


def _add_segments(step: Step, run: Run, texts: tuple[str, ...], *, written: bool) -> None:
    marks = run.marks
    if texts and marks is not None and marks.first_segment_at_ms is None:
        marks = evolved(marks, {"first_segment_at_ms": step.now_ms})
    added = tuple(Segment(text=text) for text in texts)
    run = step.change_run(run, segments=run.segments + added, marks=marks, written=written)
    if written and not run.segments:
        fail_run(step, run, Stage.LLM, FailureReason.EMPTY_RESULT, "the reply holds no words")
    elif step.state.speaks:
        _request_synthesis(step, run)
        _close_when_complete(step)
    elif not run.speculative:
        _show_text(step, run)


def _show_text(step: Step, run: Run) -> None:
    """Words only: every segment is heard the moment it is complete."""
    for index, segment in enumerate(run.segments):
        if not segment.played:
            release(step, run)
            announce_segment(step, run.id, index, segment.text)
    heard = {"started": True, "played": True}
    run = step.change_run(
        run,
        status=RunStatus.AUDIBLE if run.segments else run.status,
        segments=tuple(evolved(segment, heard) for segment in run.segments),
    )
    if run.written:
        end_run(step, run, played_text(run.segments), interrupted=False)


def _request_synthesis(step: Step, run: Run) -> None:
    if run.closed:
        return
    ahead_max = SEGMENTS_AHEAD_SPECULATIVE if run.speculative else SEGMENTS_AHEAD_MAX
    ahead = sum(1 for segment in run.segments if segment.requested and not segment.played)
    segments, waiting = list(run.segments), False
    for index, segment in enumerate(segments):
        if not segment.requested:
            if ahead >= ahead_max:
                break
            segments[index] = evolved(segment, {"requested": True})
            ahead += 1
            message = Synthesize(segment_index=index, text=segment.text, speaking_rate=step.policy.speaking_rate)
            step.to_inference(message, run.id)
            waiting = True
        elif segment.samples is None:
            waiting = True
    if waiting:
        deadline_ms = run.synthesis_deadline_ms or step.now_ms + step.policy.deadlines.synthesis_ms
        step.change_run(run, segments=tuple(segments), synthesis_deadline_ms=deadline_ms)


def on_segment_sounded(step: Step, run: Run, event: events.SegmentSounded) -> None:
    """The first sound of a segment is here; the run's very first one makes it audible."""
    index = event.segment_index
    if run.closed or not requested(run, index):
        step.ignore("segment_not_requested")
        return
    sounded = evolved(run.segments[index], {"sounded": True})
    _sound(step, step.change_run(run, segments=segments_with(run.segments, index, sounded)))


def _sound(step: Step, run: Run) -> Run:
    if not run.sounded:
        marks = run.marks
        if marks is not None and marks.first_sound_at_ms is None:
            marks = evolved(marks, {"first_sound_at_ms": step.now_ms})
        run = step.change_run(run, marks=marks, sounded=True)
    return run if run.speculative else release(step, run)


def on_segment_synthesised(step: Step, run: Run, event: events.SegmentSynthesised) -> None:
    """A segment is spoken completely: ask for the next, or close the run."""
    index, samples = event.segment_index, event.total_samples
    if run.closed or not requested(run, index) or run.segments[index].samples is not None:
        # After the close the fence takes no more sound: what comes late was not heard.
        step.ignore("segment_not_requested")
        return
    # A short one may have left completely before its node said that it was complete.
    segment = run.segments[index]
    spoken = {"samples": samples, "word_ends": event.word_ends, "played": segment.played or samples == 0}
    segments = segments_with(run.segments, index, evolved(segment, spoken))
    run = step.change_run(run, segments=segments, synthesis_deadline_ms=None)
    if samples:
        run = _sound(step, run)
    _request_synthesis(step, run)
    _close_when_complete(step)


def on_segment_played(step: Step, run: Run, event: events.SegmentPlayed) -> None:
    """A segment's last sample left for the edge: there is room to synthesise one more."""
    index = event.segment_index
    if not requested(run, index) or not run.segments[index].started or run.segments[index].played:
        step.ignore("segment_not_playing")
        return
    played = evolved(run.segments[index], {"played": True})
    run = step.change_run(run, segments=segments_with(run.segments, index, played))
    _request_synthesis(step, run)
    watch_playout(step, step.run or run)


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


# --- failure


def on_run_failed(step: Step, run: Run, event: events.RunFailed) -> None:
    """A stage of the run failed on the inference node."""
    fail_run(step, run, event.stage, event.reason, event.detail)


def fail_run(step: Step, run: Run, stage: Stage, reason: FailureReason, detail: str) -> None:
    """A stage of the run failed or overran: say what is ready, or a recovery line, or nothing."""
    step.report_failure(stage, reason, detail, run_id=run.id, utterance_id=run.turn_id)
    if run.status is RunStatus.SILENT:
        _fail_silent(step, run, stage)
        return
    if run.closed and stage is not Stage.EDGE:
        return
    if stage is Stage.EDGE or not step.state.speaks:
        if step.state.watch is not None:
            announce_decision(step, run, BargeInOutcome.REJECTED, BargeInCause.RUN_ENDED, step.state.watch.onset_ms)
        flush_run(step, run)
        return
    step.to_inference(CancelRun(), run.id)
    _cut_short(step, run)


def play_on(step: Step, run: Run) -> None:
    """The node is gone: what of the run is here is heard, what was written beyond that is said by the next node."""
    if run.closed:
        return
    rest = tuple(segment.text for segment in run.segments if segment.samples is None and not segment.sounded)
    _cut_short(step, run)
    step.change(unsaid=rest)


def _cut_short(step: Step, run: Run) -> None:
    """No more sound of the run will come: its end is that of what is here."""
    kept = tuple(segment for segment in run.segments if segment.samples is not None or segment.sounded)
    run = step.change_run(
        run,
        segments=kept,
        buffer="",
        written=True,
        closed=True,
        truncated=True,
        awaits_tools=False,
        writing_deadline_ms=None,
        synthesis_deadline_ms=None,
    )
    step.emit(CloseRun(run_id=run.id))
    watch_playout(step, run)


def _fail_silent(step: Step, run: Run, stage: Stage) -> None:
    """Nothing of the run was heard: try again at the commit, or a recovery line, or nothing."""
    turn = step.turn
    speculative, mine = run.speculative, turn is not None and turn.id == run.turn_id
    cancel_silent_run(step, run, SpeculationOutcome.FAILED)
    if speculative and turn is not None and mine:
        step.change_turn(turn, unspeculative=True)
        return
    line = step.policy.recovery.llm_failed
    if turn is not None and mine and run.kind is RunKind.REPLY and stage in (Stage.LLM, Stage.TOOL) and line:
        start_line(step, line, LineKind.RECOVERY, turn)
    else:
        end_run(step, run, "", interrupted=False)
