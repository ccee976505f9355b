"""`edge-check` finds nothing wrong with the real orchestrator, and what is wrong with wrong ones, by name."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.served_node import served_node
from support.served_orchestrator import served_orchestrator
from support.tampered import (
    BeatsAfter,
    Changes,
    CoughStt,
    DeafTo,
    LateFrames,
    LeavesOut,
    Message,
    SaysTwice,
    SkipsANumber,
    Tamper,
    any_arm,
    any_number,
    never_silent,
    tampered_edge,
)

from voice_operations.security import ClientSecurity
from voice_orchestrator.conformance.edge_breaches import BREACH_RULES
from voice_orchestrator.conformance.edge_calls import TALK_RULES, EdgePlan
from voice_orchestrator.conformance.edge_check import CONVERSATION, EDGE_RULES, NoCallError, check_edge_service
from voice_orchestrator.conformance.event_stream import Target, UnreachableError
from voice_orchestrator.conformance.findings import Finding, Verdict
from voice_orchestrator.conformance.service_rules import SERVICE_RULES
from voice_orchestrator.runtime.clock import SessionClock

PROFILE = """
system_prompt: You are a test.
greeting: Hello there.
turn_taking:
  min_delay_ms: 100
  max_delay_ms: 200
"""
SPEECH = (6_000).to_bytes(2, "little", signed=True) * 9_600
"""0.6 s of what the scripted ear takes for speech."""

WORDS = (*(f"word{number} " for number in range(11)), "end.")
"""1.2 s of sound."""

REAL = "the real one"
CHAPTERS = (
    frozenset(CONVERSATION),
    frozenset(rule.name for rule in (*SERVICE_RULES, *TALK_RULES)) - CONVERSATION,
    frozenset(rule.name for rule in BREACH_RULES),
)
"""What is checked side by side to save time."""


def longer(message: Message) -> None:
    message.control.run_audio_end.total_samples += 160


def without_failure(message: Message) -> None:
    message.control.call_ended.ClearField("failure")


TALKING = CONVERSATION - {"spoken_turn"}
BREACHES: dict[str, tuple[Callable[[], Tamper], frozenset[str], set[str]]] = {
    "a number left out": (SkipsANumber, TALKING, {"sequence"}),
    "no heartbeat": (lambda: LeavesOut("heartbeat"), TALKING, {"heartbeats"}),
    "sound after flush": (lambda: LateFrames("playout_flush"), TALKING, {"flushes"}),
    "a double end": (lambda: SaysTwice("run_audio_end"), TALKING, {"ends_of_runs"}),
    "a wrong total": (lambda: Changes("run_audio_end", longer), TALKING, {"ends_of_runs"}),
    "a latency twice": (lambda: SaysTwice("turn_latency"), TALKING, {"latency"}),
    "alive after the end": (lambda: BeatsAfter("call_ended"), TALKING, {"ended_last"}),
    "no end": (lambda: LeavesOut("call_ended"), TALKING, {"ended_last", "hang_up"}),
    "a refusal without a reason": (
        lambda: Changes("call_ended", without_failure), frozenset({"unknown_profile"}), {"unknown_profile"},
    ),
    "deaf to numbers": (lambda: DeafTo(any_number), frozenset({"cut_sequence"}), {"cut_sequence"}),
    "deaf to silence": (lambda: DeafTo(never_silent), frozenset({"cut_silence"}), {"cut_silence"}),
    "deaf to what it does not know": (lambda: DeafTo(any_arm), frozenset({"cut_unknown_arm"}), {"cut_unknown_arm"}),
}  # fmt: skip

Findings = dict[str, tuple[Finding, ...]]


def target(address: str) -> Target:
    return Target(address=address, security=ClientSecurity(), clock=SessionClock())


AT_ONCE = 5
"""Checks side by side: they keep real time, on one loop with both services."""


async def check_all(folder: Path) -> Findings:
    """The real one and all wrong ones, side by side."""
    found: Findings = {}
    async with served_node(slots=64) as node:
        pipeline = node.servicer.pipeline
        assert pipeline is not None
        node.servicer.pipeline = replace(pipeline, stt=CoughStt())
        node.llm.words = WORDS
        async with served_orchestrator(
            folder, (node.address,), slots=64, slots_per_peer=64, profile=PROFILE
        ) as orchestrator:
            few = asyncio.Semaphore(AT_ONCE)

            async def check(tamper: Callable[[], Tamper], only: frozenset[str], speech: bytes) -> tuple[Finding, ...]:
                async with few, tampered_edge(orchestrator, tamper) as address:
                    plan = EdgePlan(target=target(address), profile="plain", speech=speech)
                    return await check_edge_service(plan, lambda line: None, only)

            async with asyncio.TaskGroup() as group:
                real = [group.create_task(check(Tamper, chapter, SPEECH)) for chapter in CHAPTERS]
                wrong = {
                    name: group.create_task(check(tamper, only, b"")) for name, (tamper, only, _) in BREACHES.items()
                }
            found[REAL] = tuple(finding for chapter in real for finding in chapter.result())
            found |= {name: task.result() for name, task in wrong.items()}
    return found


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return asyncio.run(check_all(tmp_path_factory.mktemp("conformance")))


def test_the_real_orchestrator_keeps_every_rule(findings: Findings) -> None:
    verdicts = {finding.rule.name: (finding.verdict, finding.detail) for finding in findings[REAL]}
    assert set(verdicts) == {rule.name for rule in EDGE_RULES}
    assert {name: seen for name, seen in verdicts.items() if seen[0] is not Verdict.PASS} == {}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_wrong_orchestrator_is_found_by_the_rule_it_breaks(findings: Findings, breach: str) -> None:
    failed = {finding.rule.name: finding.detail for finding in findings[breach] if finding.verdict is Verdict.FAIL}
    assert set(failed) == BREACHES[breach][2], failed


async def test_nobody_at_the_address_cannot_be_checked() -> None:
    plan = EdgePlan(target=target("127.0.0.1:1"), profile="plain")
    with pytest.raises(UnreachableError, match=r"nobody answers at 127\.0\.0\.1:1"):
        await check_edge_service(plan, lambda line: None, frozenset({"sequence"}))


async def test_an_orchestrator_that_takes_no_call_cannot_be_checked(tmp_path: Path) -> None:
    async with served_node() as node, served_orchestrator(tmp_path, (node.address,)) as orchestrator:
        plan = EdgePlan(target=target(orchestrator.address), profile="nobody")
        with pytest.raises(NoCallError, match="profile_invalid: there is no profile 'nobody' here"):
            await check_edge_service(plan, lambda line: None)
