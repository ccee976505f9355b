"""Logs of streams that keep the contract, as scripts that a test can spoil before they are numbered and timed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from voice_contract import messages as m
from voice_contract.messages import (
    BargeInCause,
    BargeInOutcome,
    EndCause,
    Event,
    Payload,
    Phase,
    Speaker,
    TranscriptKind,
)
from voice_orchestrator.conformance.stream_log import Seen, Sent, StreamLog

FRAME = 320
FRAME_S = 0.02
BEAT_S = 0.25
WIDE = m.AudioFormat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An event of the script: at what time, and whether the check sends it."""

    payload: Payload
    run_id: int = 0
    at_s: float
    sent: bool = False


@dataclass(slots=True)
class Script:
    """A stream as it is to be; `numbers` and `clock` say how events are numbered and stamped, `session` by whom."""

    steps: list[Step]
    refused: list[str] = field(default_factory=list)
    numbers: Callable[[int], int] = lambda at: at + 1
    clock_us: Callable[[int, float], int] = lambda at, at_s: int(at_s * 1e6)
    session: Callable[[int], str] = lambda at: "abc"
    status: str = "OK"

    def index(self, kind: type[Any], nth: int = 0, run_id: int | None = None) -> int:
        """Where the nth payload of a kind stands."""
        found = [
            at
            for at, step in enumerate(self.steps)
            if isinstance(step.payload, kind) and not step.sent and run_id in (None, step.run_id)
        ]
        return found[nth]

    def change(self, payload_type: type[Any], nth: int = 0, /, **changes: Any) -> None:
        at = self.index(payload_type, nth)
        payload: Any = self.steps[at].payload
        self.steps[at] = replace(self.steps[at], payload=replace(payload, **changes))

    def drop(self, kind: type[Any], nth: int = 0) -> None:
        del self.steps[self.index(kind, nth)]

    def drop_all(self, kind: type[Any]) -> None:
        self.steps = [step for step in self.steps if step.sent or not isinstance(step.payload, kind)]

    def again(self, kind: type[Any], nth: int = 0) -> None:
        """The payload comes a second time, right after."""
        at = self.index(kind, nth)
        self.steps.insert(at + 1, self.steps[at])

    def move(self, source: int, target: int) -> None:
        """The event comes at another place, and at the time of what stands there."""
        moved = replace(self.steps[source], at_s=self.steps[target].at_s)
        del self.steps[source]
        self.steps.insert(target, moved)

    def swap(self, first: int, second: int) -> None:
        """Two events come at each other's place and time."""
        one, other = self.steps[first], self.steps[second]
        self.steps[first], self.steps[second] = replace(other, at_s=one.at_s), replace(one, at_s=other.at_s)

    def after(self, kind: type[Any], payload: Payload, run_id: int = 0, nth: int = 0) -> None:
        """Another payload comes right after one of a kind."""
        at = self.index(kind, nth)
        self.steps.insert(at + 1, Step(payload=payload, run_id=run_id, at_s=self.steps[at].at_s))

    def log(self) -> StreamLog:
        """What the check would have seen."""
        log = StreamLog(refused=list(self.refused), status=self.status)
        at = 0
        for step in self.steps:
            if step.sent:
                log.sent.append(Sent(payload=step.payload, run_id=step.run_id, at_s=step.at_s))
                continue
            event = Event(
                session_id=self.session(at),
                sequence=self.numbers(at),
                sender_monotonic_us=self.clock_us(at, step.at_s),
                payload=step.payload,
                run_id=step.run_id,
            )
            log.numbers.append(event.sequence)
            log.seen.append(Seen(event=event, at_s=step.at_s))
            at += 1
        log.ended_at_s = self.steps[-1].at_s + 0.01
        return log


class Writer:
    """Writes a script from beginning to end, with a heartbeat wherever one is due."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.steps: list[Step] = []
        self._beaten_s = 0.0
        self._offsets: dict[int, int] = {}

    def came(self, payload: Payload, run_id: int = 0) -> None:
        self.steps.append(Step(payload=payload, run_id=run_id, at_s=self.now_s))

    def sent(self, payload: Payload, run_id: int = 0) -> None:
        self.steps.append(Step(payload=payload, run_id=run_id, at_s=self.now_s, sent=True))

    def passes(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self._beaten_s + BEAT_S <= end_s:
            self._beaten_s += BEAT_S
            self.now_s = max(self.now_s, self._beaten_s)
            self.came(m.Heartbeat())
        self.now_s = end_s

    def sounds(self, run_id: int, frames: int, segment_index: int = 0) -> None:
        """So many frames of a run, each when it is due."""
        for _ in range(frames):
            at = self._offsets.get(run_id, 0)
            self.came(m.Audio(pcm=bytes(2 * FRAME), offset_samples=at, segment_index=segment_index), run_id)
            self._offsets[run_id] = at + FRAME
            self.passes(FRAME_S)

    def length(self, run_id: int) -> int:
        return self._offsets.get(run_id, 0)

    def phase(self, before: Phase, after: Phase) -> None:
        self.came(m.PhaseChanged(from_phase=before, to_phase=after))

    def words(self, text: str, run_id: int, segment_index: int = 0) -> None:
        said = m.Transcript(speaker=Speaker.AGENT, kind=TranscriptKind.FINAL, text=text, segment_index=segment_index)
        self.came(said, run_id)

    def barge_in(self, run_id: int, outcome: BargeInOutcome, cause: BargeInCause) -> None:
        self.came(m.BargeIn(outcome=outcome, speech_length_ms=100, cause=cause), run_id)


def good_call() -> Script:
    """A greeting to its end; an answer that is paused, goes on, is paused again and flushed; the end."""
    w = Writer()
    w.sent(m.CallOpen(profile="plain", caller_format=WIDE, agent_format=WIDE))
    w.came(m.CallAccepted(caller_format=WIDE, agent_format=WIDE))
    w.phase(Phase.CREATED, Phase.CONNECTING)
    w.passes(0.1)
    w.phase(Phase.CONNECTING, Phase.ACTIVE)
    w.phase(Phase.ACTIVE, Phase.RESPONDING)
    w.sounds(1, 1)
    w.words("Hello", 1)
    w.sounds(1, 9)
    w.came(m.SegmentMark(segment_index=0, end_offset_samples=w.length(1)), 1)
    w.sounds(1, 10, 1)
    w.words("there.", 1, 1)
    w.came(m.SegmentMark(segment_index=1, end_offset_samples=w.length(1)), 1)
    w.came(m.RunAudioEnd(total_samples=w.length(1)), 1)
    w.sent(m.PlayoutPosition(played_samples=w.length(1)), 1)
    w.came(m.RunHeard(text="Hello there.", interrupted=False), 1)
    w.phase(Phase.RESPONDING, Phase.ACTIVE)
    w.passes(0.3)
    caller = m.Transcript(speaker=Speaker.CALLER, kind=TranscriptKind.FINAL, text="are you open", utterance_id=1)
    w.came(caller)
    w.phase(Phase.ACTIVE, Phase.PROCESSING)
    w.passes(0.2)
    w.phase(Phase.PROCESSING, Phase.RESPONDING)
    w.sounds(2, 1)
    w.came(
        m.TurnLatency(
            utterance_id=1, total_ms=600, endpointing_ms=500, transcription_ms=0, first_token_ms=40, first_clause_ms=20,
            synthesis_ms=30, delivery_ms=10,
        ),
        2,
    )  # fmt: skip
    w.words("Yes, of course.", 2)
    w.sounds(2, 20)
    w.barge_in(2, BargeInOutcome.PAUSED, BargeInCause.ONSET)
    w.came(m.PlayoutPause(), 2)
    w.passes(0.3)
    w.barge_in(2, BargeInOutcome.REJECTED, BargeInCause.NO_WORDS)
    w.came(m.PlayoutResume(), 2)
    w.sounds(2, 10)
    w.barge_in(2, BargeInOutcome.PAUSED, BargeInCause.ONSET)
    w.came(m.PlayoutPause(), 2)
    w.passes(0.2)
    w.barge_in(2, BargeInOutcome.CONFIRMED, BargeInCause.WORDS)
    w.came(m.PlayoutFlush(), 2)
    w.sent(m.PlayoutPosition(played_samples=9_000), 2)
    w.came(m.RunHeard(text="Yes,", interrupted=True), 2)
    w.phase(Phase.RESPONDING, Phase.ACTIVE)
    w.passes(3.0)
    w.sent(m.HangUp())
    w.phase(Phase.ACTIVE, Phase.TERMINATED)
    w.came(m.CallEnded(cause=EndCause.CALLER_HUNG_UP))
    return Script(w.steps)


def good_session() -> Script:
    """A node that hears, transcribes twice, scores, writes, speaks two segments and has a run cancelled."""
    w = Writer()
    w.sent(m.SessionConfigure(caller_format=WIDE, agent_format=WIDE, language="en", voice="", vad=None))
    w.came(m.SessionReady(scores_end_of_turn=True, scores_words=True))
    for at in range(50):
        w.sent(m.Audio(pcm=bytes(2 * FRAME), offset_samples=at * FRAME))
        w.passes(FRAME_S)
        if at == 20:
            w.came(m.SpeechStarted(start_offset_samples=5_000, detected_offset_samples=6_000))
        if at == 43:
            w.came(m.SpeechFaltered(detected_offset_samples=13_500))
        if at == 45:
            w.came(m.SpeechEnded(end_offset_samples=13_000, detected_offset_samples=14_000))
    for revision in (1, 2):
        w.sent(
            m.Transcribe(
                utterance_id=1, revision=revision, kind=m.TranscribeKind.FINAL, start_offset_samples=0,
                end_offset_samples=16_000,
            )
        )  # fmt: skip
    for revision in (1, 2):
        w.came(
            m.Transcript(
                speaker=Speaker.CALLER, kind=TranscriptKind.FINAL, text="hello", utterance_id=1, revision=revision,
                end_offset_samples=16_000,
            )
        )  # fmt: skip
    w.sent(m.ScoreEndOfTurn(utterance_id=1, revision=1, start_offset_samples=0, end_offset_samples=16_000))
    w.passes(0.1)
    w.came(m.EndOfTurnScored(utterance_id=1, revision=1, probability=0.5, timing=m.WorkTiming()))
    hello = m.ChatMessage(role=m.ChatRole.USER, text="hello")
    w.sent(m.ScoreWords(utterance_id=1, revision=2, messages=(hello,)))
    w.passes(0.1)
    w.came(m.WordsScored(utterance_id=1, revision=2, probability=0.5, timing=m.WorkTiming()))
    w.sent(m.Generate(messages=(), max_tokens=5, temperature=0.0, top_p=1.0), 1)
    for text in ("Yes, ", "we are."):
        w.came(m.Transcript(speaker=Speaker.AGENT, kind=TranscriptKind.DELTA, text=text), 1)
    w.came(
        m.GenerationEnded(
            reason=m.FinishReason.STOP, prompt_tokens=1, cached_tokens=0, generated_tokens=2, timing=m.WorkTiming()
        ),
        1,
    )
    for index, text in enumerate(("Yes,", "we are.")):
        w.sent(m.Synthesize(segment_index=index, text=text, speaking_rate=1.0), 1)
        for at in (0, FRAME):
            w.came(m.Audio(pcm=bytes(2 * FRAME), offset_samples=at, segment_index=index), 1)
        ends = tuple(range(FRAME, FRAME + len(text.split())))
        w.came(
            m.SynthesisEnded(
                segment_index=index, total_samples=2 * FRAME, timing=m.WorkTiming(), word_end_offset_samples=ends
            ),
            1,
        )
    w.sent(m.Generate(messages=(), max_tokens=5, temperature=0.0, top_p=1.0), 2)
    w.came(m.Transcript(speaker=Speaker.AGENT, kind=TranscriptKind.DELTA, text="One"), 2)
    w.sent(m.CancelRun(), 2)
    w.passes(0.1)
    w.came(m.RunStopped(), 2)
    w.passes(1.0)
    w.sent(m.SessionClose())
    return Script(w.steps)
