"""What the contract says of a call apart from its sound, as functions of the log of a call. Pure.

`CALL_RULES` hold for every call, whatever it is about; a call that shows nothing of a rule is silent about it.
"""

from collections.abc import Callable
from typing import Final

from voice_contract.messages import (
    BargeIn,
    BargeInOutcome,
    CallAccepted,
    CallEnded,
    CallOpen,
    EndCause,
    Heartbeat,
    Phase,
    PhaseChanged,
    PlayoutPosition,
    RunHeard,
    Speaker,
    Transcript,
    TurnLatency,
)
from voice_orchestrator.conformance import envelope_rules as envelope
from voice_orchestrator.conformance import sound_rules as sound
from voice_orchestrator.conformance.findings import Outcome, Rule
from voice_orchestrator.conformance.stream_log import StreamLog

CLOSE_S: Final = 2.0
HEARD_WITHIN_S: Final = 2.0
ROUNDED_MS: Final = 6
"""Seven spans are told to the nanosecond and compared in whole milliseconds."""

WORDS_AFTER_S: Final = 0.2
"""Of sound that has lasted this long the words were told."""

ACCEPTED: Final = Rule(name="accepted_first", says="call_accepted comes once, before anything but heartbeats")
FORMATS: Final = Rule(name="formats", says="call_accepted repeats the formats that were asked for")
PHASES: Final = Rule(name="phases", says="every phase_changed leaves the phase that the one before entered")
WORDS: Final = Rule(name="words", says="words of the caller name their turn, words of the agent come once per segment")
LATENCY: Final = Rule(name="latency", says="turn_latency comes once per answer, and its stages add up to its total")
BARGE_IN: Final = Rule(name="barge_in", says="caller speech that pauses a run is decided before the run is over")
HEARD: Final = Rule(name="run_heard", says="once a run's position is reported, what was heard of it is told, once")
ENDED: Final = Rule(name="ended_last", says="call_ended comes once, nothing follows it, and the stream is closed")

TALK_RULES: Final = (ACCEPTED, FORMATS, PHASES, WORDS, LATENCY, BARGE_IN, HEARD, ENDED)


def accepted_first(log: StreamLog) -> Outcome:
    """See ACCEPTED. A call that was refused, or never opened, is not asked."""
    accepted = log.all(CallAccepted)
    if not accepted:
        return Outcome()
    problems = []
    first = next(each for each in log.seen if not isinstance(each.event.payload, Heartbeat))
    if not isinstance(first.event.payload, CallAccepted):
        problems.append(f"{type(first.event.payload).__name__} came before it")
    if len(accepted) > 1:
        problems.append(f"it came {len(accepted)} times")
    return Outcome(problems=tuple(problems), seen=1, things="calls")


def formats(log: StreamLog) -> Outcome:
    """See FORMATS."""
    opened, accepted = log.sent_of(CallOpen), log.all(CallAccepted)
    if not opened or not accepted:
        return Outcome()
    asked, taken = opened[0][0], accepted[0][0]
    problems = tuple(
        f"{name}: {wanted} was asked for, {given} is told"
        for name, wanted, given in (
            ("caller_format", asked.caller_format, taken.caller_format),
            ("agent_format", asked.agent_format, taken.agent_format),
        )
        if wanted != given
    )
    return Outcome(problems=problems, seen=1, things="calls")


def phases(log: StreamLog) -> Outcome:
    """See PHASES."""
    changes = [change for change, _ in log.all(PhaseChanged)]
    left = [Phase.CREATED, *(change.to_phase for change in changes)]
    problems = tuple(
        f"it was {before.value}, and {change.from_phase.value} is told to be left"
        for before, change in zip(left, changes, strict=False)
        if change.from_phase is not before
    )
    return Outcome(problems=problems, seen=len(changes), things="changes")


def words(log: StreamLog) -> Outcome:
    """See WORDS."""
    problems = []
    told: set[tuple[int, int]] = set()
    for said, seen in log.all(Transcript):
        run_id = seen.event.run_id
        if said.speaker is Speaker.CALLER and said.utterance_id == 0:
            problems.append(f"event {seen.event.sequence}: words of the caller without utterance_id")
        if said.speaker is Speaker.AGENT:
            if said.utterance_id:
                problems.append(f"event {seen.event.sequence}: words of the agent with an utterance_id")
            if (run_id, said.segment_index) in told:
                problems.append(f"the words of segment {said.segment_index} of run {run_id} came again")
            told.add((run_id, said.segment_index))
    spoken = {run_id for run_id, _ in told}
    lasted: dict[int, float] = {}
    for each in sound.sounds(log):
        lasted[each.run_id] = lasted.get(each.run_id, 0.0) + each.samples / each.rate_hz
    problems += [
        f"run {run_id} sounded for {lasted_s:.1f} s and its words were not told"
        for run_id, lasted_s in lasted.items()
        if lasted_s > WORDS_AFTER_S and run_id not in spoken
    ]
    return Outcome(problems=tuple(problems), seen=len(log.all(Transcript)), things="transcripts")


def latency(log: StreamLog) -> Outcome:
    """See LATENCY."""
    problems = []
    runs: set[int] = set()
    sounded: dict[int, int] = {}
    for each in sound.sounds(log):
        sounded.setdefault(each.run_id, each.at)
    for at, seen in enumerate(log.seen):
        told, run_id = seen.event.payload, seen.event.run_id
        if not isinstance(told, TurnLatency):
            continue
        stages_ms = (
            told.endpointing_ms
            + told.transcription_ms
            + told.first_token_ms
            + told.first_clause_ms
            + told.synthesis_ms
            + told.delivery_ms
        )
        if not 0 <= told.total_ms - stages_ms < ROUNDED_MS:
            problems.append(f"turn {told.utterance_id}: stages add up to {stages_ms} ms, total is {told.total_ms} ms")
        if run_id in runs:
            problems.append(f"the latency of run {run_id} came again")
        if sound.agent_format(log) is not None and sounded.get(run_id, at) >= at:
            problems.append(f"the latency of run {run_id} came before its first sound")
        runs.add(run_id)
    return Outcome(problems=tuple(problems), seen=len(runs), things="answers")


def barge_in(log: StreamLog) -> Outcome:
    """See BARGE_IN."""
    problems, count = [], 0
    undecided: set[int] = set()
    for each in log.seen:
        run_id = each.event.run_id
        match each.event.payload:
            case BargeIn(outcome=BargeInOutcome.PAUSED):
                count += 1
                undecided.add(run_id)
            case BargeIn():
                undecided.discard(run_id)
            case RunHeard() if run_id in undecided:
                problems.append(f"run {run_id} was over before it was decided what the speech over it meant")
            case _:
                continue
    return Outcome(problems=tuple(problems), seen=count, things="pauses")


def run_heard(log: StreamLog) -> Outcome:
    """See HEARD. A report shortly before the end of the call may be too late to be answered."""
    problems, count = [], 0
    end_s = log.seen[-1].at_s if log.seen else 0.0
    ends = [seen.at_s for _, seen in log.all(CallEnded)]
    told = [seen.event.run_id for _, seen in log.all(RunHeard)]
    for _, sent in log.sent_of(PlayoutPosition):
        times = told.count(sent.run_id)
        count += bool(times)
        if times > 1:
            problems.append(f"what was heard of run {sent.run_id} was told {times} times")
        if not times and sent.at_s + HEARD_WITHIN_S < min([end_s, *ends]):
            problems.append(f"what was heard of run {sent.run_id} was not told within {HEARD_WITHIN_S:g} s")
    return Outcome(problems=tuple(problems), seen=count, things="runs")


def ended_last(log: StreamLog) -> Outcome:
    """See ENDED. Asked of calls that were taken and whose stream the orchestrator ended in good order."""
    ended = log.all(CallEnded)
    if not ended and (not log.all(CallAccepted) or log.ended_at_s is None or log.status != "OK"):
        return Outcome()
    if not ended:
        return Outcome(problems=("the stream was closed without call_ended",))
    problems = []
    if len(ended) > 1:
        problems.append(f"it came {len(ended)} times")
    after = log.seen[log.seen.index(ended[0][1]) + 1 :]
    if after:
        problems.append(f"{type(after[0].event.payload).__name__} came after it")
    if log.ended_at_s is not None and log.ended_at_s - ended[0][1].at_s > CLOSE_S:
        problems.append(f"the stream was closed {log.ended_at_s - ended[0][1].at_s:.1f} s after it")
    if ended[0][0].cause is EndCause.REFUSED and ended[0][0].failure is None:
        problems.append("a call is refused without a failure that says why")
    return Outcome(problems=tuple(problems), seen=1, things="calls")


CALL_RULES: Final[tuple[tuple[Rule, Callable[[StreamLog], Outcome]], ...]] = (
    (envelope.UNDERSTOOD, envelope.understood),
    (envelope.ONE_SESSION, envelope.one_session),
    (envelope.SEQUENCE, envelope.sequence),
    (envelope.CLOCK, envelope.clock),
    (envelope.HEARTBEATS, envelope.heartbeats),
    (ACCEPTED, accepted_first),
    (FORMATS, formats),
    (PHASES, phases),
    (sound.RUNS_IN_ORDER, sound.runs_in_order),
    (sound.GAPLESS, sound.gapless),
    (sound.PACE, sound.pace),
    (sound.ENDS, sound.ends_of_runs),
    (sound.MARKS, sound.marks),
    (sound.PAUSES, sound.pauses),
    (sound.RESUMES, sound.resumes),
    (sound.FLUSHES, sound.flushes),
    (HEARD, run_heard),
    (WORDS, words),
    (BARGE_IN, barge_in),
    (LATENCY, latency),
    (ENDED, ended_last),
)
"""Each rule of a call with the function that looks for what breaks it."""
