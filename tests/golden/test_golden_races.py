"""Every race of the catalogue: its point holds, and its commands are exactly those of its golden text."""

from pathlib import Path

import pytest
from golden.catalogue import CATALOGUE, INDEX, index
from golden.race import FOLDER, Race

HOW = "run `pytest tests/golden --update-golden` and read the difference"


def hold_against(path: Path, text: str, *, update: bool) -> None:
    if update:
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path.name} is missing; {HOW}"
    assert path.read_text(encoding="utf-8") == text, f"{path.name} tells another story; {HOW}"


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden", default=False))


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: str(entry.path.stem))
def test_the_race_ends_as_it_must_by_exactly_these_commands(entry: Race, update: bool) -> None:
    hold_against(entry.path, entry.text(), update=update)


def test_the_catalogue_is_whole() -> None:
    assert [entry.number for entry in CATALOGUE] == list(range(1, 31))


def test_the_index_names_every_race(update: bool) -> None:
    hold_against(INDEX, index(), update=update)


def test_no_golden_text_is_left_without_its_race() -> None:
    assert set(FOLDER.iterdir()) == {entry.path for entry in CATALOGUE} | {INDEX}
