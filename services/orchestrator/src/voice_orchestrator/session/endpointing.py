"""When a turn is over: silence, measured against how finished the caller sounds and what the profile expects.

Three witnesses judge a pause: the end-of-turn model hears the voice, the language model is asked whether a sentence may
end with the words, and the transcription says how likely a comma or an ellipsis is behind the last one, which it hears
and reads. None is good alone. On 127 pauses inside sentences and 83 ends of human speech (42 recordings with pauses,
some of them put in), the area under the ROC curve is 0.75 for the voice, 0.79 for the words, 0.74 for the mark, 0.86
for the first two and 0.87 for all; fitted on other recordings 0.83 and 0.84.
"""

from math import exp, log
from typing import Final

from voice_contract.messages import Phase
from voice_orchestrator.session.policy import Expects, TurnTakingPolicy
from voice_orchestrator.session.state import Origin, SessionState, Turn
from voice_orchestrator.session.words import dictating, unfinished

SPECULATION_LEAD_MS = 800
"""A reply is begun at most this long before its turn can be committed: enough for its first sound to be ready."""


BIAS: Final = -1.8
VOICE_WEIGHT: Final = 0.25
WORDS_WEIGHT: Final = 0.5
CONTINUATION_WEIGHT: Final = -0.45
BREAK_OFF: Final = -0.5
"""Weights of a logistic regression over the log-odds of the witnesses on the speech above, rounded."""

VOICE_UNKNOWN: Final = 0.5
WORDS_UNKNOWN: Final = 0.12
CONTINUATION_UNKNOWN: Final = 0.025
"""What a witness is worth who was not heard: that of words is seldom above 0.6 even for whole sentences, and marks that
say that a sentence goes on are rare. Of the 127 pauses 17 are taken for ends with all three and without the words, 18
without the voice, 24 without the mark.
"""

SURE: Final = 0.99
"""Neither voice nor words are believed more than this, or less than one in a hundred."""

MARK_SURE: Final = 0.9999
"""So much the marks are believed: behind a question a comma has less than one in a thousand."""


def finished_likelihood(turn: Turn) -> float:
    """How likely it is that the caller has finished, 0 to 1, as far as the witnesses heard so far can tell."""
    odds = BIAS
    odds += VOICE_WEIGHT * _log_odds(VOICE_UNKNOWN if turn.score is None else turn.score)
    odds += WORDS_WEIGHT * _log_odds(WORDS_UNKNOWN if turn.words_score is None else turn.words_score)
    told = turn.continuation_probability if turn.text else 0.0
    odds += CONTINUATION_WEIGHT * _log_odds(told or CONTINUATION_UNKNOWN, sure=MARK_SURE)
    if turn.text and unfinished(turn.text):
        odds += BREAK_OFF
    return 1 / (1 + exp(-odds))


def _log_odds(probability: float, sure: float = SURE) -> float:
    bounded = min(max(probability, 1 - sure), sure)
    return log(bounded / (1 - bounded))


def delay_ms(policy: TurnTakingPolicy, turn: Turn) -> int:
    """Silence this turn needs: `min_delay_ms` when it is likely enough to be over, more by what is missing."""
    missing = max(0.0, 1 - finished_likelihood(turn) / policy.end_of_turn_threshold)
    wait_ms = policy.min_delay_ms + round((policy.max_delay_ms - policy.min_delay_ms) * missing)
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
