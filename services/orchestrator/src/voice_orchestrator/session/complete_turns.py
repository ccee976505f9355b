"""Turns that come complete: typed, or keyed on a telephone. They take the place of whatever was going on."""

from voice_contract.messages import BargeInCause, ChatRole, Phase, SpeculationOutcome
from voice_orchestrator.session import events
from voice_orchestrator.session.barge_in import confirm, drop_turn
from voice_orchestrator.session.hearing import cancel_silent_run, interruptible
from voice_orchestrator.session.history import with_entry
from voice_orchestrator.session.state import Origin, RunStatus, Said, Turn
from voice_orchestrator.session.step import Step

KEYS_MAX = 64
"""Keys kept of one entry; the oldest go."""


def on_caller_typed(step: Step, event: events.CallerTyped) -> None:
    """A typed turn is complete."""
    text = " ".join(event.text.split())
    if not text:
        step.ignore("empty_text")
        return
    step.change(quiet_since_ms=step.now_ms, away_prompts=0)
    kept = _take_over(step, BargeInCause.TYPED)
    _open(step, f"{kept} {take_keys(step)}".strip(), text)


def on_caller_keyed(step: Step, event: events.CallerKeyed) -> None:
    """A key: it silences the agent at once and joins those before it until the entry is over."""
    policy = step.policy.dtmf
    if not event.key:
        step.ignore("no_keys")
        return
    if event.key == policy.terminator and not step.state.keys:
        step.ignore("no_keys")
        return
    step.change(quiet_since_ms=step.now_ms, away_prompts=0)
    if event.key == policy.terminator:
        finish_keys(step)
        return
    kept = _take_over(step, BargeInCause.DTMF)
    step.change(
        keys=(step.state.keys + event.key)[-KEYS_MAX:],
        keys_due_ms=step.now_ms + policy.timeout_ms,
        history=with_entry(step.state.history, Said(role=ChatRole.USER, text=kept)),
    )


def finish_keys(step: Step) -> None:
    """The entry is over: it is a turn, or the beginning of the one that is open."""
    text = take_keys(step)
    turn = step.turn
    if turn is None:
        _open(step, "", text)
    else:
        step.change_turn(turn, prefix=f"{turn.prefix} {text}".strip())


def take_keys(step: Step) -> str:
    """What the keys pressed so far mean, as words; they are used up with that."""
    keys = step.state.keys
    if not keys:
        return ""
    step.change(keys="", keys_due_ms=None)
    return step.policy.dtmf.turn_text.replace("{keys}", " ".join(keys))


def _open(step: Step, prefix: str, text: str) -> None:
    turn = Turn(
        id=step.state.next_turn_id,
        origin=Origin.TYPED,
        prefix=prefix,
        started_at_ms=step.now_ms,
        onset_ms=step.now_ms,
        spoken_until_ms=step.now_ms,
        text=text,
        transcribed_at_ms=step.now_ms,
        committed_at_ms=step.now_ms,
    )
    step.change(turn=turn, next_turn_id=turn.id + 1)


def _take_over(step: Step, cause: BargeInCause) -> str:
    """Ends what is going on, as far as it may be ended; gives the caller's words that would be lost with it."""
    run, turn = step.run, step.turn
    if run is not None and run.status is not RunStatus.SILENT:
        if interruptible(step, run):
            confirm(step, cause)
    elif run is not None and (interruptible(step, run) or run.turn_id):
        cancel_silent_run(step, run, SpeculationOutcome.CANCELLED)
    kept = ""
    if turn is not None:
        kept = turn.known_words
        drop_turn(step, turn)
    if step.state.phase is Phase.PROCESSING:
        step.enter(Phase.ACTIVE)
    return kept
