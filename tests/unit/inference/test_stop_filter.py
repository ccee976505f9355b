"""Stop texts are kept out of a stream however it is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_inference.engines.llm.stop_filter import StopFilter


def filtered(stops: tuple[str, ...], *pieces: str) -> str:
    """Everything that comes out for `pieces`, to the very end."""
    stop_filter = StopFilter(stops)
    return "".join(stop_filter.push(piece) for piece in pieces) + stop_filter.finish()


def test_text_without_a_stop_passes_piece_by_piece() -> None:
    stop_filter = StopFilter(("\nUser:",))
    assert [stop_filter.push(piece) for piece in ("Good ", "morning", ".")] == ["Good ", "morning", "."]
    assert stop_filter.finish() == ""
    assert not stop_filter.stopped


def test_nothing_comes_after_a_stop() -> None:
    stop_filter = StopFilter(("END",))
    assert stop_filter.push("Goodbye.END and more") == "Goodbye."
    assert stop_filter.stopped
    assert stop_filter.push("still more") == ""
    assert stop_filter.finish() == ""


def test_a_stop_cut_into_pieces_is_still_a_stop() -> None:
    stop_filter = StopFilter(("<|end|>",))
    assert [stop_filter.push(piece) for piece in ("Yes.<", "|en", "d|", ">No.")] == ["Yes.", "", "", ""]
    assert stop_filter.stopped


def test_a_beginning_of_a_stop_is_held_back_only_as_long_as_it_may_become_one() -> None:
    stop_filter = StopFilter(("<|end|>",))
    assert stop_filter.push("one <") == "one "
    assert stop_filter.push("two") == "<two"


def test_what_was_held_back_comes_at_the_end() -> None:
    stop_filter = StopFilter(("\nUser:",))
    assert stop_filter.push("Bye.\nUs") == "Bye."
    assert stop_filter.finish() == "\nUs"
    assert stop_filter.finish() == ""


def test_a_stop_that_begins_with_itself_is_found() -> None:
    assert filtered(("aab",), "a", "a", "a", "b") == "a"


def test_the_first_of_several_stops_counts() -> None:
    assert filtered(("three", "two"), "one two three") == "one "
    assert filtered(("two", "three"), "one three two") == "one "


@pytest.mark.parametrize("stops", [(), ("",), ("", "")])
def test_without_stops_everything_passes(stops: tuple[str, ...]) -> None:
    assert filtered(stops, "any", "", "thing") == "anything"


pieces = st.lists(st.text("ab.", max_size=6), max_size=12)
stop = st.text("ab.", min_size=1, max_size=5)


@given(pieces, stop)
@settings(max_examples=500, derandomize=True)
def test_exactly_the_text_before_the_stop_passes_however_it_is_cut(pieces: list[str], stop: str) -> None:
    assert filtered((stop,), *pieces) == "".join(pieces).partition(stop)[0]


@given(pieces, st.lists(stop, max_size=4))
@settings(max_examples=500, derandomize=True)
def test_no_stop_passes_and_nothing_else_is_lost(pieces: list[str], stops: list[str]) -> None:
    text, passed = "".join(pieces), filtered(tuple(stops), *pieces)
    assert not any(stop in passed for stop in stops)
    assert text.startswith(passed)
    if passed != text:
        assert any(text.startswith(stop, len(passed)) for stop in stops)


@given(pieces, stop)
@settings(max_examples=300, derandomize=True)
def test_no_more_is_held_back_than_may_become_a_stop(pieces: list[str], stop: str) -> None:
    stop_filter, passed, seen = StopFilter((stop,)), "", ""
    for piece in pieces:
        passed += stop_filter.push(piece)
        seen += piece
        if not stop_filter.stopped:
            assert stop.startswith(seen[len(passed) :])
