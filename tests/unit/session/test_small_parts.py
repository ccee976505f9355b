"""History, latency and phases on their own."""

import pytest

from voice_contract.messages import ChatRole, Phase
from voice_orchestrator.session.history import HISTORY_ENTRIES_MAX, heard_text, played_text, with_entry
from voice_orchestrator.session.latency import turn_latency
from voice_orchestrator.session.phases import PHASE_EDGES, IllegalPhaseEdgeError, require_edge
from voice_orchestrator.session.state import LatencyMarks, Said, Segment

SEGMENTS = (
    Segment(text="one two three four", requested=True, samples=4_000, started=True, played=True),
    Segment(text="five six seven eight", requested=True, samples=4_000, started=True),
    Segment(text="never spoken", requested=True),
)


@pytest.mark.parametrize(
    ("played", "heard"),
    [
        (0, ""),
        (999, ""),
        (1_000, "one"),
        (4_000, "one two three four"),
        (6_100, "one two three four five six"),
        (8_000, "one two three four five six seven eight"),
    ],
)
def test_heard_words_are_the_share_of_samples_that_was_played(played: int, heard: str) -> None:
    assert heard_text(SEGMENTS, played) == heard


def test_played_text_counts_whole_segments_only() -> None:
    assert played_text(SEGMENTS) == "one two three four"


def test_two_messages_of_one_speaker_are_one() -> None:
    history = with_entry((), Said(role=ChatRole.USER, text="Hello"))
    assert with_entry(history, Said(role=ChatRole.USER, text="again")) == (
        Said(role=ChatRole.USER, text="Hello again"),
    )
    assert with_entry(history, Said(role=ChatRole.ASSISTANT, text="")) == history


def test_history_is_bounded() -> None:
    history: tuple[Said, ...] = ()
    for number in range(HISTORY_ENTRIES_MAX + 50):
        history = with_entry(history, Said(role=(ChatRole.USER, ChatRole.ASSISTANT)[number % 2], text=str(number)))
    assert len(history) == HISTORY_ENTRIES_MAX
    assert history[-1].text == str(HISTORY_ENTRIES_MAX + 49)


def test_a_stage_that_was_hidden_behind_the_one_before_is_zero() -> None:
    marks = LatencyMarks(
        spoken_until_ms=1_000,
        committed_at_ms=1_500,
        transcribed_at_ms=1_300,
        first_text_at_ms=1_600,
        first_segment_at_ms=1_650,
        first_sound_at_ms=1_800,
    )
    latency = turn_latency(3, marks, 1_810)
    assert (latency.endpointing_ms, latency.transcription_ms, latency.first_token_ms) == (500, 0, 100)
    assert (latency.first_clause_ms, latency.synthesis_ms, latency.delivery_ms) == (50, 150, 10)
    assert latency.total_ms == 810


def test_marks_that_were_never_set_cost_nothing() -> None:
    marks = LatencyMarks(spoken_until_ms=1_000, committed_at_ms=1_000, transcribed_at_ms=1_000)
    assert turn_latency(1, marks, 1_250).total_ms == 250


def test_only_the_edges_of_the_table_are_legal() -> None:
    for before in Phase:
        for after in Phase:
            if after in PHASE_EDGES[before]:
                require_edge(before, after)
            else:
                with pytest.raises(IllegalPhaseEdgeError):
                    require_edge(before, after)
