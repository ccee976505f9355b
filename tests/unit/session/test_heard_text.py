"""Which words were heard, and how the history tells them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.session_script import Script, policy

from voice_contract.messages import ChatRole, RunHeard
from voice_orchestrator.session.history import (
    HISTORY_ENTRIES_MAX,
    WORD_END_SLACK_SAMPLES,
    conversation,
    heard_text,
    prompt,
    with_entry,
)
from voice_orchestrator.session.policy import GenerationPolicy
from voice_orchestrator.session.state import Said, Segment

TIMED = (
    Segment(text="one two three", requested=True, samples=9_000, word_ends=(1_000, 4_000, 9_000)),
    Segment(text="four five", requested=True, samples=6_000, word_ends=(2_000, 6_000)),
)


@pytest.mark.parametrize(
    ("played", "heard"),
    [
        (0, ""),
        (1_000 - WORD_END_SLACK_SAMPLES - 1, ""),
        (1_000 - WORD_END_SLACK_SAMPLES, "one"),
        (4_000 - WORD_END_SLACK_SAMPLES - 1, "one"),
        (4_000, "one two"),
        (8_999, "one two three"),
        (9_000, "one two three"),
        (11_000, "one two three four"),
        (15_000, "one two three four five"),
    ],
)
def test_the_engines_word_ends_decide_inside_a_segment(played: int, heard: str) -> None:
    assert heard_text(TIMED, played) == heard


def test_ends_that_do_not_fit_the_words_are_not_used() -> None:
    unfit = (replace(TIMED[0], word_ends=(1_000, 9_000)),)
    assert heard_text(unfit, 6_000) == "one two"


def test_a_segment_without_sound_is_passed_over() -> None:
    assert heard_text((Segment(text="- zero -", samples=0), *TIMED), 4_000) == "one two"


@pytest.mark.parametrize(
    ("played", "heard"), [(0, ""), (5_000, ""), (6_000, "one"), (12_000, "one two"), (99_999, "one two")]
)
def test_a_segment_cut_before_its_length_is_known_is_heard_at_a_usual_pace_and_never_whole(
    played: int, heard: str
) -> None:
    assert heard_text((Segment(text="one two three", sounded=True), TIMED[1]), played) == heard


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.booleans())
def test_who_hears_longer_hears_at_least_the_same(first: int, second: int, timed: bool) -> None:
    segments = TIMED if timed else tuple(replace(segment, word_ends=()) for segment in TIMED)
    short, long = sorted((first, second))
    heard = heard_text(segments, short).split()
    assert heard_text(segments, long).split()[: len(heard)] == heard


# --- what the history says


def interrupted(played_samples: int) -> Script:
    script = Script().open().say("When are you open?")
    script.write("From nine to five.", end=True)
    script.synthesise(0, 16_000, word_ends=(4_000, 8_000, 10_000, 16_000))
    script.start(0)
    script.after(500).start_speaking()
    script.wait(1_440)
    script.report(1, played_samples)
    return script


def test_an_interrupted_reply_ends_at_its_last_word_and_is_marked() -> None:
    script = interrupted(8_500)
    assert script.state.history[-1] == Said(role=ChatRole.ASSISTANT, text="From nine", interrupted=True)
    assert script.all(RunHeard) == [RunHeard(text="From nine", interrupted=True)]


def test_a_reply_that_was_flushed_in_its_last_sample_was_heard_whole() -> None:
    script = interrupted(16_000)
    assert script.state.history[-1] == Said(role=ChatRole.ASSISTANT, text="From nine to five.")
    assert script.all(RunHeard) == [RunHeard(text="From nine to five.", interrupted=False)]


def test_a_reply_the_edge_played_only_in_part_is_marked() -> None:
    script = Script().open().say("When are you open?").respond("From nine to five.")
    script.play(0)
    script.report(1, 8_000)
    assert script.state.history[-1] == Said(role=ChatRole.ASSISTANT, text="From nine", interrupted=True)


def test_a_reply_that_was_not_written_to_its_end_is_marked_although_all_of_it_was_heard() -> None:
    script = Script().open().say("When are you open?")
    script.write("From nine to five. And ")
    script.synthesise(0)
    script.start(0)
    script.after(900).start_speaking()
    script.wait(1_440)
    script.report(1, 16_000)
    assert script.state.history[-1].interrupted


# --- what the model is shown


def said(role: ChatRole, text: str) -> Said:
    return Said(role=role, text=text)


def test_a_tool_entry_is_never_joined_to_words() -> None:
    tool = Said(role=ChatRole.ASSISTANT, text="", tool_call_id="call-1", tool_name="slots", tool_arguments="{}")
    history = with_entry(with_entry((), tool), said(ChatRole.ASSISTANT, "At nine."))
    assert [entry.text for entry in history] == ["", "At nine."]


def test_tool_entries_are_bounded_too() -> None:
    history: tuple[Said, ...] = ()
    for number in range(HISTORY_ENTRIES_MAX + 7):
        history = with_entry(history, Said(role=ChatRole.TOOL, text=str(number), tool_call_id=f"call-{number}"))
    assert len(history) == HISTORY_ENTRIES_MAX


def test_a_joined_entry_is_marked_when_its_end_was_cut() -> None:
    history = with_entry((), said(ChatRole.ASSISTANT, "Hello."))
    history = with_entry(history, Said(role=ChatRole.ASSISTANT, text="I am", interrupted=True))
    assert history == (Said(role=ChatRole.ASSISTANT, text="Hello. I am", interrupted=True),)


def test_a_profile_may_show_the_model_no_past() -> None:
    forgetful = policy(generation=GenerationPolicy(history_turns=0))
    history = (said(ChatRole.USER, "Hello?"), said(ChatRole.ASSISTANT, "Yes."))
    assert [m.text for m in prompt(forgetful, history, "And now?")] == ["Be brief.", "And now?"]
    assert [m.text for m in conversation(forgetful, history)] == ["Be brief."]


@given(st.integers(1, 5), st.integers(0, 12))
def test_the_model_is_shown_whole_exchanges(turns: int, past: int) -> None:
    history: tuple[Said, ...] = ()
    for number in range(past):
        history = with_entry(history, said(ChatRole.USER, f"q{number}"))
        history = with_entry(history, said(ChatRole.ASSISTANT, f"a{number}"))
    shown = conversation(policy(generation=GenerationPolicy(history_turns=turns)), history)[1:]
    assert len(shown) == 2 * min(turns, past)
    assert all(m.role is ChatRole.USER for m in shown[::2])


def test_a_segment_that_never_sounded_is_not_heard_whatever_came_after_it() -> None:
    assert heard_text((Segment(text="one two three"), TIMED[1]), TIMED[1].samples or 0) == TIMED[1].text
