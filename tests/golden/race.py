"""A race: what it is, why it matters, how it is played and what must be true of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from golden.race_notation import Story, told

FOLDER: Final = Path(__file__).parent / "races"

Play = Callable[[], tuple[Story, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One entry of the catalogue. `play` raises AssertionError when the point does not hold."""

    number: int
    name: str
    title: str
    why: str
    point: str
    seen_in: str
    play: Play

    @property
    def path(self) -> Path:
        """Where its golden text lies."""
        return FOLDER / f"r{self.number:02}_{self.name}.txt"

    def text(self) -> str:
        """The golden text, from playing it."""
        head = f"R{self.number}  {self.title}\n\nwhy      {self.why}\nholds    {self.point}\nseen in  {self.seen_in}\n"
        stories = [told(story) for story in self.play()]
        return "\n".join([head, *stories])


RACES: Final[dict[int, Race]] = {}


def race(number: int, title: str, *, why: str, point: str, seen_in: str) -> Callable[[Play], Play]:
    """Adds the decorated story to the catalogue, named like the function."""

    def add(play: Play) -> Play:
        assert number not in RACES, f"R{number} is told twice"
        RACES[number] = Race(
            number=number, name=play.__name__, title=title, why=why, point=point, seen_in=seen_in, play=play
        )
        return play

    return add
