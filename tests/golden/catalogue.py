"""All races, in order, and the index of their golden texts."""

from typing import Final

from golden import races_barge_in, races_ends, races_turns
from golden.race import FOLDER, RACES, Race

TOLD_IN: Final = (races_barge_in, races_ends, races_turns)
CATALOGUE: Final[tuple[Race, ...]] = tuple(RACES[number] for number in sorted(RACES))
INDEX: Final = FOLDER / "README.md"

HEAD = """# Race catalogue

Situations in which voice agents are known to go wrong, each as a script of events and the exact commands the session
core answers with. The texts are written by the tests: `pytest tests/golden --update-golden` rewrites them, and what
each must hold is asserted in code beside its script, so that rewriting cannot hide a regression.

How to read one: a line that begins with a time (ms) is an event; under it stand the commands, by receiver. Fields that
hold their default, and what the policy alone decides, are left out. `Tick` is the timer the session asked for.

| | race | what must hold |
|---|---|---|
"""


def index() -> str:
    """The index as Markdown."""
    return HEAD + "".join(
        f"| [R{entry.number}]({entry.path.name}) | {entry.title} | {entry.point} |\n" for entry in CATALOGUE
    )
