"""What is fuzzed: a target makes an input from a seed and says what the code under test answered."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Protocol, cast


class Target(Protocol):
    """One reader of what others wrote."""

    def make(self, rng: Random) -> bytes:
        """An input; equal generators make equal inputs."""

    def check(self, data: bytes) -> str:
        """What the code answered, in a few words: `took ...` or `refused ...`; raises whatever else happens."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a target is, and how many inputs it is given every time.

    `module` has a function `open_target(name, folder)`; files are written to `folder` only.
    """

    module: str
    count: int


PLANS: Final = {
    "event": Plan("fuzz.target_event", 20_000),
    "wav": Plan("fuzz.target_wav", 20_000),
    "profile": Plan("fuzz.target_settings", 20_000),
    "description": Plan("fuzz.target_event", 2_000),
    "flac": Plan("fuzz.target_wav", 2_000),
    "journal": Plan("fuzz.target_journal", 2_000),
    "placement": Plan("fuzz.target_settings", 2_000),
    "scenario": Plan("fuzz.target_settings", 2_000),
}


def open_target(name: str, folder: Path) -> Target:
    """The target of that name."""
    return cast("Target", importlib.import_module(PLANS[name].module).open_target(name, folder))


def input_of(target: Target, name: str, seed: int) -> bytes:
    """The input of a seed."""
    return target.make(Random(f"{name} {seed}"))


def one_line_each(problems: tuple[str, ...], begins: str) -> None:
    """Asserts what is promised of an error for a person: problems of one printable line, each naming its file."""
    assert problems, "an error without a problem"
    for problem in problems:
        assert problem.startswith(begins), f"a problem does not begin with {begins!r}: {problem[:80]!r}"
        assert len(problem.splitlines()) == 1, f"a problem of several lines: {problem[:200]!r}"
        assert problem.isprintable(), f"a problem that cannot be printed: {problem[:200]!r}"
