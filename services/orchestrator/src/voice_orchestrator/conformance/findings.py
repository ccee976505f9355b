"""What a check says: for every rule of the contract whether it is kept, and what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How a rule came out."""

    PASS = "pass"
    FAIL = "fail"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule of the contract: a name for programs and one sentence for people."""

    name: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule and how it came out. `detail`: what broke it, what it was seen on, or why nothing was seen."""

    rule: Rule
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one stream shows of a rule: what breaks it, and on how many `things` it could be seen."""

    problems: tuple[str, ...] = ()
    seen: int = 0
    things: str = ""


class Ledger:
    """Collects what is found. A rule broken once is broken; one that nothing was seen of is not checked."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._broken: dict[str, str] = {}
        self._kept: dict[str, str] = {}
        self._seen: dict[str, int] = {}
        self._skipped: dict[str, str] = {}

    def judge(self, name: str, outcome: Outcome) -> None:
        """Adds what one stream shows of a rule."""
        if outcome.problems:
            more = len(outcome.problems) - 1
            self.fail(name, outcome.problems[0] + (f" (and {more} more)" if more else ""))
        elif outcome.seen:
            self._seen[name] = self._seen.get(name, 0) + outcome.seen
            self._kept[name] = f"{self._seen[name]} {outcome.things}"

    def keep(self, name: str, detail: str) -> None:
        """The rule was kept."""
        self._kept[self._rules[name].name] = detail

    def fail(self, name: str, detail: str) -> None:
        """The rule was broken; what was found first is told."""
        self._broken.setdefault(self._rules[name].name, detail)

    def skip(self, name: str, why: str) -> None:
        """The rule could not be looked at; counts when nothing else is known of it."""
        self._skipped.setdefault(self._rules[name].name, why)

    def decide(self, name: str, kept: bool, good: str, bad: str) -> None:
        """`keep` or `fail`."""
        if kept:
            self.keep(name, good)
        else:
            self.fail(name, bad)

    def findings(self) -> tuple[Finding, ...]:
        """One finding per rule, in the order of the rules."""
        return tuple(self._finding(rule) for rule in self._rules.values())

    def _finding(self, rule: Rule) -> Finding:
        if rule.name in self._broken:
            return Finding(rule=rule, verdict=Verdict.FAIL, detail=self._broken[rule.name])
        if rule.name in self._kept:
            return Finding(rule=rule, verdict=Verdict.PASS, detail=self._kept[rule.name])
        why = self._skipped.get(rule.name, "nothing of it was seen")
        return Finding(rule=rule, verdict=Verdict.NOT_CHECKED, detail=why)
