"""How a pull shows itself: bars on a terminal, a few lines elsewhere."""

import io

import pytest
from rich.console import Console

from voice_inference.cli.pull_progress import LineProgress, TerminalProgress

MEGABYTE = 1_000_000


def test_off_a_terminal_every_quarter_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress() as lines:
        for percent in range(101):
            lines.progress("whisper", percent * MEGABYTE, 100 * MEGABYTE)
    assert capsys.readouterr().err.splitlines() == [
        "whisper: 25 % of 100.0 MB",
        "whisper: 50 % of 100.0 MB",
        "whisper: 75 % of 100.0 MB",
        "whisper: 100 % of 100.0 MB",
    ]


def test_off_a_terminal_a_transfer_of_one_step_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress() as lines:
        lines.progress("config", 1_000, 1_000)
    assert capsys.readouterr().err == "config: 100 % of 0.0 MB\n"


def test_off_a_terminal_transfers_do_not_share_their_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress() as lines:
        lines.progress("one", 50, 100)
        lines.progress("two", 30, 100)
        lines.progress("one", 60, 100)
    assert [line.split(" of ")[0] for line in capsys.readouterr().err.splitlines()] == ["one: 50 %", "two: 25 %"]


def test_a_size_nobody_knows_yet_is_not_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress() as lines:
        lines.progress("one", 50, 0)
    assert capsys.readouterr().err == ""


def test_notes_go_to_stderr_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress() as lines:
        lines.note("whisper: ready")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "whisper: ready\n")


def shown(*, notes: tuple[str, ...] = (), transfers: tuple[tuple[str, int, int], ...] = ()) -> str:
    """What is left on a terminal after a pull."""
    screen = io.StringIO()
    with TerminalProgress(Console(file=screen, force_terminal=True, width=120, color_system=None)) as bars:
        for note in notes:
            bars.note(note)
        for label, done, total in transfers:
            bars.progress(label, done, total)
    return screen.getvalue()


def test_a_terminal_shows_a_bar_for_every_transfer() -> None:
    screen = shown(transfers=(("one", 0, 0), ("one", 1, 4), ("one", 4 * MEGABYTE, 4 * MEGABYTE), ("two", 1, 2)))
    one, two, _ = screen.splitlines()[-3:]
    assert "one " in one
    assert "4.0/4.0 MB" in one
    assert two.startswith("two ")
    assert "1/2 bytes" in two


def test_a_terminal_shows_notes_as_they_are() -> None:
    assert "small (1 of 2): small==1.0 is ready" in shown(notes=("small (1 of 2): small==1.0 is ready",))
    assert "[data/weights.bin] is there" in shown(notes=("[data/weights.bin] is there",))
