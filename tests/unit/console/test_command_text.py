"""Commands as a person reads them, and how two lists of them differ."""

from typing import Any

from voice_orchestrator.console.command_text import command_text, difference_lines

PAUSE: dict[str, Any] = {"is": "PauseRun", "run_id": 3}
TOLD: dict[str, Any] = {
    "is": "ToEdge",
    "run_id": 3,
    "message": {"is": "BargeIn", "cause": "onset", "outcome": "paused"},
}


def prompt(text: str, max_tokens: int = 80) -> dict[str, Any]:
    messages = [{"role": "system", "text": text, "tool_name": ""}]
    return {
        "is": "ToInference",
        "run_id": 4,
        "message": {"is": "Generate", "max_tokens": max_tokens, "messages": messages},
    }


def test_a_command_is_one_line_with_its_message_run_and_values() -> None:
    assert command_text(PAUSE) == "PauseRun run 3"
    assert command_text(TOLD) == "ToEdge BargeIn run 3 cause=onset outcome=paused"
    assert command_text({"is": "ToEdge", "run_id": 0, "message": {"is": "RunHeard"}}) == "ToEdge RunHeard"


def test_long_values_and_long_lists_are_cut() -> None:
    assert len(command_text(prompt("x" * 5_000))) < 200
    many = {"is": "ToEdge", "message": {"is": "Long", **{f"field_{number}": number for number in range(20)}}}
    assert command_text(many).endswith("and 12 more")


def test_commands_that_are_the_same_are_only_named() -> None:
    assert difference_lines([PAUSE, TOLD], [PAUSE, TOLD]) == ["= PauseRun run 3", "= ToEdge BargeIn run 3"]


def test_commands_that_only_one_side_has_are_marked() -> None:
    assert difference_lines([PAUSE, TOLD], [TOLD]) == ["- PauseRun run 3", "= ToEdge BargeIn run 3"]
    assert difference_lines([], [PAUSE]) == ["+ PauseRun run 3"]


def test_the_same_command_with_other_values_shows_the_values() -> None:
    assert difference_lines([prompt("Be brief.")], [prompt("Be brief.", max_tokens=7)]) == [
        "~ ToInference Generate run 4",
        "    max_tokens: 80 → 7",
    ]


def test_two_long_texts_are_shown_where_they_begin_to_differ() -> None:
    (_, line) = difference_lines([prompt("You are Joe. " * 50 + "Stop.")], [prompt("You are Joe. " * 50 + "Go.")])
    assert line == "    messages[0].text: …ou are Joe. Stop. → …ou are Joe. Go."


def test_a_value_only_one_side_has_is_shown() -> None:
    with_cause = {"is": "ToEdge", "message": {"is": "BargeIn", "cause": "onset"}}
    without = {"is": "ToEdge", "message": {"is": "BargeIn", "cause": ""}}
    assert difference_lines([with_cause], [without]) == ["~ ToEdge BargeIn", "    cause: onset → -"]
