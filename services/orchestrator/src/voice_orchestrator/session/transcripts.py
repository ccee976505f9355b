"""The words of the open turn and the judgement of its pause: asked for, shown, taken, or given up."""

from collections.abc import Mapping
from typing import Any, Final

from voice_contract.audio import samples_from_ms
from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import (
    BargeInCause,
    CancelTranscription,
    PrimePrompt,
    ScoreEndOfTurn,
    ScoreWords,
    Speaker,
    SpeculationOutcome,
    Transcribe,
    TranscribeKind,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.session import events
from voice_orchestrator.session.barge_in import asked_for_words, judge_words
from voice_orchestrator.session.endpointing import VOICE_UNKNOWN
from voice_orchestrator.session.hearing import cancel_silent_run
from voice_orchestrator.session.history import prompt
from voice_orchestrator.session.state import Origin, RunStatus, Turn
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.words import extend_shown, same_words

LEAD_OUT_SAMPLES = samples_from_ms(200)
"""Sound after the last speech sample that is transcribed too: VAD is early on soft endings."""


EARLY_INTERVAL_MS = 400
"""Words are asked for at most this often when speech falters: a request costs a fifth of a second of both cores."""


EARLY_MISSES_MAX_SAMPLES = samples_from_ms(64)
"""The words are complete when so little of what VAD takes for speech lies behind their sound: it hears on for 60 ms."""


NOT_ASKED_EARLY: Final[Mapping[str, Any]] = {
    "early_revision": 0,
    "early_end_samples": 0,
    "early_at_ms": None,
    "early_text": None,
    "judged_early": False,
}
"""Changes that forget the words asked for when speech faltered."""


PARTIAL_REST = 3
"""A node that took long for a partial is busy: it is left alone for so many times as long."""


WATCH_INTERVAL_MS = 500
"""How often the words over the agent are asked for where partial transcripts are switched off."""


# --- asking


def request_final(step: Step, turn: Turn, end_offset_samples: int) -> Turn:
    """Asks for the words of the whole turn; `end_offset_samples` 0: up to now."""
    turn = step.change_turn(
        turn,
        revision=turn.revision + 1,
        final_revision=turn.revision + 1,
        score=None,
        words_score=None,
        **NOT_ASKED_EARLY,
        partial_asked_at_ms=None,
        partial_at_ms=None,
        transcription_deadline_ms=step.now_ms + step.policy.deadlines.transcription_ms,
    )
    _ask_for_words(step, turn, TranscribeKind.FINAL, end_offset_samples)
    return turn


def _ask_for_words(step: Step, turn: Turn, kind: TranscribeKind, end_offset_samples: int) -> None:
    step.to_inference(
        Transcribe(
            utterance_id=turn.id,
            revision=turn.revision,
            kind=kind,
            start_offset_samples=turn.start_offset_samples,
            end_offset_samples=end_offset_samples,
        )
    )


def request_early(step: Step, turn: Turn, end_offset_samples: int) -> bool:
    """Asks for the words of a turn that may be over; False when that was done a moment ago."""
    if turn.early_at_ms is not None and step.now_ms < turn.early_at_ms + EARLY_INTERVAL_MS:
        return False
    turn = step.change_turn(
        turn,
        revision=turn.revision + 1,
        early_revision=turn.revision + 1,
        early_end_samples=end_offset_samples,
        early_at_ms=step.now_ms,
        early_text=None,
        judged_early=False,
        score=None,
        words_score=None,
        partial_asked_at_ms=None,
        partial_at_ms=next_partial_at(step),
    )
    _ask_for_words(step, turn, TranscribeKind.FINAL, end_offset_samples)
    return True


def final_of_early(step: Step, turn: Turn) -> Turn | None:
    """The words asked for when speech faltered are those of the whole turn; None when they are not."""
    if not turn.early_revision or turn.early_revision != turn.revision:
        return None
    if turn.end_offset_samples - turn.early_end_samples > EARLY_MISSES_MAX_SAMPLES:
        return None
    return step.change_turn(
        turn,
        final_revision=turn.early_revision,
        partial_at_ms=None,
        transcription_deadline_ms=step.now_ms + step.policy.deadlines.transcription_ms,
    )


def request_score(step: Step, turn: Turn) -> Turn:
    """Has the sound of the pause judged, once, where the node can."""
    if not step.state.scores:
        return turn
    if not turn.judged_early:
        heard_until = turn.end_offset_samples + samples_from_ms(step.policy.vad.min_silence_ms)
        _ask_for_score(step, turn, turn.final_revision, heard_until)
    elif turn.score is not None:
        return turn
    return step.change_turn(turn, score_deadline_ms=step.now_ms + step.policy.deadlines.end_of_turn_ms)


def _ask_for_score(step: Step, turn: Turn, revision: int, heard_until_samples: int) -> None:
    step.to_inference(
        ScoreEndOfTurn(
            utterance_id=turn.id,
            revision=revision,
            start_offset_samples=turn.start_offset_samples,
            end_offset_samples=max(heard_until_samples, turn.start_offset_samples + 1),
        )
    )


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
    if turn.partial_asked_at_ms is not None:
        step.change_turn(turn, partial_at_ms=next_partial_at(step))
        return
    turn = step.change_turn(
        turn, revision=turn.revision + 1, partial_asked_at_ms=step.now_ms, partial_at_ms=next_partial_at(step)
    )
    _ask_for_words(step, turn, TranscribeKind.PARTIAL, 0)


def _rest_after_partial(step: Step, turn: Turn) -> Turn:
    """A partial has come: the next is asked for no sooner than the node can well make another."""
    asked_at_ms, next_at_ms = turn.partial_asked_at_ms, turn.partial_at_ms
    if asked_at_ms is not None and next_at_ms is not None:
        next_at_ms = max(next_at_ms, step.now_ms + PARTIAL_REST * (step.now_ms - asked_at_ms))
    return step.change_turn(turn, partial_asked_at_ms=None, partial_at_ms=next_at_ms)


def request_words_over_agent(step: Step) -> None:
    """Speech goes on over the agent: what it says decides."""
    asked_for_words(step)
    request_partial(step)


def give_up_requests(step: Step, turn: Turn) -> None:
    """Nobody waits any more for what was asked about the turn."""
    if turn.asks_node:
        step.to_inference(CancelTranscription(utterance_id=turn.id))


# --- answers


def on_caller_transcribed(step: Step, event: events.CallerTranscribed) -> None:
    """Words of the open turn: shown while partial, kept when final."""
    turn = step.turn
    if turn is None or event.utterance_id != turn.id or event.revision != turn.revision:
        step.ignore("transcript_superseded")
        return
    text = " ".join(event.text.split())
    asked_final = event.kind is TranscribeKind.FINAL and event.revision > 0
    early = asked_final and turn.speaking and event.revision == turn.early_revision and turn.early_text is None
    final = asked_final and not turn.settled and event.revision == turn.final_revision
    partial = not asked_final and turn.speaking and turn.partial_asked_at_ms is not None
    if not early and not partial and not final:
        step.ignore("transcript_repeated")
        return
    turn = step.change_turn(
        turn,
        mean_log_probability=event.mean_log_probability,
        no_speech_probability=event.no_speech_probability,
        continuation_probability=event.continuation_probability,
    )
    if final:
        take_final(step, turn, text)
    elif early:
        turn = _judge_early(step, step.change_turn(turn, early_text=text), text)
        _take_words_so_far(step, turn, text)
    else:
        _take_words_so_far(step, _rest_after_partial(step, turn), text)


def _judge_early(step: Step, turn: Turn, text: str) -> Turn:
    """Has the pause that may be there judged before it is certain: little else is to do in that moment."""
    if step.state.scores:
        _ask_for_score(step, turn, turn.early_revision, turn.early_end_samples)
    turn = _ask_for_words_score(step, turn, f"{turn.prefix} {text}".strip(), turn.early_revision)
    return step.change_turn(turn, judged_early=True)


def take_final(step: Step, turn: Turn, text: str) -> None:
    """The words of the whole turn are known."""
    turn = _show(step, turn, text)
    turn = step.change_turn(turn, text=text, transcribed_at_ms=step.now_ms, transcription_deadline_ms=None)
    judge_words(step, turn, text, final=True)
    _compare_with_run(step)


def request_words_score(step: Step) -> None:
    """Has the words of the pause judged, once. After the reply to them was begun: then it costs the node one token."""
    turn = step.turn
    if turn is not None and turn.text is not None and turn.words_revision != turn.final_revision:
        _ask_for_words_score(step, turn, turn.words, turn.final_revision)


def _ask_for_words_score(step: Step, turn: Turn, words: str, revision: int) -> Turn:
    if not step.state.scores_words or turn.origin is not Origin.SPEECH or not words:
        return turn
    messages = prompt(step.policy, step.state.history, words)
    step.to_inference(ScoreWords(utterance_id=turn.id, revision=revision, messages=messages))
    return step.change_turn(turn, words_revision=revision)


def _take_words_so_far(step: Step, turn: Turn, text: str) -> None:
    before = turn.partial_text
    turn = _show(step, turn, text)
    watch = step.state.watch
    if watch is not None:
        if step.now_ms - watch.onset_ms >= step.policy.interruptions.min_duration_ms:
            judge_words(step, turn, text, final=False)
    elif text and text != before and step.policy.turn_taking.preemptive_generation and step.run is None:
        # Most of these words stay: the model may read them while the caller speaks the rest.
        said = f"{turn.prefix} {text}".strip()
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
        step.change_turn(turn, partial_asked_at_ms=None, **NOT_ASKED_EARLY)
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
    if turn is None or event.utterance_id != turn.id or not _is_of_this_pause(turn, event.revision):
        step.ignore("score_superseded")
    elif turn.score is not None or not (turn.score_deadline_ms is not None or turn.speaking):
        step.ignore("score_repeated")
    else:
        step.change_turn(turn, score=event.probability, score_deadline_ms=None)


def _is_of_this_pause(turn: Turn, revision: int) -> bool:
    """Whether a judgement is of the pause that is there, or of the one that may be about to begin."""
    if turn.speaking:
        return turn.judged_early and revision == turn.early_revision
    return turn.final_revision > 0 and revision == turn.final_revision


def on_words_scored(step: Step, event: events.WordsScored) -> None:
    """The words of the pause are judged."""
    turn = step.turn
    if turn is None or event.utterance_id != turn.id or (turn.text is None and not turn.speaking):
        step.ignore("score_superseded")
        return
    if not _is_of_this_pause(turn, event.revision):
        step.ignore("score_superseded")
        return
    if turn.words_score is not None:
        step.ignore("score_repeated")
        return
    step.change_turn(turn, words_score=event.probability)


def on_end_of_turn_failed(step: Step, event: events.EndOfTurnFailed) -> None:
    """The pause cannot be judged: its length decides alone."""
    turn = step.turn
    early = turn is not None and turn.speaking and turn.judged_early and turn.score is None
    if turn is None or event.utterance_id != turn.id or (turn.score_deadline_ms is None and not early):
        step.ignore("score_superseded")
        return
    _fail_score(step, turn, event.reason, event.detail)


def end_of_turn_overran(step: Step) -> None:
    """The judgement did not come in time."""
    assert step.turn is not None, "no deadline of a turn is armed without one"
    _fail_score(step, step.turn, FailureReason.DEADLINE_EXCEEDED, "judging the end of the turn overran its deadline")


def _fail_score(step: Step, turn: Turn, reason: FailureReason, detail: str) -> None:
    step.report_failure(Stage.END_OF_TURN, reason, detail, utterance_id=turn.id)
    # Nothing more is asked about this pause, nor waited for.
    step.change_turn(turn, score=VOICE_UNKNOWN if turn.speaking else None, score_deadline_ms=None)
