"""What many streams show of a rule comes together to one finding."""

from voice_orchestrator.conformance.edge_check import EDGE_RULES
from voice_orchestrator.conformance.findings import Finding, Ledger, Outcome, Rule, Verdict
from voice_orchestrator.conformance.node_check import NODE_RULES

RULE = Rule(name="gapless", says="sound has no gap")
OTHER = Rule(name="pace", says="sound comes in time")


def found(ledger: Ledger) -> Finding:
    return ledger.findings()[0]


def test_a_rule_nothing_was_seen_of_is_not_checked() -> None:
    ledger = Ledger((RULE, OTHER))
    ledger.judge("gapless", Outcome())
    assert [finding.verdict for finding in ledger.findings()] == [Verdict.NOT_CHECKED, Verdict.NOT_CHECKED]


def test_a_reason_for_not_checking_is_told_until_something_is_seen() -> None:
    ledger = Ledger((RULE,))
    ledger.skip("gapless", "nobody spoke")
    assert (found(ledger).verdict, found(ledger).detail) == (Verdict.NOT_CHECKED, "nobody spoke")
    ledger.judge("gapless", Outcome(seen=3, things="frames"))
    ledger.judge("gapless", Outcome(seen=4, things="frames"))
    assert (found(ledger).verdict, found(ledger).detail) == (Verdict.PASS, "7 frames")


def test_a_rule_broken_once_stays_broken_and_tells_what_was_first() -> None:
    ledger = Ledger((RULE,))
    ledger.judge("gapless", Outcome(problems=("320 is missing", "640 is missing"), seen=5, things="frames"))
    ledger.judge("gapless", Outcome(problems=("960 is missing",), seen=5, things="frames"))
    ledger.keep("gapless", "all well")
    assert (found(ledger).verdict, found(ledger).detail) == (Verdict.FAIL, "320 is missing (and 1 more)")


def test_a_decision_keeps_or_breaks() -> None:
    ledger = Ledger((RULE, OTHER))
    ledger.decide("gapless", True, "good", "bad")
    ledger.decide("pace", False, "good", "bad")
    assert [(finding.verdict, finding.detail) for finding in ledger.findings()] == [
        (Verdict.PASS, "good"),
        (Verdict.FAIL, "bad"),
    ]


def test_every_rule_has_a_name_of_its_own_and_a_sentence() -> None:
    for rules in (EDGE_RULES, NODE_RULES):
        names = [rule.name for rule in rules]
        assert len(set(names)) == len(names)
        assert all(rule.says for rule in rules)
