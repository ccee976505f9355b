"""Acts as an edge against an orchestrator and says, rule by rule, whether it keeps the contract."""

from collections.abc import Callable, Set
from typing import Final

from voice_orchestrator.conformance import edge_calls as calls
from voice_orchestrator.conformance.edge_breaches import BREACH_RULES, break_everything
from voice_orchestrator.conformance.edge_rules import CALL_RULES
from voice_orchestrator.conformance.event_stream import reach
from voice_orchestrator.conformance.findings import Finding, Ledger, Rule
from voice_orchestrator.conformance.service_rules import SERVICE_RULES, check_service

SERVICE: Final = "voice_agent.v1.Edge"
STREAM_RULES: Final = tuple(rule for rule, _ in CALL_RULES)
EDGE_RULES: Final[tuple[Rule, ...]] = (*SERVICE_RULES, *STREAM_RULES, *calls.TALK_RULES, *BREACH_RULES)
"""Every rule, in the order in which it is told."""

SHORT_CALLS: Final = (
    (calls.UNKNOWN, calls.ask_for_nobody),
    (calls.WORDS_ONLY, calls.talk_in_words),
    (calls.TELEPHONES, calls.talk_by_telephone),
    (calls.FRAME_SIZES, calls.send_all_frame_sizes),
    (calls.QUICK, calls.hang_up_at_once),
)
CONVERSATION: Final = frozenset(rule.name for rule in (*STREAM_RULES, calls.TYPED, calls.SPOKEN, calls.HANG_UP))


class NoCallError(Exception):
    """The orchestrator takes no call, so nothing can be said; the text says why."""


async def check_edge_service(
    plan: calls.EdgePlan, say: Callable[[str], None], only: Set[str] = frozenset()
) -> tuple[Finding, ...]:
    """Checks every rule, or those in `only` and what comes by the way; `say` is told what is being done.

    Raises UnreachableError when nobody answers or this side is not let in, NoCallError when no call is taken.
    """
    ledger = Ledger(EDGE_RULES)

    def wanted(name: str) -> bool:
        return not only or name in only

    await reach(plan.target)
    if any(wanted(rule.name) for rule in SERVICE_RULES):
        await check_service(plan.target, SERVICE, ledger)
    if any(wanted(name) for name in CONVERSATION):
        say("talking")
        if why := await calls.converse(plan, ledger):
            raise NoCallError(why)
    for rule, call in SHORT_CALLS:
        if wanted(rule.name):
            say(rule.says)
            await call(plan, ledger)
    if any(wanted(rule.name) for rule in BREACH_RULES):
        say("breaking the contract")
        await break_everything(plan, ledger, wanted)
    return tuple(finding for finding in ledger.findings() if wanted(finding.rule.name))
