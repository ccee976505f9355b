"""The words of the open turn and the judgement of its pause: asked for, shown, taken, or given up."""

from voice_contract.audio import samples_from_ms
from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import (
    BargeInCause,
    CancelTranscription,
    PrimePrompt,
    ScoreEndOfTurn,
    Speaker,
    SpeculationOutcome,
    Transcribe,
    TranscribeKind,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.session import events
from voice_orchestrator.session.barge_in import asked_for_words, judge_words
from voice_orchestrator.session.hearing import cancel_silent_run
from voice_orchestrator.session.history import prompt
from voice_orchestrator.session.state import RunStatus, Turn
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.words import extend_shown, same_words

LEAD_OUT_SAMPLES = samples_from_ms(200)
"""Sound after the last speech sample that is transcribed too: VAD is early on soft endings."""


WATCH_INTERVAL_MS = 500
"""How often the words over the agent are asked for where partial transcripts are switched off."""


# --- asking


def request_final(step: Step, turn: Turn, end_offset_samples: int) -> Turn:
    """Asks for the words of the whole turn; `end_offset_samples` 0: up to now."""
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
    return turn


def request_score(step: Step, turn: Turn) -> Turn:
    """Has the pause judged, once, where the node can."""
    if not step.state.scores:
        return turn
    turn = step.change_turn(turn, score_deadline_ms=step.now_ms + step.policy.deadlines.end_of_turn_ms)
    heard_until = turn.end_offset_samples + samples_from_ms(step.policy.vad.min_silence_ms)
    step.to_inference(
        ScoreEndOfTurn(
            utterance_id=turn.id,
            revision=turn.final_revision,
            start_offset_samples=turn.start_offset_samples,
            end_offset_samples=max(heard_until, turn.start_offset_samples + 1),
        )
    )
    return turn


def next_partial_at(step: Step) -> int | None:
    """When the words so far are asked for next."""
    interval_ms = step.policy.turn_taking.partial_interval_ms
    if not interval_ms and step.state.watch is not None:
        interval_ms = WATCH_INTERVAL_MS
    return step.now_ms + interval_ms if interval_ms else None


def request_partial(step: Step) -> None:
    """Asks for the words so far, unless the last request is still open."""
    turn = step.turn
    assert turn is not None, "no deadline of a turn is armed without one"
    if turn.partial_pending:
        step.change_turn(turn, partial_at_ms=next_partial_at(step))
        return
    turn = step.change_turn(turn, revision=turn.revision + 1, partial_pending=True, partial_at_ms=next_partial_at(step))
    step.to_inference(
        Transcribe(
            utterance_id=turn.id,
            revision=turn.revision,
            kind=TranscribeKind.PARTIAL,
            start_offset_samples=turn.start_offset_samples,
            end_offset_samples=0,
        )
    )


def request_words_over_agent(step: Step) -> None:
    """Speech goes on over the agent: what it says decides."""
    asked_for_words(step)
    request_partial(step)


def give_up_requests(step: Step, turn: Turn) -> None:
    """Nobody waits any more for what was asked about the turn."""
    if turn.transcription_deadline_ms is not None or turn.score_deadline_ms is not None:
        step.to_inference(CancelTranscription(utterance_id=turn.id))


# --- answers


def on_caller_transcribed(step: Step, event: events.CallerTranscribed) -> None:
    """Words of the open turn: shown while partial, kept when final."""
    turn = step.turn
    if turn is None or event.utterance_id != turn.id or event.revision != turn.revision:
        step.ignore("transcript_superseded")
        return
    text = " ".join(event.text.split())
    if event.kind is TranscribeKind.PARTIAL:
        _take_partial(step, turn, text, event)
        return
    if turn.settled or not turn.final_revision or event.revision != turn.final_revision:
        step.ignore("transcript_repeated")
        return
    turn = _show(step, turn, text)
    turn = step.change_turn(
        turn,
        text=text,
        mean_log_probability=event.mean_log_probability,
        no_speech_probability=event.no_speech_probability,
        transcribed_at_ms=step.now_ms,
        transcription_deadline_ms=None,
    )
    judge_words(step, turn, text, final=True)
    _compare_with_run(step)


def _take_partial(step: Step, turn: Turn, text: str, event: events.CallerTranscribed) -> None:
    if not turn.partial_pending or not turn.speaking:
        step.ignore("transcript_repeated")
        return
    turn = step.change_turn(
        turn,
        partial_pending=False,
        mean_log_probability=event.mean_log_probability,
        no_speech_probability=event.no_speech_probability,
    )
    shown = turn.shown_text
    turn = _show(step, turn, text)
    watch = step.state.watch
    if watch is not None:
        if step.now_ms - watch.onset_ms >= step.policy.interruptions.min_duration_ms:
            judge_words(step, turn, text, final=False)
    elif turn.shown_text != shown and step.policy.turn_taking.preemptive_generation and step.run is None:
        # These words will not change: the model may read them while the caller speaks the rest.
        said = f"{turn.prefix} {turn.shown_text}".strip()
        step.to_inference(PrimePrompt(messages=prompt(step.policy, step.state.history, said)))


def _show(step: Step, turn: Turn, text: str) -> Turn:
    """Shows the edge as much of the newest words as will stay."""
    shown = extend_shown(turn.shown_text, turn.partial_text, text)
    if shown != turn.shown_text:
        announce_caller(step, turn, TranscriptKind.PARTIAL, shown)
    return step.change_turn(turn, partial_text=text, shown_text=shown)


def announce_caller(step: Step, turn: Turn, kind: TranscriptKind, text: str) -> None:
    """Tells the edge what the caller said."""
    step.to_edge(Transcript(speaker=Speaker.CALLER, kind=kind, text=text, utterance_id=turn.id))


def _compare_with_run(step: Step) -> None:
    """The words of the turn are known again: a reply to other words is superseded, one to the same is kept."""
    turn, run = step.turn, step.run
    if turn is None or run is None or run.status is not RunStatus.SILENT or run.turn_id != turn.id:
        return
    if not same_words(turn.words, run.user_text):
        cancel_silent_run(step, run, SpeculationOutcome.SUPERSEDED, BargeInCause.WORDS)


# --- failures


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
    turn = step.change_turn(
        turn, failure=reason, transcription_deadline_ms=None, score_deadline_ms=None, transcribed_at_ms=step.now_ms
    )
    judge_words(step, turn, "", final=True)
    if step.turn is not None and turn.known_text:
        # What the caller said before they went on is known; it is answered rather than nothing.
        step.change_turn(step.turn, text=turn.known_text, failure=None)
    _compare_with_run(step)


def transcription_overran(step: Step) -> None:
    """The words did not come in time."""
    fail_transcription(step, FailureReason.DEADLINE_EXCEEDED, "transcription overran its deadline")


# --- the judgement of the pause


def on_end_of_turn_scored(step: Step, event: events.EndOfTurnScored) -> None:
    """The pause is judged."""
    turn = step.turn
    if turn is None or event.utterance_id != turn.id or event.revision != turn.final_revision:
        step.ignore("score_superseded")
        return
    if turn.score_deadline_ms is None:
        step.ignore("score_repeated")
        return
    step.change_turn(turn, score=event.probability, score_deadline_ms=None)


def on_end_of_turn_failed(step: Step, event: events.EndOfTurnFailed) -> None:
    """The pause cannot be judged: its length decides alone."""
    turn = step.turn
    if turn is None or event.utterance_id != turn.id or turn.score_deadline_ms is None:
        step.ignore("score_superseded")
        return
    _fail_score(step, turn, event.reason, event.detail)


def end_of_turn_overran(step: Step) -> None:
    """The judgement did not come in time."""
    assert step.turn is not None, "no deadline of a turn is armed without one"
    _fail_score(step, step.turn, FailureReason.DEADLINE_EXCEEDED, "judging the end of the turn overran its deadline")


def _fail_score(step: Step, turn: Turn, reason: FailureReason, detail: str) -> None:
    step.report_failure(Stage.END_OF_TURN, reason, detail, utterance_id=turn.id)
    step.change_turn(turn, score=None, score_deadline_ms=None)
