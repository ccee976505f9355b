"""Calls that an edge in good order makes, and what has to come of them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from voice_contract.audio import SAMPLE_BYTES
from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import (
    AudioEncoding,
    AudioFormat,
    CallEnded,
    CallOpen,
    EndCause,
    PlayoutFlush,
    PlayoutPause,
    PlayoutResume,
    Speaker,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.conformance.caller import Caller, call_of
from voice_orchestrator.conformance.edge_rules import CALL_RULES
from voice_orchestrator.conformance.event_stream import Target
from voice_orchestrator.conformance.findings import Ledger, Rule
from voice_orchestrator.conformance.stream_log import StreamLog

WIDEBAND: Final = AudioFormat()
TELEPHONE: Final = (
    AudioFormat(encoding=AudioEncoding.MULAW, sample_rate_hz=8_000),
    AudioFormat(encoding=AudioEncoding.ALAW, sample_rate_hz=8_000),
    AudioFormat(encoding=AudioEncoding.S16LE, sample_rate_hz=8_000),
)
FRAMES_MS: Final = (10, 20, 30, 60, 100, 200)
UNKNOWN_PROFILE: Final = "no-profile-has-this-name"
QUESTION: Final = "Hello. What can you do for me?"
MORE: Final = "Please tell me more about that."
LONG: Final = "Please count slowly from one to twenty."
STOP: Final = "Stop, please. What else can you do?"

REFUSED_S: Final = 2.0
GREETING_BEGINS_S: Final = 2.5
ANSWER_BEGINS_S: Final = 30.0
FLUSH_S: Final = 2.0
HANG_UP_S: Final = 5.0
OVER_S: Final = 0.2
"""So much of a reply is heard before the caller types over it."""

SPEAK_OVER_S: Final = 0.6
"""So much of a reply is heard before the caller speaks over it: beyond what a profile may take for an echo."""

COUGH_S: Final = 0.12
HASTY_CALLERS: Final = 8
NOTICED_S: Final = 1.0
DECIDED_S: Final = 5.0

TYPED: Final = Rule(name="typed_turn", says="a turn that is typed is answered")
SPOKEN: Final = Rule(name="spoken_turn", says="a turn that is spoken is told in words and answered")
HANG_UP: Final = Rule(name="hang_up", says="hang_up is answered by call_ended with the cause CALLER_HUNG_UP")
UNKNOWN: Final = Rule(name="unknown_profile", says="a call for a profile that is not there is refused by name, at once")
WORDS_ONLY: Final = Rule(name="words_only", says="a call opened without formats is served in words alone")
TELEPHONES: Final = Rule(name="telephone_formats", says="mu-law, A-law and 16-bit sound of 8,000 Hz are taken and sent")
FRAME_SIZES: Final = Rule(name="frame_sizes", says="frames of 10 to 200 ms are taken, mixed as they come")
QUICK: Final = Rule(name="quick_hang_up", says="callers who hang up at once leave room for the next")

TALK_RULES: Final = (TYPED, SPOKEN, HANG_UP, UNKNOWN, WORDS_ONLY, TELEPHONES, FRAME_SIZES, QUICK)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgePlan:
    """What to check whom with. `speech`: 16,000 Hz s16le of a caller, empty: none is at hand."""

    target: Target
    profile: str
    speech: bytes = b""

    def opening(self, format_: AudioFormat | None, profile: str = "") -> CallOpen:
        """The first event of a call with sound of a format in both directions, None: a call in words."""
        return CallOpen(profile=profile or self.profile, caller_format=format_, agent_format=format_)


def judge(log: StreamLog, ledger: Ledger) -> None:
    """Looks at a finished call with every rule that holds for any call."""
    for rule, look in CALL_RULES:
        ledger.judge(rule.name, look(log))


def why_ended(log: StreamLog) -> str:
    """What is known of the end of a call, for people."""
    ended, failed = log.first(CallEnded), log.first(Failure)
    failure = (ended and ended[0].failure) or (failed and failed[0])
    if failure:
        return f"{failure.reason.value}: {failure.detail or failure.caller_text}"
    if ended:
        return ended[0].cause.value
    return f"{log.status} {log.details}".strip() or "nothing came"


# --- the long one


async def converse(plan: EdgePlan, ledger: Ledger) -> str:
    """A whole conversation; gives why there was none, empty when there was one."""
    async with call_of(plan.target, plan.opening(WIDEBAND)) as caller:
        log = caller.stream.log
        if not await caller.accepted() or not await caller.active():
            judge(log, ledger)
            return why_ended(log)
        await _greeting(caller)
        await _typed_turns(caller, ledger)
        if plan.speech:
            await _spoken_turn(caller, plan.speech, ledger)
            await _speak_over(caller, plan.speech)
        else:
            ledger.skip(SPOKEN.name, "--speech names no recording")
        await _hang_up(caller, ledger)
    judge(log, ledger)
    return ""


async def _greeting(caller: Caller) -> None:
    greeting = await caller.sounds_after(0, GREETING_BEGINS_S)
    if greeting:
        await caller.heard(greeting)


async def _typed_turns(caller: Caller, ledger: Ledger) -> None:
    """One that is answered to its end, and one whose answer the next one interrupts."""
    before = caller.latest_run_id
    await caller.type(QUESTION)
    answer = await caller.sounds_after(before, ANSWER_BEGINS_S)
    kept = bool(answer) and await caller.heard(answer)
    ledger.decide(TYPED.name, kept, "one was", f"no answer was heard to its end: {why_ended(caller.stream.log)}")
    if not kept:
        return
    await caller.type(MORE)
    answer = await caller.sounds_after(caller.latest_run_id, ANSWER_BEGINS_S)
    await caller.sounded_for(answer, int(OVER_S * WIDEBAND.sample_rate_hz), 2 * OVER_S)
    await caller.type(STOP)
    await caller.stream.until(lambda: _came(caller, PlayoutFlush, answer), FLUSH_S)
    last = await caller.sounds_after(answer, ANSWER_BEGINS_S)
    await caller.heard(last)


async def _spoken_turn(caller: Caller, speech: bytes, ledger: Ledger) -> None:
    before, since = caller.latest_run_id, len(caller.stream.log.seen)
    await caller.say(speech)
    answer = await caller.sounds_after(before, ANSWER_BEGINS_S)
    if answer:
        await caller.heard(answer)
    words = [
        said.text
        for said, seen in caller.stream.log.all(Transcript)
        if said.speaker is Speaker.CALLER
        and said.kind is TranscriptKind.FINAL
        and seen in caller.stream.log.seen[since:]
    ]
    kept = bool(answer) and any(words)
    told = f"understood as {words[-1]!r}" if words else "no words of the caller were told"
    ledger.decide(SPOKEN.name, kept, told, told if not answer else f"{told}, which was not answered")


async def _speak_over(caller: Caller, speech: bytes) -> None:
    """Over a long answer: a short sound, which may or may not be taken back, then a whole sentence."""
    await caller.type(LONG)
    answer = await caller.sounds_after(caller.latest_run_id, ANSWER_BEGINS_S)
    await caller.sounded_for(answer, int(SPEAK_OVER_S * WIDEBAND.sample_rate_hz), 2 * SPEAK_OVER_S)
    said = _from_the_onset(speech)
    for sound in (said[: int(COUGH_S * WIDEBAND.sample_rate_hz) * SAMPLE_BYTES], said):
        if caller.is_over(answer):
            break
        await caller.say(sound)
        if await caller.stream.until(lambda: _came(caller, PlayoutPause, answer), NOTICED_S):
            await caller.stream.until(lambda: _decided(caller, answer), DECIDED_S)
    last = await caller.sounds_after(answer, ANSWER_BEGINS_S) if _came(caller, PlayoutFlush, answer) else answer
    await caller.heard(last)


def _from_the_onset(speech: bytes) -> bytes:
    """A recording without the silence before it."""
    loud = np.abs(np.frombuffer(speech, dtype=np.int16).astype(np.int32))
    onset = int(np.argmax(loud > loud.max() / 10))
    return speech[onset * SAMPLE_BYTES :]


def _came(caller: Caller, kind: type[object], run_id: int) -> bool:
    return any(seen.event.run_id == run_id for _, seen in caller.stream.log.all(kind))


def _decided(caller: Caller, run_id: int) -> bool:
    """Whether a run that was paused goes on or is over."""
    pauses = sum(seen.event.run_id == run_id for _, seen in caller.stream.log.all(PlayoutPause))
    resumes = sum(seen.event.run_id == run_id for _, seen in caller.stream.log.all(PlayoutResume))
    return _came(caller, PlayoutFlush, run_id) or (pauses > 0 and resumes == pauses)


async def _hang_up(caller: Caller, ledger: Ledger) -> None:
    await caller.hang_up()
    log = caller.stream.log
    await caller.stream.until_over(HANG_UP_S)
    ended = log.first(CallEnded)
    kept = ended is not None and ended[0].cause is EndCause.CALLER_HUNG_UP
    if kept and not caller.stream.over:
        ledger.fail(HANG_UP.name, f"the stream was not closed within {HANG_UP_S:g} s")
    ledger.decide(HANG_UP.name, kept, "answered, and the stream was closed", f"it ended so: {why_ended(log)}")


# --- short ones


async def ask_for_nobody(plan: EdgePlan, ledger: Ledger) -> None:
    """A call for a profile that is not there."""
    async with call_of(plan.target, plan.opening(WIDEBAND, UNKNOWN_PROFILE)) as caller:
        log = caller.stream.log
        closed = await caller.stream.until_over(REFUSED_S)
    ended = log.first(CallEnded)
    if ended is None or ended[0].cause is not EndCause.REFUSED or ended[0].failure is None:
        ledger.fail(UNKNOWN.name, f"it was not refused with a failure: {why_ended(log)}")
    elif ended[0].failure.reason is not FailureReason.PROFILE_INVALID:
        ledger.fail(UNKNOWN.name, f"the reason is {ended[0].failure.reason.value}, not profile_invalid")
    else:
        ledger.decide(
            UNKNOWN.name, closed, "refused as profile_invalid", f"the stream was not closed within {REFUSED_S:g} s"
        )
    judge(log, ledger)


async def talk_in_words(plan: EdgePlan, ledger: Ledger) -> None:
    """A call without sound."""
    async with call_of(plan.target, plan.opening(None)) as caller:
        log = caller.stream.log
        if not await caller.accepted() or not await caller.active():
            ledger.fail(WORDS_ONLY.name, f"it was not taken: {why_ended(log)}")
            return
        await caller.type(QUESTION)

        def answered() -> bool:
            caller_said = [at for at, seen in enumerate(log.seen) if _is_words(seen.event.payload, Speaker.CALLER)]
            return bool(caller_said) and any(
                _is_words(seen.event.payload, Speaker.AGENT) for seen in log.seen[caller_said[-1] :]
            )

        kept = await caller.stream.until(answered, ANSWER_BEGINS_S)
        ledger.decide(WORDS_ONLY.name, kept, "a typed turn was answered", f"no words came: {why_ended(log)}")
        await _hang_up(caller, ledger)
    judge(log, ledger)


def _is_words(payload: object, speaker: Speaker) -> bool:
    return isinstance(payload, Transcript) and payload.speaker is speaker and payload.kind is TranscriptKind.FINAL


async def talk_by_telephone(plan: EdgePlan, ledger: Ledger) -> None:
    """A short call in every format of a telephone."""
    for format_ in TELEPHONE:
        name = f"{format_.encoding.value} of {format_.sample_rate_hz} Hz"
        async with call_of(plan.target, plan.opening(format_)) as caller:
            log = caller.stream.log
            if not await caller.accepted() or not await caller.active():
                ledger.fail(TELEPHONES.name, f"{name} was not taken: {why_ended(log)}")
                return
            await _greeting(caller)
            await _hang_up(caller, ledger)
        judge(log, ledger)
    ledger.keep(TELEPHONES.name, f"{len(TELEPHONE)} formats")


async def send_all_frame_sizes(plan: EdgePlan, ledger: Ledger) -> None:
    """A short call whose frames are as short and as long as they may be."""
    async with call_of(plan.target, plan.opening(WIDEBAND), FRAMES_MS) as caller:
        log = caller.stream.log
        if not await caller.accepted() or not await caller.active():
            ledger.fail(FRAME_SIZES.name, f"it was not taken: {why_ended(log)}")
            return
        over = await caller.stream.until_over(2 * sum(FRAMES_MS) / 1_000)
        kept = not over and log.first(Failure) is None
        ledger.decide(FRAME_SIZES.name, kept, f"{FRAMES_MS} ms", f"the call did not bear it: {why_ended(log)}")
        await _hang_up(caller, ledger)
    judge(log, ledger)


async def hang_up_at_once(plan: EdgePlan, ledger: Ledger) -> None:
    """Callers who hang up as soon as they are taken, one right after the other."""
    for number in range(HASTY_CALLERS):
        async with call_of(plan.target, plan.opening(WIDEBAND)) as hasty:
            log = hasty.stream.log
            taken = await hasty.accepted()
            if taken:
                await _hang_up(hasty, ledger)
        judge(log, ledger)
        if not taken and not _is_full(log):
            ledger.fail(QUICK.name, f"after {number} of them the next was refused: {why_ended(log)}")
            return
    ledger.keep(QUICK.name, f"{HASTY_CALLERS} of them")


def _is_full(log: StreamLog) -> bool:
    """Whether a call was refused because the seat of the one before is not free yet."""
    ended = log.first(CallEnded)
    failure = ended[0].failure if ended is not None else None
    return failure is not None and failure.reason is FailureReason.CAPACITY_EXHAUSTED
