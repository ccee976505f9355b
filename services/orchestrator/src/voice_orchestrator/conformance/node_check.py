"""Acts as an orchestrator against an inference node and says, rule by rule, whether it keeps the contract."""

from collections.abc import Callable, Set
from contextlib import AsyncExitStack
from typing import Final

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import Generate, GenerationEnded, Heartbeat, NodeDescription, SessionReady
from voice_orchestrator.conformance.event_stream import reach
from voice_orchestrator.conformance.findings import Finding, Ledger, Rule
from voice_orchestrator.conformance.node_breaches import BREACH_RULES, break_everything
from voice_orchestrator.conformance.node_rules import SESSION_RULES
from voice_orchestrator.conformance.node_session import (
    CLOSED_S,
    QUESTION,
    WORK_RULES,
    WRITTEN_S,
    NodePlan,
    is_ready,
    judge,
    session_of,
    why_ended,
    work,
)
from voice_orchestrator.conformance.service_rules import SERVICE_RULES, check_service
from voice_orchestrator.runtime.grpc_inference import describe
from voice_orchestrator.runtime.ports import StreamLostError

SERVICE: Final = "voice_agent.v1.Inference"
DESCRIBE_S: Final = 3.0
SLOTS_MAX: Final = 64
"""Nodes with more slots are not filled."""

FREED_S: Final = 5.0
LOOK_EVERY_S: Final = 0.1
NEEDED: Final = (Stage.VAD, Stage.STT, Stage.LLM, Stage.TTS)
ENGINE_STAGES: Final = frozenset({*NEEDED, Stage.END_OF_TURN})

DESCRIBES: Final = Rule(name="describe", says="describe tells slots and, for every stage, one engine")
CAPACITY: Final = Rule(name="capacity", says="exactly session_slots sessions are taken, one more is refused by name")
FREED: Final = Rule(name="slots_freed", says="the slots of sessions that are over are free again")
APART: Final = Rule(name="apart", says="a session hears nothing of another one's work")
DRAINS: Final = Rule(name="drain", says="a node that is stopped turns NOT_SERVING and lets its sessions finish")

ROOM_RULES: Final = (CAPACITY, FREED, APART, DRAINS)
STREAM_RULES: Final = tuple(rule for rule, _ in SESSION_RULES)
NODE_RULES: Final[tuple[Rule, ...]] = (
    *SERVICE_RULES,
    DESCRIBES,
    *STREAM_RULES,
    *WORK_RULES,
    *BREACH_RULES,
    *ROOM_RULES,
)
"""Every rule, in the order in which it is told."""


class NoSessionError(Exception):
    """The node takes no session, so nothing can be said; the text says why."""


async def check_node(plan: NodePlan, say: Callable[[str], None], only: Set[str] = frozenset()) -> tuple[Finding, ...]:
    """Checks every rule, or those in `only` and what comes by the way; `say` is told what is being done.

    Raises UnreachableError when nobody answers or this side is not let in, NoSessionError when no session is taken.
    """
    ledger = Ledger(NODE_RULES)

    def wanted(*rules: Rule) -> bool:
        return not only or any(rule.name in only for rule in rules)

    await reach(plan.target)
    if wanted(*SERVICE_RULES):
        await check_service(plan.target, SERVICE, ledger)
    if wanted(DESCRIBES):
        await _describe(plan, ledger)
    if wanted(*STREAM_RULES, *WORK_RULES):
        say("asking for everything")
        if why := await work(plan, ledger):
            raise NoSessionError(why)
    if wanted(*BREACH_RULES):
        say("breaking the contract")
        await break_everything(plan, ledger, lambda name: not only or name in only)
    if wanted(*ROOM_RULES):
        say("filling the node")
        await _fill(plan, ledger)
    ledger.skip(DRAINS.name, "only who stops it can see that")
    return tuple(finding for finding in ledger.findings() if not only or finding.rule.name in only)


async def _look(plan: NodePlan) -> NodeDescription | str:
    """The node's description, or why there is none."""
    try:
        return await describe(plan.target.address, DESCRIBE_S, plan.target.security)
    except StreamLostError as error:
        return error.detail


async def _describe(plan: NodePlan, ledger: Ledger) -> None:
    node = await _look(plan)
    if isinstance(node, str):
        ledger.fail(DESCRIBES.name, node)
        return
    stages = [engine.stage for engine in node.engines]
    problems = [f"no engine for {stage.value}" for stage in NEEDED if stage not in stages]
    problems += [f"{stage.value} is no stage of a node" for stage in stages if stage not in ENGINE_STAGES]
    problems += [f"{stages.count(stage)} engines for {stage.value}" for stage in set(stages) if stages.count(stage) > 1]
    problems += [f"{engine.stage.value} names no engine" for engine in node.engines if not engine.engine]
    if not node.ready:
        problems.append("it is not ready")
    if not 0 <= node.free_session_slots <= node.session_slots or not node.session_slots:
        problems.append(f"{node.free_session_slots} of {node.session_slots} slots are free")
    seen = f"{node.session_slots} slots, " + ", ".join(f"{e.stage.value} {e.model or e.engine}" for e in node.engines)
    ledger.decide(DESCRIBES.name, not problems, seen, "; ".join(problems))


async def _fill(plan: NodePlan, ledger: Ledger) -> None:
    """Takes every free slot and one more, has one session work, and gives them back."""
    slots = await _settled(plan, None)
    if not 0 < slots <= SLOTS_MAX:
        for rule in (CAPACITY, FREED, APART):
            ledger.skip(rule.name, f"it has {slots} free slots")
        return
    async with AsyncExitStack() as sessions:
        streams = []
        for number in range(slots):
            stream = await sessions.enter_async_context(session_of(plan, f"conformance-{number}"))
            streams.append(stream)
            if not await is_ready(stream):
                ledger.fail(CAPACITY.name, f"{slots} slots were free, session {number + 1}: {why_ended(stream.log)}")
                return
        await _one_more(plan, slots, ledger)
        await streams[0].send(Generate(messages=QUESTION, max_tokens=8, temperature=0.0, top_p=1.0), 1)
        await streams[0].until_seen(GenerationEnded, WRITTEN_S)
        strays = [
            type(seen.event.payload).__name__
            for stream in streams[1:]
            for seen in stream.log.seen
            if not isinstance(seen.event.payload, SessionReady | Heartbeat)
        ]
        if slots > 1:
            ledger.decide(APART.name, not strays, f"{slots - 1} beside one that worked", f"{', '.join(strays)} came")
        else:
            ledger.skip(APART.name, "the node has one free slot")
    for stream in streams:
        judge(stream.log, ledger)
    free = await _settled(plan, slots)
    ledger.decide(FREED.name, free == slots, f"{slots} slots", f"{free} of {slots} were free {FREED_S:g} s later")


async def _one_more(plan: NodePlan, slots: int, ledger: Ledger) -> None:
    async with session_of(plan, "conformance-one-more") as stream:
        taken = await is_ready(stream)
        closed = not taken and await stream.until_over(CLOSED_S)
        failed = stream.log.first(Failure)
    if taken:
        ledger.fail(CAPACITY.name, f"session {slots + 1} was taken where {slots} slots were free")
    elif failed is None or failed[0].reason is not FailureReason.CAPACITY_EXHAUSTED:
        ledger.fail(CAPACITY.name, f"session {slots + 1} was refused so: {why_ended(stream.log)}")
    else:
        kept = f"{slots} were taken, session {slots + 1} was refused"
        ledger.decide(CAPACITY.name, closed, kept, f"the stream was not closed within {CLOSED_S:g} s")


async def _settled(plan: NodePlan, expected: int | None) -> int:
    """Free slots, once they are `expected`, or all where that is None, or after FREED_S; 0 of a node not ready."""
    clock = plan.target.clock
    until_s = clock.now_s() + FREED_S
    while True:
        node = await _look(plan)
        if isinstance(node, str) or not node.ready:
            return 0
        wanted = node.session_slots if expected is None else expected
        if node.free_session_slots == wanted or clock.now_s() >= until_s:
            return node.free_session_slots
        await clock.sleep_until_s(clock.now_s() + LOOK_EVERY_S)
