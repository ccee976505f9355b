"""`inference-check` finds nothing wrong with the real node, and what is wrong with wrong ones, by name."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.certificates import new_ca, new_identity
from support.secured_node import secured_node
from support.served_node import served_node
from support.tampered import (
    Changes,
    DeafTo,
    LeavesOut,
    Message,
    SaysTwice,
    SkipsANumber,
    Tamper,
    WorksOn,
    any_number,
    never_silent,
    tampered_node,
)

from voice_operations.bearer_tokens import BearerTokens, new_token
from voice_operations.private_ca import Use
from voice_operations.security import ClientSecurity, ServerSecurity
from voice_operations.tls_files import ClientTls, ServerTls
from voice_orchestrator.conformance.event_stream import Target, UnreachableError
from voice_orchestrator.conformance.findings import Finding, Verdict
from voice_orchestrator.conformance.node_check import (
    NODE_RULES,
    STREAM_RULES,
    NoSessionError,
    check_node,
)
from voice_orchestrator.conformance.node_session import WORK_RULES, NodePlan
from voice_orchestrator.runtime.clock import SessionClock

SPEECH = (6_000).to_bytes(2, "little", signed=True) * 9_600
"""0.6 s of what the scripted ear takes for speech."""

REAL = "the real one"
WORKING = frozenset(rule.name for rule in (*STREAM_RULES, *WORK_RULES))


def longer(message: Message) -> None:
    message.control.synthesis_ended.total_samples += 160


def of_another_turn(message: Message) -> None:
    if message.transcript.utterance_id:
        message.transcript.utterance_id = 77


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A node that breaks a rule: `broken` fails, and nothing that is not in `may_fail`."""

    broken: set[str]
    only: frozenset[str] = WORKING
    tamper: Callable[[], Tamper] = Tamper
    may_fail: set[str] = field(default_factory=set)
    told_slots: int = 0


BREACHES = {
    "a number left out": Wrong(broken={"sequence"}, tamper=SkipsANumber),
    "no heartbeat": Wrong(broken={"heartbeats"}, tamper=lambda: LeavesOut("heartbeat")),
    "a double end": Wrong(broken={"synthesis"}, tamper=lambda: SaysTwice("synthesis_ended")),
    "a wrong total": Wrong(broken={"synthesis"}, tamper=lambda: Changes("synthesis_ended", longer)),
    "ready twice": Wrong(broken={"ready_first"}, tamper=lambda: SaysTwice("session_ready")),
    "a run that goes on": Wrong(broken={"stopped_last"}, tamper=WorksOn, may_fail={"late_command"}),
    "deaf to numbers": Wrong(
        broken={"cut_sequence"}, only=frozenset({"cut_sequence"}), tamper=lambda: DeafTo(any_number)
    ),
    "deaf to silence": Wrong(
        broken={"cut_silence"}, only=frozenset({"cut_silence"}), tamper=lambda: DeafTo(never_silent)
    ),
    "fewer slots than it tells": Wrong(broken={"capacity"}, only=frozenset({"capacity"}), told_slots=4),
    "more slots than it tells": Wrong(broken={"capacity"}, only=frozenset({"capacity"}), told_slots=2),
}

Findings = dict[str, tuple[Finding, ...]]


def target(address: str, security: ClientSecurity | None = None) -> Target:
    return Target(address=address, security=security or ClientSecurity(), clock=SessionClock())


async def check_all() -> Findings:
    """The real one and all wrong ones, side by side."""
    async with served_node(queue=64) as node:

        async def check(wrong: Wrong, speech: bytes) -> tuple[Finding, ...]:
            async with tampered_node(node, wrong.tamper, told_slots=wrong.told_slots) as address:
                return await check_node(NodePlan(target=target(address), speech=speech), lambda line: None, wrong.only)

        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(check(wrong, b"")) for name, wrong in BREACHES.items()}
            tasks[REAL] = group.create_task(check(Wrong(broken=set(), only=frozenset()), SPEECH))
    return {name: task.result() for name, task in tasks.items()}


@pytest.fixture(scope="module")
def findings() -> Findings:
    return asyncio.run(check_all())


def test_the_real_node_keeps_every_rule(findings: Findings) -> None:
    verdicts = {finding.rule.name: (finding.verdict, finding.detail) for finding in findings[REAL]}
    assert set(verdicts) == {rule.name for rule in NODE_RULES}
    assert {name: verdict.value for name, (verdict, _) in verdicts.items() if verdict is not Verdict.PASS} == {
        "drain": "not checked"
    }, verdicts


@pytest.mark.parametrize("breach", BREACHES)
def test_a_wrong_node_is_found_by_the_rule_it_breaks(findings: Findings, breach: str) -> None:
    failed = {finding.rule.name: finding.detail for finding in findings[breach] if finding.verdict is Verdict.FAIL}
    assert BREACHES[breach].broken <= set(failed) <= BREACHES[breach].broken | BREACHES[breach].may_fail, failed


async def test_a_node_is_checked_over_mutual_tls_with_a_token(tmp_path: Path) -> None:
    ca, token = new_ca(tmp_path), new_token("orchestrator")
    server, client = new_identity(tmp_path, "server"), new_identity(tmp_path, "client", hosts=(), use=Use.CLIENT)
    asked = ServerSecurity(tls=ServerTls(identity=server, client_ca=ca), tokens=BearerTokens([token]))
    shown = ClientTls(ca=ca, identity=client)
    async with secured_node(asked) as node:
        # Its models are never loaded, so a session that is refused for that has come through.
        with pytest.raises(NoSessionError, match="still loading its models"):
            await work_with(node.address, ClientSecurity(shown, token))
        with pytest.raises(UnreachableError, match="bearer token is needed"):
            await work_with(node.address, ClientSecurity(shown))
        with pytest.raises(UnreachableError, match="name its CA"):
            await work_with(node.address, ClientSecurity())


async def work_with(address: str, security: ClientSecurity) -> None:
    await check_node(NodePlan(target=target(address, security)), lambda line: None, frozenset({"sequence"}))


async def test_what_is_not_ready_is_told_so() -> None:
    async with served_node(loaded=False) as node:
        plan = NodePlan(target=target(node.address))
        found = await check_node(plan, lambda line: None, frozenset({"health", "describe", "capacity"}))
    verdicts = {finding.rule.name: (finding.verdict, finding.detail) for finding in found}
    assert verdicts["health"] == (Verdict.FAIL, "voice_agent.v1.Inference is NOT_SERVING")
    assert verdicts["describe"][0] is Verdict.FAIL
    assert "it is not ready" in verdicts["describe"][1]
    assert verdicts["capacity"][0] is Verdict.NOT_CHECKED
