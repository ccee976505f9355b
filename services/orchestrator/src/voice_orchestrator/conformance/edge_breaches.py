"""Edges that break the contract: each has to be told so and cut within two seconds, and nobody else may notice."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from voice_contract.channel_options import MESSAGE_BYTES_MAX
from voice_contract.codec import Peer
from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import (
    Audio,
    CallEnded,
    Dtmf,
    HangUp,
    Phase,
    PhaseChanged,
)
from voice_orchestrator.conformance import wire
from voice_orchestrator.conformance.caller import METHOD, Caller, call_of
from voice_orchestrator.conformance.edge_calls import WIDEBAND, EdgePlan, judge, why_ended
from voice_orchestrator.conformance.event_stream import CRASHED, EventStream, open_events
from voice_orchestrator.conformance.findings import Ledger, Rule
from voice_orchestrator.conformance.stream_log import StreamLog

CUT_S: Final = 2.0
SLACK_S: Final = 0.5
"""What reading the answer on a busy machine may add."""

TRIES: Final = 5
TRY_AGAIN_S: Final = 0.5
FRAME: Final = 320
FLOOD_FRAMES: Final = 30
"""Of 200 ms each: six seconds of sound at once."""

Act = Callable[[EventStream], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One way to break the contract. `opened`: in a call that runs, else as the first message of a stream."""

    rule: Rule
    act: Act
    opened: bool = True


def _breach(name: str, what: str, act: Act, *, opened: bool = True) -> Breach:
    return Breach(rule=Rule(name=f"cut_{name}", says=f"{what}: told and cut within 2 s"), act=act, opened=opened)


async def _not_a_message(stream: EventStream) -> None:
    await stream.send_bytes(wire.NOT_A_MESSAGE)


async def _sound_first(stream: EventStream) -> None:
    stream.session_id = "nobody"
    await stream.send(Audio(pcm=bytes(2 * FRAME), offset_samples=0))


async def _skip_a_number(stream: EventStream) -> None:
    await stream.send(HangUp(), skip=1)


async def _other_session(stream: EventStream) -> None:
    stream.session_id = f"not-{stream.session_id}"[:64]
    await stream.send(Dtmf(key="1"))


async def _no_payload(stream: EventStream) -> None:
    await stream.send_wrong(b"")


async def _unknown_arm(stream: EventStream) -> None:
    await stream.send_wrong(wire.control_of_unknown_arm())


async def _arm_of_the_other_side(stream: EventStream) -> None:
    await stream.send(PhaseChanged(from_phase=Phase.CREATED, to_phase=Phase.ACTIVE))


async def _no_key(stream: EventStream) -> None:
    await stream.send(Dtmf(key="x"))


async def _half_a_sample(stream: EventStream) -> None:
    await stream.send(Audio(pcm=bytes(2 * FRAME + 1), offset_samples=0))


async def _long_frame(stream: EventStream) -> None:
    await stream.send(Audio(pcm=bytes(2 * FRAME * 11), offset_samples=0))


async def _sound_backwards(stream: EventStream) -> None:
    for offset in (10 * FRAME, 0):
        await stream.send(Audio(pcm=bytes(2 * FRAME), offset_samples=offset))


async def _flood(stream: EventStream) -> None:
    for at in range(FLOOD_FRAMES):
        await stream.send(Audio(pcm=bytes(2 * FRAME * 10), offset_samples=at * FRAME * 10))


async def _second_opening(stream: EventStream) -> None:
    opening, _ = stream.log.sent_of(type(stream.log.sent[0].payload))[0]
    name, stream.session_id = stream.session_id, ""
    await stream.send(opening)
    stream.session_id = name


async def _huge_message(stream: EventStream) -> None:
    await stream.send_bytes(bytes(MESSAGE_BYTES_MAX + 1))


async def _fall_silent(stream: EventStream) -> None:
    stream.silent = True


async def _close_without_a_word(stream: EventStream) -> None:
    await stream.finish_sending()


BREACHES: Final = (
    _breach("not_a_message", "bytes that are no message", _not_a_message, opened=False),
    _breach("garbled", "bytes that are no message, in a call", _not_a_message),
    _breach("sound_first", "a first event other than call_open", _sound_first, opened=False),
    _breach("second_opening", "a second call_open", _second_opening),
    _breach("sequence", "a number left out", _skip_a_number),
    _breach("other_session", "the id of another session", _other_session),
    _breach("no_payload", "an event without payload", _no_payload),
    _breach("unknown_arm", "a control arm nobody knows", _unknown_arm),
    _breach("wrong_sender", "an event only an orchestrator may send", _arm_of_the_other_side),
    _breach("no_key", "a key no telephone has", _no_key),
    _breach("half_a_sample", "sound that ends in the middle of a sample", _half_a_sample),
    _breach("long_frame", "a frame longer than 200 ms", _long_frame),
    _breach("sound_backwards", "sound from before what was sent", _sound_backwards),
    _breach("flood", "sound faster than it can have been spoken", _flood),
    _breach("huge_message", "a message of more than 1 MiB", _huge_message),
    _breach("silence", "no event for a second", _fall_silent),
    _breach("closed", "a stream that is closed without hang_up", _close_without_a_word),
)

HARMLESS: Final = Rule(name="harmless", says="an edge that is cut harms no other call")
BREACH_RULES: Final = (*(breach.rule for breach in BREACHES), HARMLESS)


async def break_everything(plan: EdgePlan, ledger: Ledger, wanted: Callable[[str], bool]) -> None:
    """Breaks the contract in every way for which `wanted` holds, beside a call that keeps it."""
    async with AsyncExitStack() as calls:
        bystander = await _call(plan, calls, speaks=True)
        for breach in BREACHES:
            if wanted(breach.rule.name):
                await (_break_a_call if breach.opened else _break_first)(plan, breach, ledger)
        if isinstance(bystander, str):
            ledger.skip(HARMLESS.name, f"no call was taken to be harmed: {bystander}")
            return
        log = bystander.stream.log
        alive = not bystander.stream.over and not log.all(CallEnded)
        ledger.decide(HARMLESS.name, alive, "a call beside them went on", f"it ended: {why_ended(log)}")
        await bystander.hang_up()
        await bystander.stream.until_over(CUT_S)
    judge(log, ledger)


async def _call(plan: EdgePlan, calls: AsyncExitStack, *, speaks: bool) -> Caller | str:
    """A call that was taken, entered into `calls`, or why there is none."""
    why = ""
    for _ in range(TRIES):
        caller = await calls.enter_async_context(call_of(plan.target, plan.opening(WIDEBAND), speaks=speaks))
        if await caller.accepted() and await caller.active():
            return caller
        why = why_ended(caller.stream.log)
        # The seat of the call before may not be free yet.
        await plan.target.clock.sleep_until_s(plan.target.clock.now_s() + TRY_AGAIN_S)
    return why


async def _break_first(plan: EdgePlan, breach: Breach, ledger: Ledger) -> None:
    async with open_events(plan.target, METHOD, Peer.ORCHESTRATOR_TO_EDGE) as stream:
        await _see_the_cut(stream, breach, ledger, plan)


async def _break_a_call(plan: EdgePlan, breach: Breach, ledger: Ledger) -> None:
    async with AsyncExitStack() as calls:
        # Without a microphone: what is wrong is the only sound.
        caller = await _call(plan, calls, speaks=False)
        if isinstance(caller, str):
            ledger.skip(breach.rule.name, f"no second call was taken: {caller}")
        else:
            await _see_the_cut(caller.stream, breach, ledger, plan)


async def _see_the_cut(stream: EventStream, breach: Breach, ledger: Ledger, plan: EdgePlan) -> None:
    began_s = plan.target.clock.now_s()
    name, log = breach.rule.name, stream.log
    await breach.act(stream)
    if not await stream.until_over(CUT_S + SLACK_S):
        ledger.fail(name, f"the stream was still open {CUT_S + SLACK_S:g} s later")
    else:
        after = f"cut after {((log.ended_at_s or began_s) - began_s) * 1_000:.0f} ms"
        problem = _untold(log)
        ledger.decide(name, not problem, f"{after}: {why_ended(log)}", f"{after}, {problem}")
    judge(log, ledger)


def _untold(log: StreamLog) -> str:
    """What is wrong with what the edge was told: by a failure, by the end of the call, or by gRPC's status."""
    ended, failed = log.first(CallEnded), log.first(Failure)
    failures = [each for each in (failed and failed[0], ended and ended[0].failure) if each]
    if not failures and log.status == "OK":
        return "without a word"
    if log.status == CRASHED:
        return f"and crashed: {log.details}"
    if failures and failures[0].reason is FailureReason.INTERNAL:
        return f"and called a defect of the orchestrator: {failures[0].detail}"
    return ""
