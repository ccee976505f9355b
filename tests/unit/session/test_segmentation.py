"""Where a reply is cut to be spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_orchestrator.session.segmentation import SEGMENT_CHARS_MAX, speakable, split_all, split_ready

WORDS = st.sampled_from(
    ["yes", "we", "open", "at", "eight", "Dr.", "3.50", "please,", "sure.", "really?", "so:", "*", "😀"]
)


def in_chunks(text: str, sizes: list[int]) -> list[str]:
    """What comes out when the text arrives in pieces."""
    segments: list[str] = []
    buffer, at = "", 0
    for size in [*sizes, len(text)]:
        buffer += text[at : at + size]
        at += size
        ready, buffer = split_ready(buffer, first=not segments)
        segments += ready
    return segments + list(split_all(buffer, first=not segments))


@given(st.lists(WORDS, max_size=40), st.lists(st.integers(1, 9), max_size=60))
def test_no_word_is_lost_or_moved_however_the_text_arrives(words: list[str], sizes: list[int]) -> None:
    text = " ".join(words)
    spoken = " ".join(in_chunks(text, sizes))
    wanted = " ".join(word for word in words if word not in ("*", "😀"))
    assert " ".join(spoken.replace("😀", " ").split()) == wanted


@given(st.lists(WORDS, max_size=30))
def test_every_segment_can_be_pronounced(words: list[str]) -> None:
    assert all(speakable(segment) for segment in split_all(" ".join(words), first=True))


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("We are open. Come by!", ["We are open.", "Come by!"]),
        ("It is $3.50 today. Fine.", ["It is $3.50 today.", "Fine."]),
        ("Ask Dr. Smith about it. He knows.", ["Ask Dr. Smith about it.", "He knows."]),
        ("We close at 5 p.m. on Friday.", ["We close at 5 p.m. on Friday."]),
        ("Well... that depends. Yes.", ["Well...", "that depends.", "Yes."]),
        ('He said "hello." Then left.', ['He said "hello."', "Then left."]),
        ("**Bold** and `code`.", ["Bold and code ."]),
        ("...", []),
        ("", []),
    ],
)
def test_sentences(text: str, segments: list[str]) -> None:
    assert list(split_all(text, first=False)) == segments


def test_the_first_clause_is_cut_early_and_later_ones_are_not() -> None:
    text = "Yes, we are open today, from eight, to five. And tomorrow, too. "
    assert split_ready(text, first=True)[0] == ("Yes, we are open today,", "from eight, to five.", "And tomorrow, too.")
    assert split_ready(text, first=False)[0][0] == "Yes, we are open today, from eight, to five."


def test_a_full_stop_before_the_first_comma_wins() -> None:
    assert split_ready("Of course. Well, certainly, yes. ", first=True)[0][0] == "Of course."


def test_a_sentence_is_complete_when_the_space_after_it_was_seen() -> None:
    assert split_ready("It costs 3.", first=False) == ((), "It costs 3.")
    assert split_ready("It costs 3. Fine", first=False) == (("It costs 3.",), "Fine")


def test_a_mark_behind_a_letter_that_nothing_else_can_follow_ends_what_was_said_at_once() -> None:
    assert split_ready("That is a classic,", first=True) == (("That is a classic,",), "")
    assert split_ready("Is it 3,", first=True) == ((), "Is it 3,")
    assert split_ready("Can you come tomorrow?", first=False) == (("Can you come tomorrow?",), "")
    assert split_ready("Well, that is a classic,", first=False)[0] == ()
    assert split_ready("See example.", first=False)[0] == ()
    assert split_ready("See the page at http:", first=True)[0] == ()


def test_words_without_a_full_stop_are_cut_at_a_space() -> None:
    segments = split_all("word " * 100, first=False)
    assert all(len(segment) <= SEGMENT_CHARS_MAX for segment in segments)
    assert " ".join(segments).split() == ["word"] * 100


def test_a_word_without_end_is_cut_all_the_same() -> None:
    segments = split_all("a" * 1_000, first=False)
    assert "".join(segments) == "a" * 1_000
    assert all(len(segment) <= SEGMENT_CHARS_MAX for segment in segments)


def test_markup_alone_is_passed_over() -> None:
    assert split_all("*** . --- ! Hello there.", first=False)[-1].endswith("Hello there.")


def test_a_long_stretch_of_markup_is_not_spoken() -> None:
    assert split_ready("* " * 200, first=False)[0] == ()


def test_a_first_segment_without_marks_is_cut_before_a_word_that_may_follow_a_breath() -> None:
    text = "I am more than happy to help you with your project and I will need some guidance"
    assert split_ready(text, first=True)[0] == ("I am more than happy to help you",)


def test_a_first_segment_without_marks_and_links_is_cut_at_a_space() -> None:
    text = "Absolutely everybody can understand complicated explanations nowadays rather quickly"
    (cut,) = split_ready(text, first=True)[0]
    assert text.startswith(f"{cut} ")
    assert len(cut) <= 40


def test_later_segments_wait_for_their_mark() -> None:
    text = "I am more than happy to help you with your project and I will need some guidance"
    assert split_ready(text, first=False) == ((), text)


def test_no_is_a_sentence_unless_a_number_follows() -> None:
    assert split_ready("No, no. You are right. ", first=True)[0] == ("No, no.", "You are right.")
    assert split_ready("Take bus no. 5 to the station. ", first=False)[0] == ("Take bus no. 5 to the station.",)
    assert split_ready("No. ", first=True) == ((), "No. ")
    assert split_all("No.", first=True) == ("No.",)
