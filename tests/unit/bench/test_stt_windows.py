"""Does the bench of Whisper's window see what it is there to see."""

from dataclasses import replace

import pytest
from speech_clips import Condition
from stt_windows import Heard, Pair, Row, row_of


def heard(took_s: float, errors: int = 0, *, loops: bool = False, rerun: bool = False) -> Heard:
    return Heard(text="", took_s=took_s, errors=errors, loops=loops, rerun=rerun, log_probability=-0.1)


def pair(stock: Heard, cut: Heard, words: int = 100) -> Pair:
    return Pair(name="clip", condition=Condition.CLEAN, length_s=3.0, words=words, stock=stock, cut=cut)


GOOD = pair(heard(1.0, 5), heard(0.3, 5))


def row(*pairs: Pair) -> Row:
    return row_of(Condition.CLEAN, pairs)


def test_a_row_sums_up_its_clips() -> None:
    found = row(GOOD, pair(heard(2.0, 7), heard(0.2, 6, rerun=True), words=300), GOOD)
    assert (found.clips, found.words, found.reruns) == (3, 500, 1)
    assert found.wer_stock == pytest.approx(3.4)
    assert found.wer_cut == pytest.approx(3.2)
    assert (found.stock_s, found.cut_s, found.ratio) == (1.0, 0.3, 0.3)
    assert not found.missed


@pytest.mark.parametrize(
    ("worse", "missed"),
    [
        (replace(GOOD, cut=heard(0.34, 5)), "time ratio over 0.33"),
        (replace(GOOD, cut=heard(0.3, 6)), "word error rate more than 0.5 points higher"),
        (replace(GOOD, cut=heard(0.3, 5, loops=True)), "a loop was not caught"),
    ],
)
def test_a_missed_bar_is_named(worse: Pair, missed: str) -> None:
    assert row(worse).missed == [missed]


def test_noise_and_telephones_may_cost_more_words() -> None:
    one_more = replace(GOOD, cut=heard(0.3, 6))
    assert row_of(Condition.CLEAN, [one_more]).missed
    assert not row_of(Condition.NOISE, [one_more]).missed
    assert not row_of(Condition.TELEPHONE, [one_more]).missed
