"""When a turn is over: silence, measured against how finished the caller sounds and what the profile expects."""

from voice_contract.messages import Phase
from voice_orchestrator.session.policy import Expects, TurnTakingPolicy
from voice_orchestrator.session.state import Origin, SessionState, Turn
from voice_orchestrator.session.words import dictating, unfinished

SPECULATION_LEAD_MS = 800
"""A reply is begun at most this long before its turn can be committed: enough for its first sound to be ready."""


UNFINISHED_SCORE = 0.3
"""What a pause is worth at most whose words break off: the voice alone takes half of such pauses for an end."""


def delay_ms(policy: TurnTakingPolicy, turn: Turn) -> int:
    """Silence this turn needs. A near miss of the threshold waits a little, a sure continuation `max_delay_ms`.

    The wait grows with the square root of what is missing: between "sure" and "rather sure" lie most of the pauses
    inside sentences, between "doubtful" and "no" hardly a difference.
    """
    wait_ms = policy.min_delay_ms
    if turn.score is not None:
        score = min(turn.score, UNFINISHED_SCORE) if turn.text and unfinished(turn.text) else turn.score
        missing = max(0.0, 1 - score / policy.end_of_turn_threshold)
        wait_ms += round((policy.max_delay_ms - policy.min_delay_ms) * missing**0.5)
    if turn.text is not None and dictating(turn.text, policy.expects, policy.expected_length):
        wait_ms = max(wait_ms, policy.dictation_delay_ms)
    return wait_ms


def commit_due(state: SessionState) -> int | None:
    """When the trailing turn may be committed; None while that is not known or there is none to commit."""
    turn, run = state.turn, state.run
    if turn is None or turn.speaking or turn.committed_at_ms is not None or state.phase is Phase.CONNECTING:
        return None
    if state.flushing is not None or (run is not None and run.turn_id != turn.id):
        return None
    if turn.origin is Origin.BUTTON:
        return turn.spoken_until_ms
    if turn.score_deadline_ms is not None:
        return None
    policy = state.policy.turn_taking
    if not turn.settled and (turn.score is not None or policy.expects is not Expects.SPEECH):
        # The words may ask for a longer wait; without them the turn could not be answered anyway.
        return None
    return turn.spoken_until_ms + delay_ms(policy, turn)


def speculation_due(state: SessionState) -> int | None:
    """When the reply to a turn that is not committed yet is begun; None while it is not."""
    turn = state.turn
    if not state.policy.turn_taking.preemptive_generation or turn is None or turn.unspeculative:
        return None
    if turn.text is None or not turn.words:
        return None
    if turn.speaking or turn.committed_at_ms is not None or state.run is not None:
        return None
    if state.watch is not None or state.phase is not Phase.ACTIVE:
        return None
    if state.flushing is not None:
        return None
    due_ms = commit_due(state)
    return state.now_ms if due_ms is None else due_ms - SPECULATION_LEAD_MS
