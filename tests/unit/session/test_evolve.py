"""Changed copies of frozen values."""

from dataclasses import dataclass, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.session_script import Script

from voice_orchestrator.session.evolve import assign, copy_of, evolved
from voice_orchestrator.session.state import Run, SessionState, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: str = "y"


@given(st.integers(), st.text(), st.integers())
def test_a_changed_copy_equals_what_replace_gives(x: int, y: str, new: int) -> None:
    point = Point(x=x, y=y)
    assert evolved(point, {"x": new}) == replace(point, x=new)
    assert point == Point(x=x, y=y)


def test_without_changes_it_is_an_equal_value_of_its_own() -> None:
    point = Point(x=1)
    for made in (evolved(point, {}), copy_of(point)):
        assert made == point
        assert hash(made) == hash(point)
        assert made is not point


def test_a_name_that_is_no_field_is_refused() -> None:
    with pytest.raises(KeyError):
        evolved(Point(x=1), {"z": 2})
    with pytest.raises(KeyError):
        assign(copy_of(Point(x=1)), {"z": 2})


def test_a_copy_can_be_changed_in_place_and_the_original_stays() -> None:
    point = Point(x=1)
    made = copy_of(point)
    assign(made, {"x": 2, "y": "z"})
    assert (made, point) == (Point(x=2, y="z"), Point(x=1))


@pytest.mark.parametrize("kind", [SessionState, Turn, Run])
def test_no_field_of_the_state_is_lost_in_a_copy(kind: type[SessionState] | type[Turn] | type[Run]) -> None:
    state = Script().open().say("Hello?").state
    value = {SessionState: state, Turn: state.turn, Run: state.run}[kind]
    assert value is not None
    made = copy_of(value)
    assert all(getattr(made, field.name) is getattr(value, field.name) for field in fields(kind))
