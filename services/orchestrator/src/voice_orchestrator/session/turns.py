"""Turn-taking: when the caller has finished, what was said, and what speech over the agent means."""

from voice_contract.audio import samples_from_ms
from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import (
    BargeIn,
    BargeInOutcome,
    CancelTranscription,
    Phase,
    Speaker,
    Transcribe,
    TranscribeKind,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import PauseRun, ResumeRun
from voice_orchestrator.session.runs import (
    cancel_silent_run,
    flush_run,
    settle_flush,
    start_line,
    start_reply,
    watch_playout,
)
from voice_orchestrator.session.state import BargeInWatch, Run, RunStatus, Turn
from voice_orchestrator.session.step import Step

LEAD_IN_SAMPLES = samples_from_ms(300)
"""Sound before the detected onset that is transcribed too: VAD is late on soft beginnings."""

LEAD_OUT_SAMPLES = samples_from_ms(200)
"""Sound after the last speech sample that is transcribed too: VAD is early on soft endings."""

WORDLESS_TURN_MS_MIN = 1_000
"""Speech without words shorter than this is taken for a noise and not answered."""


# --- speech


def on_speech_started(step: Step, event: events.SpeechStarted) -> None:
    """Speech opens a turn, or goes on with the one that was trailing or silently answered."""
    step.change(quiet_since_ms=step.now_ms)
    turn, run = step.turn, step.run
    if turn is not None and turn.speaking:
        step.ignore("speech_already_open")
        return
    if run is not None and run.status is RunStatus.SILENT:
        cancel_silent_run(step, run)
        step.enter(Phase.ACTIVE)
    if turn is None or turn.typed:
        _open_turn(step, event)
    else:
        _reopen_turn(step, turn, event)
    if run is not None and run.status is RunStatus.AUDIBLE and step.state.speaks and step.policy.interruptions.enabled:
        _pause(step, run, event.spoken_at_ms)


def _open_turn(step: Step, event: events.SpeechStarted) -> None:
    turn = Turn(
        id=step.state.next_turn_id,
        typed=False,
        start_offset_samples=max(0, event.offset_samples - LEAD_IN_SAMPLES),
        started_at_ms=event.spoken_at_ms,
        speaking=True,
        spoken_until_ms=event.spoken_at_ms,
        partial_at_ms=_partial_at(step),
    )
    step.change(turn=turn, next_turn_id=turn.id + 1)


def _reopen_turn(step: Step, turn: Turn, event: events.SpeechStarted) -> None:
    """The caller goes on: one turn, whose words are asked for again when it ends."""
    if turn.transcription_deadline_ms is not None:
        step.to_inference(CancelTranscription(utterance_id=turn.id))
    step.change_turn(
        turn,
        speaking=True,
        spoken_until_ms=max(turn.spoken_until_ms, event.spoken_at_ms),
        partial_pending=False,
        partial_at_ms=_partial_at(step),
        transcription_deadline_ms=None,
        final_revision=0,
        text=None,
        failure=None,
        committed_at_ms=None,
        announced=False,
    )
    if step.state.phase is Phase.PROCESSING:
        step.enter(Phase.ACTIVE)


def _partial_at(step: Step) -> int | None:
    interval_ms = step.policy.turn_taking.partial_interval_ms
    return step.now_ms + interval_ms if interval_ms else None


def on_speech_ended(step: Step, event: events.SpeechEnded) -> None:
    """The caller fell silent: ask for the words while the silence is being judged."""
    turn = step.turn
    if turn is None or not turn.speaking:
        step.ignore("no_open_speech")
        return
    step.change(quiet_since_ms=step.now_ms)
    turn = step.change_turn(
        turn,
        speaking=False,
        spoken_until_ms=max(turn.started_at_ms, event.spoken_at_ms),
        end_offset_samples=event.offset_samples,
    )
    _request_final(step, turn, event.offset_samples + LEAD_OUT_SAMPLES)
    _decide_by_duration(step)


def _request_final(step: Step, turn: Turn, end_offset_samples: int) -> None:
    turn = step.change_turn(
        turn,
        revision=turn.revision + 1,
        final_revision=turn.revision + 1,
        partial_pending=False,
        partial_at_ms=None,
        transcription_deadline_ms=step.now_ms + step.policy.deadlines.transcription_ms,
    )
    step.to_inference(
        Transcribe(
            utterance_id=turn.id,
            revision=turn.revision,
            kind=TranscribeKind.FINAL,
            start_offset_samples=turn.start_offset_samples,
            end_offset_samples=end_offset_samples,
        )
    )


def request_partial(step: Step) -> None:
    """Asks for the words so far, unless the last request is still open."""
    turn = step.turn
    assert turn is not None, "no deadline of a turn is armed without one"
    if turn.partial_pending:
        step.change_turn(turn, partial_at_ms=_partial_at(step))
        return
    turn = step.change_turn(turn, revision=turn.revision + 1, partial_pending=True, partial_at_ms=_partial_at(step))
    step.to_inference(
        Transcribe(
            utterance_id=turn.id,
            revision=turn.revision,
            kind=TranscribeKind.PARTIAL,
            start_offset_samples=turn.start_offset_samples,
            end_offset_samples=0,
        )
    )


def end_long_turn(step: Step) -> None:
    """Speech without end: take what there is. What follows belongs to no turn until the next onset."""
    assert step.turn is not None, "no deadline of a turn is armed without one"
    turn = step.change_turn(step.turn, speaking=False, spoken_until_ms=step.now_ms)
    _request_final(step, turn, 0)


# --- words


def on_caller_transcribed(step: Step, event: events.CallerTranscribed) -> None:
    """Words of the open turn: shown while partial, kept when final."""
    turn = step.turn
    if turn is None or event.utterance_id != turn.id or event.revision != turn.revision:
        step.ignore("transcript_superseded")
        return
    if event.kind is TranscribeKind.PARTIAL:
        step.change_turn(turn, partial_pending=False)
        if turn.speaking and event.text:
            _announce_caller(step, turn.id, TranscriptKind.PARTIAL, event.text)
        return
    if turn.settled or event.revision != turn.final_revision:
        step.ignore("transcript_repeated")
        return
    turn = step.change_turn(
        turn,
        text=" ".join(event.text.split()),
        mean_log_probability=event.mean_log_probability,
        transcribed_at_ms=step.now_ms,
        transcription_deadline_ms=None,
    )
    if turn.committed_at_ms is None and turn.text:
        _announce_caller(step, turn.id, TranscriptKind.PARTIAL, turn.text)
    _decide_by_words(step, turn)


def on_transcription_failed(step: Step, event: events.TranscriptionFailed) -> None:
    """The words of the open turn cannot be had; a failed partial only costs its display."""
    turn = step.turn
    if turn is None or event.utterance_id != turn.id or turn.settled:
        step.ignore("transcript_superseded")
        return
    if not turn.final_revision:
        step.change_turn(turn, partial_pending=False)
        return
    fail_transcription(step, event.reason, event.detail)


def fail_transcription(step: Step, reason: FailureReason, detail: str) -> None:
    """Gives up the words of the open turn."""
    turn = step.turn
    assert turn is not None, "only the words of the open turn can fail"
    step.report_failure(Stage.STT, reason, detail, utterance_id=turn.id)
    step.to_inference(CancelTranscription(utterance_id=turn.id))
    turn = step.change_turn(turn, failure=reason, transcription_deadline_ms=None, transcribed_at_ms=step.now_ms)
    _decide_by_words(step, turn)


def _announce_caller(step: Step, turn_id: int, kind: TranscriptKind, text: str) -> None:
    step.to_edge(Transcript(speaker=Speaker.CALLER, kind=kind, text=text, utterance_id=turn_id))


# --- commit and answer


def commit_due_at_ms(turn: Turn, min_delay_ms: int) -> int:
    """When a trailing turn may be committed, session milliseconds."""
    return turn.spoken_until_ms + min_delay_ms


def settle_turn(step: Step) -> None:
    """Commits a turn whose silence lasted long enough and answers a committed turn whose words are known.

    Called after every event, so that it does not matter which of the conditions came last.
    """
    turn = step.turn
    if turn is None or turn.speaking or step.run is not None:
        return
    if step.state.phase not in (Phase.ACTIVE, Phase.PROCESSING):
        return
    if turn.committed_at_ms is None:
        if step.now_ms < commit_due_at_ms(turn, step.policy.turn_taking.min_delay_ms):
            return
        turn = step.change_turn(turn, committed_at_ms=step.now_ms)
    if turn.settled:
        _answer(step, turn)
    else:
        step.enter(Phase.PROCESSING)


def _answer(step: Step, turn: Turn) -> None:
    settle_flush(step, None)
    recovery = step.policy.recovery
    if turn.text:
        step.enter(Phase.PROCESSING)
        if not turn.announced:
            _announce_caller(step, turn.id, TranscriptKind.FINAL, turn.text)
            turn = step.change_turn(turn, announced=True)
        start_reply(step, turn, turn.text or "")
        return
    line = recovery.stt_failed if turn.failure else recovery.no_words
    long_enough = turn.spoken_until_ms - turn.started_at_ms >= WORDLESS_TURN_MS_MIN
    if line and (turn.failure or long_enough):
        step.enter(Phase.PROCESSING)
        start_line(step, line, turn)
        return
    drop_turn(step, turn)
    step.enter(Phase.ACTIVE)


def drop_turn(step: Step, turn: Turn) -> None:
    """Forgets a turn that is not answered."""
    if turn.transcription_deadline_ms is not None or turn.partial_pending:
        step.to_inference(CancelTranscription(utterance_id=turn.id))
    step.change(turn=None, quiet_since_ms=step.now_ms)


def on_caller_typed(step: Step, event: events.CallerTyped) -> None:
    """A typed turn is complete; it takes the place of whatever was going on."""
    text = " ".join(event.text.split())
    if not text:
        step.ignore("empty_text")
        return
    run = step.run
    if run is not None and run.status is RunStatus.SILENT:
        cancel_silent_run(step, run)
    elif run is not None:
        if step.state.watch is not None:
            _announce_decision(step, BargeInOutcome.CONFIRMED)
        flush_run(step, run)
    if step.turn is not None:
        kept = step.turn.text if step.turn.committed_at_ms is not None else None
        text = f"{kept} {text}" if kept else text
        drop_turn(step, step.turn)
    if step.state.phase is Phase.PROCESSING:
        step.enter(Phase.ACTIVE)
    turn = Turn(
        id=step.state.next_turn_id,
        typed=True,
        start_offset_samples=0,
        started_at_ms=step.now_ms,
        speaking=False,
        spoken_until_ms=step.now_ms,
        text=text,
        transcribed_at_ms=step.now_ms,
        committed_at_ms=step.now_ms,
    )
    step.change(turn=turn, next_turn_id=turn.id + 1, quiet_since_ms=step.now_ms)


# --- barge-in


def _pause(step: Step, run: Run, onset_ms: int) -> None:
    step.change_run(run, status=RunStatus.PAUSED, playout_deadline_ms=None)
    step.change(watch=BargeInWatch(onset_ms=onset_ms, paused_at_ms=step.now_ms))
    step.emit(PauseRun(run_id=run.id))
    _announce_decision(step, BargeInOutcome.PAUSED)


def _decide_by_duration(step: Step) -> None:
    watch, turn = step.state.watch, step.turn
    if watch is None or turn is None:
        return
    if turn.spoken_until_ms - watch.onset_ms >= step.policy.interruptions.min_duration_ms:
        confirm_barge_in(step)


def _decide_by_words(step: Step, turn: Turn) -> None:
    if step.state.watch is None:
        return
    policy = step.policy.interruptions
    words = (turn.text or "").split()
    if len(words) >= policy.min_words and words and turn.mean_log_probability >= policy.min_log_probability:
        confirm_barge_in(step)
    else:
        end_pause(step, BargeInOutcome.REJECTED)


def confirm_barge_in(step: Step) -> None:
    """The caller means it: the run ends, its words are what was heard."""
    assert step.run is not None, "a pause is always of a run"
    _announce_decision(step, BargeInOutcome.CONFIRMED)
    flush_run(step, step.run)


def end_pause(step: Step, outcome: BargeInOutcome) -> None:
    """It was nothing, or it was not decided in time: the run goes on and the speech is forgotten."""
    _announce_decision(step, outcome)
    step.change(watch=None)
    assert step.turn is not None, "a pause is always for a turn"
    assert step.run is not None, "a pause is always of a run"
    drop_turn(step, step.turn)
    run = step.change_run(step.run, status=RunStatus.AUDIBLE)
    step.emit(ResumeRun(run_id=run.id))
    watch_playout(step, run)


def _announce_decision(step: Step, outcome: BargeInOutcome) -> None:
    watch, run, turn = step.state.watch, step.run, step.turn
    assert watch is not None, "only a pause is decided"
    assert run is not None, "a pause is always of a run"
    until_ms = step.now_ms if turn is None or turn.speaking else turn.spoken_until_ms
    length_ms = max(0, until_ms - watch.onset_ms)
    step.to_edge(BargeIn(outcome=outcome, speech_length_ms=length_ms), run.id)
