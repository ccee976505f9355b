"""Whatever is sent or written is answered or refused as documented. Night runs: `run.py --target NAME --count N`."""

import os
import typing
from pathlib import Path

import pytest
from fuzz.run import fuzz, rate_of, story_of
from fuzz.supervisor import ENVIRONMENT, Total
from fuzz.target import PLANS, input_of, open_target

from voice_contract import messages

pytestmark = pytest.mark.fuzz

HERE = Path(__file__).parent
SHARE_LEAST = 0.05
"""Inputs that are all taken or all refused try little."""
MOST = ("event", "wav", "profile")
MOST_COUNT = 20_000


def regressions() -> list[tuple[str, int]]:
    """Targets and seeds that once found something."""
    lines = (HERE / "regressions.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
    return [(name, int(seed)) for name, seed, _ in words]


@pytest.mark.parametrize(("name", "seed"), regressions())
def test_what_was_found_once_stays_mended(
    name: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)
    target = open_target(name, tmp_path)
    assert target.check(input_of(target, name, seed)).startswith(("took ", "refused "))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PLANS)
def test_every_input_gives_a_documented_error_or_an_answer(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    count = PLANS[name].count
    total, took_s = fuzz(name, 0, count, len(os.sched_getaffinity(0)))
    with capsys.disabled():
        print(f"\n{rate_of(name, total, took_s)}")
    assert not total.failures, story_of(name, total)
    assert total.cases == total.answered("took") + total.answered("refused") == count
    assert min(total.answered("took"), total.answered("refused")) >= SHARE_LEAST * count
    assert name != "event" or payloads_never_taken(total) == set()


def payloads_never_taken(total: Total) -> set[str]:
    """Payloads of the contract that no peer got through."""
    taken = {answer.split()[1] for answer in total.answers if answer.startswith("took")}
    return {kind.__name__ for kind in typing.get_args(messages.Payload)} - taken


@pytest.mark.parametrize("name", MOST)
def test_what_comes_from_strangers_is_tried_most(name: str) -> None:
    assert PLANS[name].count >= MOST_COUNT
