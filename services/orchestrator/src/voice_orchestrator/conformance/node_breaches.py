"""Orchestrators that break the contract: each has to be told so and let go within two seconds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from voice_contract.channel_options import MESSAGE_BYTES_MAX
from voice_contract.codec import Peer
from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import (
    Audio,
    CancelTranscription,
    Generate,
    Heartbeat,
    SessionClose,
    SessionReady,
    Synthesize,
)
from voice_orchestrator.conformance import wire
from voice_orchestrator.conformance.event_stream import CRASHED, EventStream, open_events
from voice_orchestrator.conformance.findings import Ledger, Rule
from voice_orchestrator.conformance.node_session import (
    CONFIGURE,
    METHOD,
    SESSION_ID,
    NodePlan,
    is_ready,
    judge,
    session_of,
    why_ended,
)
from voice_orchestrator.conformance.stream_log import StreamLog

CUT_S: Final = 2.0
SLACK_S: Final = 0.5
"""What reading the answer on a busy machine may add."""

TRIES: Final = 5
TRY_AGAIN_S: Final = 0.5

Act = Callable[[EventStream], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One way to break the contract. `reason`: what it has to be called, in a session and as the first event.

    configured: in a session the node took, else as the first message of a stream.
    """

    rule: Rule
    act: Act
    configured: bool = True
    reason: FailureReason = FailureReason.INVALID_MESSAGE


def _breach(
    name: str,
    what: str,
    act: Act,
    *,
    configured: bool = True,
    reason: FailureReason = FailureReason.INVALID_MESSAGE,
) -> Breach:
    says = f"{what}: told as {reason.value} and let go within 2 s"
    return Breach(rule=Rule(name=f"cut_{name}", says=says), act=act, configured=configured, reason=reason)


async def _not_a_message(stream: EventStream) -> None:
    await stream.send_bytes(wire.NOT_A_MESSAGE)


async def _close_first(stream: EventStream) -> None:
    await stream.send(SessionClose())


async def _empty_event(stream: EventStream) -> None:
    await stream.send_bytes(b"")


async def _configure_again(stream: EventStream) -> None:
    await stream.send(CONFIGURE)


async def _skip_a_number(stream: EventStream) -> None:
    await stream.send(Heartbeat(), skip=1)


async def _other_session(stream: EventStream) -> None:
    stream.session_id = f"not-{SESSION_ID}"
    await stream.send(Heartbeat())


async def _no_payload(stream: EventStream) -> None:
    await stream.send_wrong(b"")


async def _unknown_arm(stream: EventStream) -> None:
    await stream.send_wrong(wire.control_of_unknown_arm())


async def _arm_of_the_other_side(stream: EventStream) -> None:
    await stream.send(SessionReady())


async def _no_messages(stream: EventStream) -> None:
    await stream.send(Generate(messages=(), max_tokens=5, temperature=0.0, top_p=1.0), 1)


async def _no_run(stream: EventStream) -> None:
    await stream.send(Synthesize(segment_index=0, text="one", speaking_rate=1.0))


async def _no_text(stream: EventStream) -> None:
    await stream.send(Synthesize(segment_index=0, text="", speaking_rate=1.0), 1)


async def _no_utterance(stream: EventStream) -> None:
    await stream.send(CancelTranscription(utterance_id=0))


async def _half_a_sample(stream: EventStream) -> None:
    await stream.send(Audio(pcm=bytes(641), offset_samples=0))


async def _huge_message(stream: EventStream) -> None:
    await stream.send_bytes(bytes(MESSAGE_BYTES_MAX + 1))


async def _fall_silent(stream: EventStream) -> None:
    stream.silent = True


BREACHES: Final = (
    _breach("not_a_message", "bytes that are no message", _not_a_message, configured=False),
    _breach("empty_first", "an empty first event", _empty_event, configured=False),
    _breach("close_first", "a first event other than session_configure", _close_first, configured=False),
    _breach("garbled", "bytes that are no message, in a session", _not_a_message),
    _breach("second_configure", "a second session_configure", _configure_again),
    _breach("sequence", "a number left out", _skip_a_number),
    _breach("other_session", "the id of another session", _other_session),
    _breach("no_payload", "an event without payload", _no_payload),
    _breach("unknown_arm", "a control arm nobody knows", _unknown_arm),
    _breach("wrong_sender", "an event only a node may send", _arm_of_the_other_side),
    _breach("no_messages", "generate without messages", _no_messages),
    _breach("no_run", "synthesize without a run", _no_run),
    _breach("no_text", "synthesize without text", _no_text),
    _breach("no_utterance", "cancel_transcription of turn 0", _no_utterance),
    _breach("half_a_sample", "sound that ends in the middle of a sample", _half_a_sample),
    _breach("huge_message", "a message of more than 1 MiB", _huge_message),
    _breach("silence", "no event for a second", _fall_silent, reason=FailureReason.PEER_SILENT),
)
BREACH_RULES: Final = tuple(breach.rule for breach in BREACHES)


async def break_everything(plan: NodePlan, ledger: Ledger, wanted: Callable[[str], bool]) -> None:
    """Breaks the contract in every way for which `wanted` holds."""
    for breach in BREACHES:
        if wanted(breach.rule.name):
            await (_break_a_session if breach.configured else _break_first)(plan, breach, ledger)


async def _break_first(plan: NodePlan, breach: Breach, ledger: Ledger) -> None:
    async with open_events(plan.target, METHOD, Peer.INFERENCE, SESSION_ID) as stream:
        stream.silent = True
        await _see_the_cut(stream, breach, ledger, plan)


async def _break_a_session(plan: NodePlan, breach: Breach, ledger: Ledger) -> None:
    why = ""
    for _ in range(TRIES):
        async with session_of(plan) as stream:
            if await is_ready(stream):
                await _see_the_cut(stream, breach, ledger, plan)
                return
            why = why_ended(stream.log)
        # The slot of the session before may not be free yet.
        await plan.target.clock.sleep_until_s(plan.target.clock.now_s() + TRY_AGAIN_S)
    ledger.skip(breach.rule.name, f"no session was taken: {why}")


async def _see_the_cut(stream: EventStream, breach: Breach, ledger: Ledger, plan: NodePlan) -> None:
    began_s = plan.target.clock.now_s()
    name, log = breach.rule.name, stream.log
    await breach.act(stream)
    if not await stream.until_over(CUT_S + SLACK_S):
        ledger.fail(name, f"the stream was still open {CUT_S + SLACK_S:g} s later")
    else:
        after = f"let go after {((log.ended_at_s or began_s) - began_s) * 1_000:.0f} ms"
        problem = _untold(log, breach.reason)
        ledger.decide(name, not problem, f"{after}: {why_ended(log)}", f"{after}, {problem}")
    judge(log, ledger)


def _untold(log: StreamLog, reason: FailureReason) -> str:
    """What is wrong with what the orchestrator was told: by a failure, or by gRPC's status."""
    failures = [failure for failure, _ in log.all(Failure)]
    if failures:
        return "" if failures[-1].reason is reason else f"and called {failures[-1].reason.value}"
    if log.status == CRASHED:
        return f"and crashed: {log.details}"
    return "without a word" if log.status == "OK" else ""
