"""Where the time of a turn went, as contiguous stages that add up exactly."""

from itertools import pairwise

from voice_contract.messages import TurnLatency
from voice_orchestrator.session.state import LatencyMarks


def turn_latency(turn_id: int, marks: LatencyMarks, first_played_at_ms: int) -> TurnLatency:
    """The stages between the caller's last speech sample and the agent's first sample.

    A mark that lies before the one ahead of it was hidden behind it: its stage is 0. A mark that was never set (no
    synthesis in a call of words only) counts as 0 likewise.
    """
    edges = [marks.spoken_until_ms]
    for mark in (
        marks.committed_at_ms,
        marks.transcribed_at_ms,
        marks.first_text_at_ms,
        marks.first_segment_at_ms,
        marks.first_sound_at_ms,
        first_played_at_ms,
    ):
        edges.append(max(edges[-1], edges[-1] if mark is None else mark))
    stages = [after - before for before, after in pairwise(edges)]
    return TurnLatency(
        utterance_id=turn_id,
        total_ms=sum(stages),
        endpointing_ms=stages[0],
        transcription_ms=stages[1],
        first_token_ms=stages[2],
        first_clause_ms=stages[3],
        synthesis_ms=stages[4],
        delivery_ms=stages[5],
    )
