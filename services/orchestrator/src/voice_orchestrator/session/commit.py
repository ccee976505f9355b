"""The commit of a turn and what follows: its reply begun early, released or made, or a line instead.

`settle_turn` runs after every event, so that it does not matter which of its conditions came last.
"""

from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import BargeInCause, Phase, SpeculationOutcome, TranscriptKind
from voice_orchestrator.session.barge_in import drop_turn
from voice_orchestrator.session.endpointing import commit_due, speculation_due
from voice_orchestrator.session.hearing import cancel_silent_run
from voice_orchestrator.session.policy import LineKind
from voice_orchestrator.session.runs import adopt_run, continue_reply, say_rest, start_line, start_reply
from voice_orchestrator.session.state import Origin, Run, Turn
from voice_orchestrator.session.step import Step
from voice_orchestrator.session.tools import continuation_due
from voice_orchestrator.session.transcripts import announce_caller, request_words_score
from voice_orchestrator.session.words import only_backchannels, same_words

WORDLESS_TURN_MS_MIN = 1_000
"""Speech without words shorter than this is taken for a noise and not answered."""


def settle_turn(step: Step) -> None:
    """Goes on with a reply whose tools have answered, begins a reply early, commits a turn, answers it."""
    say_rest(step)
    if step.run is not None and continuation_due(step, step.run):
        continue_reply(step, step.run)
    turn, run = step.turn, step.run
    if turn is None or turn.speaking or step.state.phase not in (Phase.ACTIVE, Phase.PROCESSING):
        return
    if step.state.flushing is not None or (run is not None and run.turn_id != turn.id):
        # What was heard of the last reply comes first: the next one is written knowing it.
        return
    if turn.committed_at_ms is None:
        due_ms = commit_due(step.state)
        if due_ms is None or step.now_ms < due_ms:
            _speculate(step, turn)
            request_words_score(step)
            return
        turn = step.change_turn(turn, committed_at_ms=step.now_ms)
    if run is not None and run.speculative:
        run = _adopt(step, run, turn)
    if run is not None:
        return
    if turn.settled:
        _answer(step, turn)
    else:
        step.enter(Phase.PROCESSING)


def _speculate(step: Step, turn: Turn) -> None:
    due_ms = speculation_due(step.state)
    if due_ms is not None and due_ms <= step.now_ms:
        start_reply(step, turn, speculative=True)


def _adopt(step: Step, run: Run, turn: Turn) -> Run | None:
    """The reply begun early is the reply, if it answers the words of the turn; None when it is not."""
    if not same_words(run.user_text, turn.words):
        cancel_silent_run(step, run, SpeculationOutcome.SUPERSEDED, BargeInCause.WORDS)
        return None
    step.enter(Phase.PROCESSING)
    adopt_run(step, run, _announce(step, turn))
    return run


def _answer(step: Step, turn: Turn) -> None:
    if turn.words and not _means_nothing(step, turn):
        step.enter(Phase.PROCESSING)
        start_reply(step, _announce(step, turn), speculative=False)
        return
    recovery = step.policy.recovery
    wordless = not turn.words and not turn.failure
    if wordless and _lasted(turn):
        detail = "speech was heard and no words were found in it"
        step.report_failure(Stage.STT, FailureReason.NO_WORDS, detail, utterance_id=turn.id)
    line = recovery.stt_failed if turn.failure else recovery.no_words
    if line and (turn.failure or (wordless and _lasted(turn))):
        step.enter(Phase.PROCESSING)
        start_line(step, line, LineKind.RECOVERY, turn)
        return
    drop_turn(step, turn)
    step.enter(Phase.ACTIVE)


def _announce(step: Step, turn: Turn) -> Turn:
    """Tells the edge the words of the turn, once as long as they stay the same."""
    if turn.words == turn.announced:
        return turn
    announce_caller(step, turn, TranscriptKind.FINAL, turn.words)
    return step.change_turn(turn, announced=turn.words)


def _lasted(turn: Turn) -> bool:
    return turn.spoken_until_ms - turn.started_at_ms >= WORDLESS_TURN_MS_MIN


def _means_nothing(step: Step, turn: Turn) -> bool:
    """Whether the caller only showed, while the agent spoke, that they were listening."""
    return (
        turn.over_agent
        and turn.origin is Origin.SPEECH
        and only_backchannels(turn.words, step.policy.interruptions.backchannels)
    )
