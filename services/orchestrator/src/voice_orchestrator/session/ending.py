"""How a session begins, gets and loses its inference node, and ends."""

from typing import Final

from voice_contract.failures import RETRYABLE, Failure, Stage
from voice_contract.messages import AudioFormat, EndCause, Phase, SessionConfigure, SpeculationOutcome
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import ConnectInference, EndCall
from voice_orchestrator.session.hearing import abandon_run, cancel_silent_run, flush_run, prime, settle_flush
from voice_orchestrator.session.policy import LineKind
from voice_orchestrator.session.runs import play_on, start_line
from voice_orchestrator.session.state import Origin, Run, RunKind, RunStatus
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.transcripts import LEAD_OUT_SAMPLES, NOT_ASKED_EARLY, request_final, request_score

HOLD_LINE_AFTER_MS: Final = 300
"""A caller whose node is lost hears something after this, unless another node took the session by then."""

RECONNECT_DELAYS_MS: Final = (0, 100, 200, 400, 500)
"""Waits before the first, second, ... attempt to reach a node; the last one repeats."""


def on_call_opened(step: Step, event: events.CallOpened) -> None:
    """The call begins: get an inference node."""
    if step.state.phase is not Phase.CREATED:
        step.ignore("already_open")
        return
    step.change(
        listens=event.listens,
        speaks=event.speaks,
        call_deadline_ms=step.now_ms + step.policy.limits.call_ms,
    )
    _connect(step)


def _connect(step: Step) -> None:
    """Asks for a node; the deadline counts from the moment the last one was lost."""
    if step.state.connect_deadline_ms is None:
        step.change(connect_deadline_ms=step.now_ms + step.policy.deadlines.connect_ms)
    step.enter(Phase.CONNECTING)
    attempt = step.state.connect_attempts
    step.change(connect_attempts=attempt + 1)
    configure = SessionConfigure(
        caller_format=AudioFormat() if step.state.listens else None,
        agent_format=AudioFormat() if step.state.speaks else None,
        language=step.policy.language,
        voice=step.policy.voice,
        vad=step.policy.vad if step.state.listens else None,
    )
    delay_ms = RECONNECT_DELAYS_MS[min(attempt, len(RECONNECT_DELAYS_MS) - 1)]
    step.emit(ConnectInference(configure=configure, delay_ms=delay_ms))


def on_inference_ready(step: Step, event: events.InferenceReady) -> None:
    """The node took the session: greet the first time, go on with the kept turn otherwise."""
    if step.state.phase is not Phase.CONNECTING:
        step.ignore("already_connected")
        return
    step.change(
        connect_deadline_ms=None,
        hold_line_due_ms=None,
        connect_attempts=0,
        quiet_since_ms=step.now_ms,
        scores=event.scores_end_of_turn,
        scores_words=event.scores_words,
    )
    step.enter(Phase.ACTIVE)
    _go_on_speaking(step)
    if step.policy.greeting and not step.state.greeted and step.turn is None:
        start_line(step, step.policy.greeting, LineKind.GREETING, None)
    step.change(greeted=True)
    _ask_again(step)
    if step.turn is None:
        prime(step)


def _go_on_speaking(step: Step) -> None:
    """What was heard while there was no node goes on, but for a line before the caller was greeted."""
    run = step.run
    if run is None:
        return
    if run.status is RunStatus.SILENT:
        cancel_silent_run(step, run, SpeculationOutcome.FAILED)
    elif not step.state.greeted:
        flush_run(step, run)
    else:
        step.enter(Phase.RESPONDING)


def on_inference_lost(step: Step, event: events.InferenceLost) -> None:
    """The node is gone: what was heard stays heard, the caller's turn is answered by the next node."""
    if step.state.phase is Phase.CREATED:
        step.ignore("not_connected")
        return
    if event.reason not in RETRYABLE:
        end_call(
            step,
            EndCause.INFERENCE_UNAVAILABLE,
            Failure(stage=Stage.LINK, reason=event.reason, detail=event.detail),
        )
        return
    run = step.run
    if step.state.phase is not Phase.CONNECTING:
        step.report_failure(Stage.LINK, event.reason, event.detail)
        if step.state.speaks and step.policy.recovery.node_lost and (run is None or run.line is not LineKind.HOLD):
            step.change(hold_line_due_ms=step.now_ms + HOLD_LINE_AFTER_MS)
    unheard_greeting = run is not None and run.line is LineKind.GREETING and run.status is RunStatus.SILENT
    if run is not None and run.line is not LineKind.HOLD:
        _part_from_node(step, run)
    step.change(greeted=step.state.greeted and not unheard_greeting)
    _keep_turn(step)
    _connect(step)


def _part_from_node(step: Step, run: Run) -> None:
    """A run that is heard goes on with what is here, unless the caller is talking over it or a tool has yet to answer.

    The rest of a reply is kept for the next node, once more if that one is lost as well.
    """
    if run.status is RunStatus.AUDIBLE and step.state.speaks and step.state.watch is None and not run.awaits_tools:
        play_on(step, run)
        return
    is_rest = run.kind is RunKind.REPLY and run.answers is None and run.status is RunStatus.SILENT
    abandon_run(step)
    if is_rest:
        step.change(unsaid=tuple(segment.text for segment in run.segments))


def _keep_turn(step: Step) -> None:
    """A turn outlives its node. One whose words are not known waits for the next node, which is sent its sound again.

    A caller who still speaks is heard by that node as one who goes on.
    """
    turn = step.turn
    if turn is None:
        return
    if turn.text and not turn.speaking:
        step.change_turn(turn, score_deadline_ms=None, partial_asked_at_ms=None)
        return
    step.change_turn(
        turn,
        speaking=False,
        spoken_until_ms=step.now_ms if turn.speaking else turn.spoken_until_ms,
        end_offset_samples=0 if turn.speaking else turn.end_offset_samples,
        partial_asked_at_ms=None,
        partial_at_ms=None,
        transcription_deadline_ms=None,
        final_revision=0,
        text=None,
        failure=None,
        score=None,
        score_deadline_ms=None,
        words_score=None,
        **NOT_ASKED_EARLY,
    )


def _ask_again(step: Step) -> None:
    """Has the new node find the words its predecessor took with it."""
    turn = step.turn
    if turn is None or turn.settled:
        return
    known_end = turn.end_offset_samples
    turn = request_final(step, turn, known_end + LEAD_OUT_SAMPLES if known_end else 0)
    if turn.origin is Origin.SPEECH and known_end:
        request_score(step, turn)


def end_call(step: Step, cause: EndCause, failure: Failure | None) -> None:
    """Ends the session; nothing is accepted after it."""
    abandon_run(step)
    settle_flush(step, None)
    step.change(
        turn=None,
        keys="",
        keys_due_ms=None,
        connect_deadline_ms=None,
        hold_line_due_ms=None,
        unsaid=(),
        call_deadline_ms=None,
    )
    step.enter(Phase.TERMINATED)
    step.emit(EndCall(cause=cause, failure=failure))
