"""What the contract says of the agent's sound on the edge stream, as functions of the log of a call. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from voice_contract.messages import (
    Audio,
    AudioEncoding,
    AudioFormat,
    CallOpen,
    PlayoutFlush,
    PlayoutPause,
    PlayoutResume,
    RunAudioEnd,
    SegmentMark,
)
from voice_orchestrator.conformance.envelope_rules import sender_s
from voice_orchestrator.conformance.findings import Outcome, Rule
from voice_orchestrator.conformance.stream_log import Seen, StreamLog

LEAD_S: Final = 0.040
"""How far sound may come ahead of its time."""

PACE_TOLERANCE_S: Final = 0.040
"""Clocks are read before an event is written and after it was read; two frames are forgiven."""

HELD_BACK_S: Final = 0.005
"""Of a segment's sound this much may come with the next frame: a resampler holds it back."""

RUNS_IN_ORDER: Final = Rule(name="runs_in_order", says="sound is of one run after the other, and run ids grow")
GAPLESS: Final = Rule(name="gapless", says="sound of a run begins at 0 and has no gap, in whole samples of the format")
PACE: Final = Rule(name="pace", says="sound comes at the pace at which it is heard, 40 ms ahead at most")
PAUSES: Final = Rule(name="pauses", says="no sound comes between playout_pause and playout_resume or playout_flush")
RESUMES: Final = Rule(name="resumes", says="after playout_resume sound goes on at the sample where it stopped")
FLUSHES: Final = Rule(name="flushes", says="nothing of a run's sound comes after its playout_flush")
ENDS: Final = Rule(
    name="ends_of_runs", says="a run's sound ends with one run_audio_end that tells its length, or with a flush"
)
MARKS: Final = Rule(name="marks", says="segment_mark comes once per segment, in order, where its sound ended")

SOUND_RULES: Final = (RUNS_IN_ORDER, GAPLESS, PACE, PAUSES, RESUMES, FLUSHES, ENDS, MARKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One Audio, event number `at` of the log: `samples` at `rate_hz`; `torn`: the last one is cut in two."""

    at: int
    run_id: int
    audio: Audio
    seen: Seen
    samples: int
    rate_hz: int
    torn: bool

    @property
    def end(self) -> int:
        """One past its last sample."""
        return self.audio.offset_samples + self.samples


def agent_format(log: StreamLog) -> AudioFormat | None:
    """What the edge asked for."""
    opened = log.sent_of(CallOpen)
    return opened[0][0].agent_format if opened else None


def sounds(log: StreamLog) -> Iterator[Sound]:
    """The agent's sound, in the order in which it came."""
    format_ = agent_format(log) or AudioFormat()
    size = 2 if format_.encoding is AudioEncoding.S16LE else 1
    for at, seen in enumerate(log.seen):
        audio = seen.event.payload
        if not isinstance(audio, Audio):
            continue
        samples, rest = divmod(len(audio.pcm), size)
        yield Sound(
            at=at,
            run_id=seen.event.run_id,
            audio=audio,
            seen=seen,
            samples=samples,
            rate_hz=format_.sample_rate_hz,
            torn=rest > 0,
        )


def runs_in_order(log: StreamLog) -> Outcome:
    """See RUNS_IN_ORDER."""
    problems, newest, runs = [], 0, set[int]()
    for sound in sounds(log):
        if agent_format(log) is None:
            problems.append(f"sound of run {sound.run_id} came in a call that was opened without agent_format")
        if sound.run_id < newest:
            problems.append(f"sound of run {sound.run_id} came after sound of run {newest}")
        newest = max(newest, sound.run_id)
        runs.add(sound.run_id)
    return Outcome(problems=tuple(problems), seen=len(runs), things="runs")


def gapless(log: StreamLog) -> Outcome:
    """See GAPLESS."""
    problems, ends, frames = [], dict[int, int](), 0
    for sound in sounds(log):
        frames += 1
        due = ends.get(sound.run_id, 0)
        if sound.audio.offset_samples != due:
            problems.append(f"run {sound.run_id}: sound from {sound.audio.offset_samples} where {due} was due")
        if sound.torn:
            problems.append(f"run {sound.run_id}: {len(sound.audio.pcm)} bytes end in the middle of a sample")
        ends[sound.run_id] = sound.end
    return Outcome(problems=tuple(problems), seen=frames, things="frames")


def pace(log: StreamLog) -> Outcome:
    """See PACE. It counts by both clocks: neither late reading nor early stamping breaks the rule."""
    problems, frames = [], 0
    until_s = [float("-inf"), float("-inf")]
    for sound in sounds(log):
        frames += 1
        now_s = (sound.seen.at_s, sender_s(sound.seen))
        ahead_s = min(until - now for until, now in zip(until_s, now_s, strict=True))
        if ahead_s > LEAD_S + PACE_TOLERANCE_S:
            at = sound.audio.offset_samples
            problems.append(f"run {sound.run_id}: the frame at {at} came {ahead_s * 1_000:.0f} ms ahead of its time")
        length_s = sound.samples / sound.rate_hz
        until_s = [max(until, now) + length_s for until, now in zip(until_s, now_s, strict=True)]
    return Outcome(problems=tuple(problems), seen=frames, things="frames")


def pauses(log: StreamLog) -> Outcome:
    """See PAUSES."""
    problems, paused, count = [], set[int](), 0
    for each in log.seen:
        run_id = each.event.run_id
        match each.event.payload:
            case PlayoutPause():
                paused.add(run_id)
                count += 1
            case PlayoutResume() | PlayoutFlush():
                paused.discard(run_id)
            case Audio(offset_samples=at) if run_id in paused:
                problems.append(f"run {run_id} was paused and sound from {at} came")
            case _:
                continue
    return Outcome(problems=tuple(problems), seen=count, things="pauses")


def resumes(log: StreamLog) -> Outcome:
    """See RESUMES."""
    problems, count = [], 0
    ends, resumed = dict[int, int](), set[int]()
    known = {sound.at: sound for sound in sounds(log)}
    for at, each in enumerate(log.seen):
        run_id = each.event.run_id
        sound = known.get(at)
        if isinstance(each.event.payload, PlayoutResume):
            count += 1
            resumed.add(run_id)
        elif sound is not None:
            if run_id in resumed and sound.audio.offset_samples != ends.get(run_id, 0):
                problems.append(
                    f"run {run_id} stopped at {ends.get(run_id, 0)}, went on at {sound.audio.offset_samples}"
                )
            resumed.discard(run_id)
            ends[run_id] = sound.end
    return Outcome(problems=tuple(problems), seen=count, things="resumes")


def flushes(log: StreamLog) -> Outcome:
    """See FLUSHES."""
    problems, flushed = [], set[int]()
    for each in log.seen:
        run_id, payload = each.event.run_id, each.event.payload
        if run_id in flushed and isinstance(payload, Audio | RunAudioEnd | SegmentMark | PlayoutFlush):
            problems.append(f"{_name(payload)} of run {run_id} came after its playout_flush")
        if isinstance(payload, PlayoutFlush):
            flushed.add(run_id)
    return Outcome(problems=tuple(problems), seen=len(flushed), things="flushes")


def ends_of_runs(log: StreamLog) -> Outcome:
    """See ENDS. The last run of a call that ends in the middle of it needs no end."""
    problems, told, sent = [], Counter[int](), dict[int, int]()
    over: set[int] = set()
    known = {sound.at: sound for sound in sounds(log)}
    for at, each in enumerate(log.seen):
        run_id, payload = each.event.run_id, each.event.payload
        if (sound := known.get(at)) is not None:
            if run_id not in sent:
                problems += [f"run {run_id} sounded before run {open_} had ended" for open_ in sent.keys() - over]
                over |= sent.keys()
            if told[run_id]:
                problems.append(f"sound of run {run_id} came after its run_audio_end")
            sent[run_id] = sent.get(run_id, 0) + sound.samples
        elif isinstance(payload, PlayoutFlush):
            over.add(run_id)
        elif isinstance(payload, RunAudioEnd):
            told[run_id] += 1
            over.add(run_id)
            if told[run_id] > 1:
                problems.append(f"run_audio_end of run {run_id} came {told[run_id]} times")
            if payload.total_samples != sent.get(run_id, 0):
                problems.append(
                    f"run {run_id}: run_audio_end tells {payload.total_samples} samples, {sent.get(run_id, 0)} came"
                )
    return Outcome(problems=tuple(problems), seen=len(over & sent.keys()), things="runs")


def marks(log: StreamLog) -> Outcome:
    """See MARKS."""
    problems, count = [], 0
    newest: dict[int, SegmentMark] = {}
    received: dict[int, int] = {}
    format_ = agent_format(log) or AudioFormat()
    slack = int(HELD_BACK_S * format_.sample_rate_hz)
    known = {sound.at: sound for sound in sounds(log)}
    for at, each in enumerate(log.seen):
        run_id, mark = each.event.run_id, each.event.payload
        if (sound := known.get(at)) is not None:
            received[run_id] = sound.end
        if not isinstance(mark, SegmentMark):
            continue
        count += 1
        before = newest.get(run_id)
        if before is not None and mark.segment_index <= before.segment_index:
            problems.append(f"run {run_id}: the mark of segment {mark.segment_index} came after {before.segment_index}")
        if before is not None and mark.end_offset_samples < before.end_offset_samples:
            problems.append(f"run {run_id}: segment {mark.segment_index} ends before the one ahead of it")
        if mark.end_offset_samples > received.get(run_id, 0) + slack:
            problems.append(
                f"run {run_id}: segment {mark.segment_index} is told to end at {mark.end_offset_samples}, "
                f"{received.get(run_id, 0)} samples came"
            )
        newest[run_id] = mark
    return Outcome(problems=tuple(problems), seen=count, things="marks")


def _name(payload: object) -> str:
    return {Audio: "sound", RunAudioEnd: "run_audio_end", SegmentMark: "segment_mark"}.get(
        type(payload), "playout_flush"
    )
