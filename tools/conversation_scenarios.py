"""Puts the sounds of a conversation into the order in which a caller says them."""

from itertools import cycle
from typing import Any, Final

Row = dict[str, Any]
Story = dict[str, Any]

FALSE_KINDS: Final = ("backchannel", "cough", "click")
OVER_MS: Final = (700, 1_500, 2_300, 1_100, 3_000, 1_900, 900, 2_700)
"""How far into a reply the caller makes a sound; taken in turn."""

GAINS_DB: Final = (0, -6, 3, -3, 6)
BENCH_FILES: Final = 5
CHAINS: Final = 3
"""Sentences of a bench scenario whose reply is talked over; the other replies are heard out."""


def scenarios(rows: list[Row]) -> dict[str, Story]:
    """Scenario files by name: short.yaml of about three minutes, and the bench's."""
    paused = [row for row in rows if row["kind"] == "sentence" and row["pauses_samples"]]
    plain = [row for row in rows if row["kind"] == "sentence" and not row["pauses_samples"]]
    order = FalseOrder(rows)
    made = {}
    each = len(paused) // BENCH_FILES
    plain_turns = cycle(plain)
    for index in range(BENCH_FILES):
        sentences = paused[index::BENCH_FILES][:each]
        steps = _bench(sentences, [next(plain_turns) for _ in range(CHAINS)], order)
        made[f"bench_{index + 1}.yaml"] = {"description": f"bench, part {index + 1} of {BENCH_FILES}", "steps": steps}
    made["short.yaml"] = {"description": "about three minutes, for the end-to-end test", "steps": _short(paused, rows)}
    return made


class FalseOrder:
    """Deals interruptions, false interruptions, moments and gains, each in its own order."""

    def __init__(self, rows: list[Row]) -> None:
        """Takes the manifest."""
        kinds = [[row for row in rows if row["kind"] == kind] for kind in FALSE_KINDS]
        mixed = [row for index in range(max(map(len, kinds))) for kind in kinds for row in kind[index : index + 1]]
        self._false = cycle(mixed)
        self._true = cycle([row for row in rows if row["kind"] == "interruption"])
        self._over_ms = cycle(OVER_MS)
        self._gains_db = cycle(GAINS_DB)

    def false(self, after_ms: int = 0) -> Row:
        """The next cough, click or backchannel."""
        return self._step(next(self._false), after_ms)

    def true(self, after_ms: int = 0) -> Row:
        """The next interruption."""
        return self._step(next(self._true), after_ms)

    def _step(self, row: Row, after_ms: int) -> Row:
        step: Row = {"play": row["file"], "over_agent_ms": next(self._over_ms)}
        if after_ms:
            step["after_ms"] = after_ms
        gain_db = next(self._gains_db)
        return {**step, "gain_db": gain_db} if gain_db else step


def _bench(sentences: list[Row], plain: list[Row], order: FalseOrder) -> list[Row]:
    """Replies to every other sentence are chains: a false interruption, a true one, and a true one over what follows.

    A sound that follows a false one comes 4 s later, so that the agent has had time to show that it goes on.
    """
    steps: list[Row] = []
    asked = [row for pair in zip(sentences, plain, strict=False) for row in pair] + sentences[len(plain) :]
    for index, row in enumerate(asked):
        steps.append({"play": row["file"]})
        if index % 2 == 0 and index < 2 * CHAINS:
            steps += [order.false(), order.true(4_000), order.true()]
        elif index == CHAINS:
            steps += [order.false(), order.false(4_000)]
        elif index == CHAINS + 2:
            steps.append(order.true())
        else:
            steps.append(order.false())
    return steps


def _short(paused: list[Row], rows: list[Row]) -> list[Row]:
    by_name = {row["file"].split("/")[-1].removesuffix(".flac"): row["file"] for row in rows}
    first, second, third, fourth, fifth = (row["file"] for row in paused[:5])

    def over(name: str, over_ms: int, after_ms: int = 0) -> Row:
        step = {"play": by_name[name], "over_agent_ms": over_ms}
        return {**step, "after_ms": after_ms} if after_ms else step

    return [
        {"play": first},
        over("cough_two", 900),
        over("stop", 1_500, 4_000),
        over("click_two", 1_100),
        over("what_time_is_it", 700, 3_000),
        {"play": second},
        over("mm_hm_high", 1_300),
        over("stop_no", 1_200, 4_000),
        {"play": third},
        over("cough_first", 2_000),
        over("hold_on", 800, 4_000),
        {"play": fourth},
        over("uh_huh_low", 1_600),
        over("cancel_timer", 1_000, 4_000),
        {"play": fifth},
        over("yeah_high", 700),
    ]
