"""Lines of a chat that press keys instead of saying something."""

import pytest

from voice_orchestrator.edges.text_edge import keys_of


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("/key 5", "5"),
        ("  /key 1 2 3#  ", "123#"),
        ("/key *a", "*A"),
        ("Are you open?", None),
        ("/keys please", None),
        ("5", None),
        ("", None),
    ],
)
def test_a_line_presses_keys_or_says_something(line: str, keys: str | None) -> None:
    assert keys_of(line) == keys


@pytest.mark.parametrize("line", ["/key", "/key ", "/key 5x", "/key five"])
def test_what_is_no_key_is_told_with_what_is(line: str) -> None:
    with pytest.raises(ValueError, match="keys are 0-9, A-D, "):
        keys_of(line)
