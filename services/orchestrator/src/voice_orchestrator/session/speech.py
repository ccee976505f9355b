"""Where the caller's speech begins, pauses and goes on, heard by VAD or shown by a button."""

from voice_contract.audio import samples_from_ms
from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import BargeInCause, BargeInOutcome, Phase, SpeculationOutcome
from voice_orchestrator.session import events
from voice_orchestrator.session.barge_in import confirm, continues_turn, may_interrupt, watch_again, watch_speech
from voice_orchestrator.session.complete_turns import take_keys
from voice_orchestrator.session.hearing import announce_decision, cancel_silent_run, flush_run, interruptible
from voice_orchestrator.session.policy import Detection
from voice_orchestrator.session.runs import hold_run
from voice_orchestrator.session.state import Origin, Run, RunKind, RunStatus, SessionState, Turn
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.transcripts import (
    LEAD_OUT_SAMPLES,
    NOT_ASKED_EARLY,
    final_of_early,
    give_up_requests,
    next_partial_at,
    request_early,
    request_final,
    request_score,
    take_final,
)

LEAD_IN_SAMPLES = samples_from_ms(300)
"""Sound before the detected onset that is transcribed too: VAD is late on soft beginnings."""


# --- events


def on_speech_started(step: Step, event: events.SpeechStarted) -> None:
    """VAD hears speech."""
    if step.policy.turn_taking.detection is Detection.PUSH_TO_TALK:
        step.ignore("push_to_talk")
        return
    _begin(step, Origin.SPEECH, event.offset_samples, event.spoken_at_ms)


def on_speech_faltered(step: Step, event: events.SpeechFaltered) -> None:
    """VAD is not so sure of the speech any more: ask for its words, which are all there is if it ends here."""
    turn = step.turn
    if turn is None or not turn.speaking or turn.origin is not Origin.SPEECH:
        step.ignore("no_open_speech")
    elif event.offset_samples <= turn.start_offset_samples:
        step.ignore("before_the_turn")
    elif not request_early(step, turn, event.offset_samples):
        step.ignore("asked_just_now")


def on_speech_ended(step: Step, event: events.SpeechEnded) -> None:
    """VAD hears silence: ask for the words while the silence is being judged."""
    if step.policy.turn_taking.detection is Detection.PUSH_TO_TALK:
        step.ignore("push_to_talk")
        return
    _pause(step, event.offset_samples, event.spoken_at_ms)


def on_talk_pressed(step: Step, event: events.TalkPressed) -> None:
    """The button is pressed: the caller means to speak, whatever is going on."""
    if step.policy.turn_taking.detection is not Detection.PUSH_TO_TALK:
        step.ignore("not_push_to_talk")
        return
    _begin(step, Origin.BUTTON, event.offset_samples, event.spoken_at_ms)


def on_talk_released(step: Step, event: events.TalkReleased) -> None:
    """The button is let go: the turn is over."""
    if step.policy.turn_taking.detection is not Detection.PUSH_TO_TALK:
        step.ignore("not_push_to_talk")
        return
    _pause(step, event.offset_samples, event.spoken_at_ms)


def on_caller_sound_lost(step: Step, event: events.CallerSoundLost) -> None:
    """No sound comes from the edge any more: no VAD will hear the caller fall silent."""
    if step.turn is None or not step.turn.speaking:
        step.ignore("no_open_speech")
        return
    detail = "the edge sends no caller sound while the caller speaks"
    step.report_failure(Stage.EDGE, FailureReason.CALLER_SOUND_LOST, detail, utterance_id=step.turn.id)
    _pause(step, event.offset_samples, event.spoken_at_ms)


# --- onset


def _begin(step: Step, origin: Origin, offset_samples: int, spoken_at_ms: int) -> None:
    if step.turn is not None and step.turn.speaking:
        step.ignore("speech_already_open")
        return
    step.change(quiet_since_ms=step.now_ms, away_prompts=0)
    merged = _make_way(step, origin, spoken_at_ms)
    turn = merged or step.turn
    over_agent = step.run is not None and step.run.status is not RunStatus.SILENT
    if turn is None or turn.origin is Origin.TYPED:
        _open(step, origin, offset_samples, spoken_at_ms, turn.words if turn else "", over_agent=over_agent)
    else:
        _reopen(step, turn, spoken_at_ms)
    if step.state.phase is Phase.PROCESSING:
        step.enter(Phase.ACTIVE)
    _watch(step, origin, spoken_at_ms)


def _make_way(step: Step, origin: Origin, spoken_at_ms: int) -> Turn | None:
    """Ends or holds a reply the speech shows to be too early; gives the turn the speech goes on with, if it is over."""
    run, turn = step.run, step.turn
    if run is None:
        return None
    if run.status is RunStatus.SILENT:
        if turn is not None and run.turn_id == turn.id:
            _hold_or_cancel(step, run, turn, spoken_at_ms)
        elif interruptible(step, run):
            cancel_silent_run(step, run, SpeculationOutcome.CANCELLED)
        return None
    unheard = origin is Origin.SPEECH and turn is None and continues_turn(run, spoken_at_ms)
    if unheard and run.status is RunStatus.AUDIBLE and may_interrupt(step, run):
        announce_decision(step, run, BargeInOutcome.CONFIRMED, BargeInCause.CONTINUED, spoken_at_ms)
        flush_run(step, run, merged=True)
        return run.answers
    return None


def _hold_or_cancel(step: Step, run: Run, turn: Turn, spoken_at_ms: int) -> None:
    if run.kind is RunKind.REPLY and turn.origin is Origin.SPEECH:
        hold_run(step, run, spoken_at_ms)
    else:
        cancel_silent_run(step, run, SpeculationOutcome.CANCELLED)


def _open(step: Step, origin: Origin, offset_samples: int, spoken_at_ms: int, prefix: str, *, over_agent: bool) -> None:
    turn = Turn(
        id=step.state.next_turn_id,
        origin=origin,
        prefix=f"{prefix} {take_keys(step)}".strip(),
        start_offset_samples=max(0, offset_samples - LEAD_IN_SAMPLES),
        started_at_ms=spoken_at_ms,
        onset_ms=spoken_at_ms,
        over_agent=over_agent,
        speaking=True,
        spoken_until_ms=spoken_at_ms,
        partial_at_ms=next_partial_at(step),
    )
    step.change(turn=turn, next_turn_id=turn.id + 1)


def _reopen(step: Step, turn: Turn, spoken_at_ms: int) -> None:
    """The caller goes on: one turn, whose words are asked for again when it ends."""
    give_up_requests(step, turn)
    step.change_turn(
        turn,
        speaking=True,
        onset_ms=spoken_at_ms,
        spoken_until_ms=max(turn.spoken_until_ms, spoken_at_ms),
        partial_asked_at_ms=None,
        partial_at_ms=next_partial_at(step),
        transcription_deadline_ms=None,
        final_revision=0,
        known_text=turn.text or turn.known_text,
        text=None,
        failure=None,
        score=None,
        score_deadline_ms=None,
        words_score=None,
        committed_at_ms=None,
        unspeculative=False,
        **NOT_ASKED_EARLY,
    )


def _watch(step: Step, origin: Origin, spoken_at_ms: int) -> None:
    run = step.run
    if run is None or run.status is RunStatus.SILENT or not may_interrupt(step, run):
        return
    if origin is Origin.BUTTON:
        confirm(step, BargeInCause.PUSH_TO_TALK)
    elif step.state.watch is not None:
        watch_again(step, run, spoken_at_ms)
    else:
        watch_speech(step, run, spoken_at_ms)


def sound_kept_from(state: SessionState) -> int | None:
    """Caller position from which a next node would need the sound again; None: nothing of what came so far."""
    turn = state.turn
    return None if turn is None or turn.origin is Origin.TYPED else turn.start_offset_samples


# --- pause and end


def _pause(step: Step, offset_samples: int, spoken_at_ms: int) -> None:
    turn = step.turn
    if turn is None or not turn.speaking:
        step.ignore("no_open_speech")
        return
    step.change(quiet_since_ms=step.now_ms)
    turn = step.change_turn(
        turn,
        speaking=False,
        spoken_until_ms=max(turn.onset_ms, spoken_at_ms),
        end_offset_samples=max(offset_samples, turn.start_offset_samples),
    )
    turn = final_of_early(step, turn) or request_final(step, turn, turn.end_offset_samples + LEAD_OUT_SAMPLES)
    if turn.origin is Origin.SPEECH:
        turn = request_score(step, turn)
    if turn.early_text is not None and turn.final_revision == turn.early_revision:
        take_final(step, turn, turn.early_text)


def end_long_turn(step: Step) -> None:
    """Speech without end: take what there is. What follows belongs to no turn until the next onset."""
    assert step.turn is not None, "no deadline of a turn is armed without one"
    turn = step.change_turn(step.turn, speaking=False, spoken_until_ms=step.now_ms)
    request_final(step, turn, 0)


# --- speech that goes on while a reply is being prepared


def resumption_due(state: SessionState) -> int | None:
    """When speech over a reply that is being prepared has lasted so long that the reply is surely too early."""
    turn, run = state.turn, state.run
    if turn is None or run is None or not turn.speaking or run.turn_id != turn.id:
        return None
    return turn.onset_ms + state.policy.interruptions.thinking_min_duration_ms


def resume_turn(step: Step) -> None:
    """The caller goes on for sure: the reply begun too early is given up."""
    assert step.run is not None, "armed with a run only"
    cancel_silent_run(step, step.run, SpeculationOutcome.CANCELLED, BargeInCause.DURATION)
