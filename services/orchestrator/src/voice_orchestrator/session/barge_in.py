"""Caller speech over the agent: pause at once, then decide by length, words and whose words they are.

A watch is open from the onset until the decision. Confirmed: the run ends with the words that were heard. Rejected: the
agent goes on at the very sample where it stopped and the speech is forgotten. Timed out: it goes on likewise, but the
speech is still listened to, and its words may yet interrupt.
"""

from voice_contract.messages import BargeInCause, BargeInOutcome, CancelTranscription
from voice_orchestrator.session.commands import PauseRun, ResumeRun
from voice_orchestrator.session.evolve import evolved
from voice_orchestrator.session.hearing import announce_decision, flush_run, interruptible, watch_playout
from voice_orchestrator.session.history import whole_text
from voice_orchestrator.session.policy import InterruptionPolicy
from voice_orchestrator.session.state import BargeInWatch, Origin, Run, RunStatus, SessionState, Turn
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.words import contains_phrase, is_echo, only_backchannels, real_words


def may_interrupt(step: Step, run: Run) -> bool:
    """Whether speech over this run can end it."""
    return step.state.speaks and step.policy.interruptions.enabled and interruptible(step, run)


def continues_turn(run: Run, spoken_at_ms: int) -> bool:
    """Whether speech that began then belongs to the turn the run answers: nothing of the answer was heard yet."""
    if run.answers is None or run.answers.origin is not Origin.SPEECH:
        return False
    return run.heard_from_ms is None or spoken_at_ms <= run.heard_from_ms


def watch_speech(step: Step, run: Run, onset_ms: int) -> None:
    """Caller speech began over the agent: pause, unless it is likely to be the agent's own echo."""
    guard_ms = step.policy.interruptions.echo_guard_ms
    if run.heard_from_ms is None or onset_ms < run.heard_from_ms + guard_ms:
        step.change(watch=BargeInWatch(onset_ms=onset_ms, since_ms=step.now_ms, paused=False, guarded=True))
        return
    _pause(step, run, onset_ms)


def watch_again(step: Step, run: Run, onset_ms: int) -> None:
    """Speech goes on over a run that was resumed because the first of it could not be decided in time."""
    watch = step.state.watch
    if watch is not None and not watch.paused and not watch.guarded and run.status is RunStatus.AUDIBLE:
        _pause(step, run, onset_ms)


def _pause(step: Step, run: Run, onset_ms: int) -> None:
    run = step.change_run(run, status=RunStatus.PAUSED, playout_deadline_ms=None)
    step.change(watch=BargeInWatch(onset_ms=onset_ms, since_ms=step.now_ms, paused=True))
    step.emit(PauseRun(run_id=run.id))
    announce_decision(step, run, BargeInOutcome.PAUSED, BargeInCause.ONSET, onset_ms)


# --- deciding


def judge_words(step: Step, turn: Turn, text: str, *, final: bool) -> None:
    """Looks at words said over the agent; words so far can only confirm, final ones decide."""
    watch, run = step.state.watch, step.run
    if watch is None or run is None:
        return
    policy = step.policy.interruptions
    if turn.failure is not None:
        cause = BargeInCause.TRANSCRIPTION_FAILED
    elif only_backchannels(text, policy.backchannels):
        cause = BargeInCause.BACKCHANNEL
    elif _is_noise(policy, turn, text):
        cause = BargeInCause.NO_WORDS
    elif watch.guarded and is_echo(text, whole_text(run.segments)):
        cause = BargeInCause.ECHO
    else:
        confirm(step, BargeInCause.WORDS)
        return
    if final:
        _reject(step, turn, cause)


def _is_noise(policy: InterruptionPolicy, turn: Turn, text: str) -> bool:
    """Whether the transcript of a sound holds too little to be taken for something the caller said."""
    if contains_phrase(text, policy.interruption_words):
        return False
    words = real_words(text)
    if not words or len(words) < policy.min_words or turn.mean_log_probability < policy.min_log_probability:
        return True
    return turn.no_speech_probability > policy.max_no_speech_probability


def confirm(step: Step, cause: BargeInCause) -> None:
    """The caller means it: the run ends, its words are what was heard."""
    run, watch = step.run, step.state.watch
    assert run is not None, "only a run is interrupted"
    announce_decision(step, run, BargeInOutcome.CONFIRMED, cause, watch.onset_ms if watch else step.now_ms)
    flush_run(step, run)


def _reject(step: Step, turn: Turn, cause: BargeInCause) -> None:
    _go_on(step, BargeInOutcome.REJECTED, cause)
    step.change(watch=None)
    drop_turn(step, turn)


def _go_on(step: Step, outcome: BargeInOutcome, cause: BargeInCause) -> None:
    watch, run = step.state.watch, step.run
    assert watch is not None, "only a watch is decided"
    assert run is not None, "a watch is always of a run"
    announce_decision(step, run, outcome, cause, watch.onset_ms)
    if run.status is RunStatus.PAUSED:
        run = step.change_run(run, status=RunStatus.AUDIBLE)
        step.emit(ResumeRun(run_id=run.id))
        watch_playout(step, run)


def drop_turn(step: Step, turn: Turn) -> None:
    """Forgets a turn that is not answered."""
    if turn.asks_node:
        step.to_inference(CancelTranscription(utterance_id=turn.id))
    step.change(turn=None, quiet_since_ms=step.now_ms)


# --- deadlines


def words_due(state: SessionState) -> int | None:
    """When the words of speech that goes on over the agent are looked at."""
    if state.watch is None or state.watch.asked or state.turn is None or not state.turn.speaking:
        return None
    return state.watch.onset_ms + state.policy.interruptions.min_duration_ms


def asked_for_words(step: Step) -> None:
    """Notes that the words so far were asked for."""
    watch = step.state.watch
    assert watch is not None, "armed with a watch only"
    step.change(watch=evolved(watch, {"asked": True}))


def duration_due(state: SessionState) -> int | None:
    """When speech over the agent has lasted so long that its words do not matter."""
    if state.watch is None or state.watch.guarded or state.turn is None or not state.turn.speaking:
        return None
    return state.watch.onset_ms + state.policy.interruptions.max_duration_ms


def timeout_due(state: SessionState) -> int | None:
    """When a pause without decision ends, the caller being silent."""
    watch, turn = state.watch, state.turn
    if watch is None or not watch.paused or (turn is not None and turn.speaking):
        return None
    since_ms = watch.since_ms if turn is None else max(watch.since_ms, turn.spoken_until_ms)
    return since_ms + state.policy.interruptions.false_interruption_timeout_ms


def time_out(step: Step) -> None:
    """The pause was not decided in time: the agent goes on, the words are still waited for."""
    watch = step.state.watch
    assert watch is not None, "armed with a watch only"
    _go_on(step, BargeInOutcome.TIMED_OUT, BargeInCause.TIMEOUT)
    step.change(watch=evolved(watch, {"paused": False}))
