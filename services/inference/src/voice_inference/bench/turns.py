"""What a caller's side asks of a node, turn by turn, as the orchestrator does it: pure, time is an argument.

A turn is transcribed and its pause scored as soon as VAD reports it, answered as soon as its words are there, and
spoken as soon as the first clause is written. Speech that goes on cancels all of it and the turn goes on. How long to
wait before an answer is let out is the orchestrator's business and costs the node nothing: it is left out.
"""

from dataclasses import dataclass, field
from typing import Final

from voice_contract.audio import SAMPLE_RATE_HZ, samples_from_ms
from voice_contract.failures import Failure
from voice_contract.messages import (
    Audio,
    CancelRun,
    CancelTranscription,
    ChatMessage,
    ChatRole,
    Event,
    Generate,
    GenerationEnded,
    Payload,
    PrimePrompt,
    ScoreEndOfTurn,
    Speaker,
    SpeechEnded,
    SpeechStarted,
    SynthesisEnded,
    Synthesize,
    Transcribe,
    TranscribeKind,
    Transcript,
    TranscriptKind,
)
from voice_inference.bench.clauses import next_piece

LEAD_IN_SAMPLES: Final = samples_from_ms(300)
LEAD_OUT_SAMPLES: Final = samples_from_ms(200)
MIN_SILENCE_MS: Final = 96
PARTIAL_S: Final = 1.0
SEGMENTS_AHEAD_MAX: Final = 3
HISTORY_MESSAGES_MAX: Final = 16
REPLY_TOKENS_MAX: Final = 32

Command = tuple[Payload, int]
"""A message to the node and the run it belongs to, 0 for none."""


@dataclass(slots=True)
class Turn:
    """One turn. `sounded_s` is when the answer's first sound came; `done_samples` are the ends of spoken segments."""

    id: int
    start_samples: int | None = None
    end_samples: int = 0
    speaking: bool = False
    revision: int = 0
    final_revision: int = 0
    next_partial_s: float = 0.0
    partial_pending: bool = False
    said: str = ""
    run_id: int = 0
    unspoken: str = ""
    segments: list[str] = field(default_factory=list)
    requested: int = 0
    done_samples: list[int] = field(default_factory=list)
    written: bool = False
    sounded_s: float | None = None
    stt_us: int = 0
    first_text_us: int = 0
    failure: str = ""

    def heard_samples(self, now_s: float) -> int:
        """How much of the answer was heard by now, if it was played from its first sound on."""
        return 0 if self.sounded_s is None else max(0, round((now_s - self.sounded_s) * SAMPLE_RATE_HZ))

    @property
    def is_spoken(self) -> bool:
        """Whether there is sound for the whole answer."""
        return self.written and not self.failure and 0 < len(self.segments) == len(self.done_samples)

    def is_over(self, now_s: float) -> bool:
        """Whether the whole answer was heard, or there will be none."""
        return bool(self.failure) or (self.is_spoken and self.heard_samples(now_s) >= self.done_samples[-1])


class Turns:
    """One caller's conversation. What each method gives is to be sent in order."""

    def __init__(self, instructions: str, *, scores: bool) -> None:
        """`scores`: the node judges pauses."""
        self._history = [ChatMessage(role=ChatRole.SYSTEM, text=instructions)]
        self._scores = scores
        self._turns = 0
        self._runs = 0
        self.turn: Turn | None = None

    def prime(self) -> list[Command]:
        """What begins a session: the prompt may be read before anybody speaks."""
        return [(PrimePrompt(messages=tuple(self._history)), 0)]

    def begin(self) -> Turn:
        """The caller is about to speak."""
        self._turns += 1
        self.turn = Turn(self._turns)
        return self.turn

    def end(self) -> list[Command]:
        """The turn is over, answered or not; what was said is remembered."""
        turn, self.turn = self.turn, None
        if turn is None:
            return []
        if turn.is_spoken:
            self._history += [
                ChatMessage(role=ChatRole.USER, text=turn.said),
                ChatMessage(role=ChatRole.ASSISTANT, text=" ".join(turn.segments)),
            ]
            del self._history[1 : max(1, len(self._history) - HISTORY_MESSAGES_MAX)]
            return self.prime()
        return self._cancelled(turn)

    def tick(self, now_s: float) -> list[Command]:
        """What is due by now: words so far, and the next segments of an answer that is being heard."""
        turn = self.turn
        if turn is None:
            return []
        if (
            turn.speaking
            and now_s >= turn.next_partial_s
            and not turn.partial_pending
            and turn.start_samples is not None
        ):
            turn.next_partial_s, turn.partial_pending = now_s + PARTIAL_S, True
            return [(self._transcribe(turn, TranscribeKind.PARTIAL, turn.start_samples, 0), 0)]
        return self._speak(turn, now_s)

    def accept(self, event: Event, now_s: float) -> list[Command]:
        """What a message of the node calls for."""
        turn = self.turn
        if turn is None or (event.run_id and event.run_id != turn.run_id):
            return []
        match event.payload:
            case SpeechStarted(start_offset_samples=start):
                return self._on_speech(turn, start, now_s)
            case SpeechEnded(end_offset_samples=end):
                return self._on_pause(turn, end)
            case Transcript(speaker=Speaker.CALLER) as words:
                return self._on_words(turn, words)
            case Transcript(kind=TranscriptKind.DELTA, text=text):
                turn.unspoken += text
                return self._speak(turn, now_s)
            case GenerationEnded(timing=timing):
                turn.written, turn.first_text_us = True, timing.queued_us + timing.first_result_us
                return self._speak(turn, now_s)
            case Audio():
                turn.sounded_s = now_s if turn.sounded_s is None else turn.sounded_s
            case SynthesisEnded(total_samples=samples):
                turn.done_samples.append(samples + (turn.done_samples[-1] if turn.done_samples else 0))
                return self._speak(turn, now_s)
            case Failure() as failure if failure.utterance_id in (0, turn.id):
                turn.failure = f"{failure.stage.value}: {failure.reason.value}"
            case _:
                pass
        return []

    def _on_speech(self, turn: Turn, start_samples: int, now_s: float) -> list[Command]:
        cancelled = self._cancelled(turn)
        if turn.start_samples is None:
            turn.start_samples = max(0, start_samples - LEAD_IN_SAMPLES)
        turn.speaking, turn.next_partial_s = True, now_s + PARTIAL_S
        return cancelled

    def _on_pause(self, turn: Turn, end_samples: int) -> list[Command]:
        if turn.start_samples is None:
            return []
        turn.speaking, turn.partial_pending, turn.end_samples = False, False, end_samples
        start = turn.start_samples
        asked = self._transcribe(turn, TranscribeKind.FINAL, start, end_samples + LEAD_OUT_SAMPLES)
        turn.final_revision = asked.revision
        if not self._scores:
            return [(asked, 0)]
        heard_until = end_samples + samples_from_ms(MIN_SILENCE_MS)
        score = ScoreEndOfTurn(
            utterance_id=turn.id,
            revision=asked.revision,
            start_offset_samples=start,
            end_offset_samples=max(heard_until, start + 1),
        )
        return [(asked, 0), (score, 0)]

    def _on_words(self, turn: Turn, words: Transcript) -> list[Command]:
        if words.utterance_id != turn.id or words.revision != turn.revision:
            return []
        if words.kind is TranscriptKind.PARTIAL:
            turn.partial_pending = False
            return []
        if turn.speaking or words.revision != turn.final_revision:
            return []
        turn.said, turn.stt_us = words.text, words.timing.queued_us + words.timing.total_us
        if not turn.said:
            turn.failure = "stt: no words"
            return []
        self._runs += 1
        turn.run_id = self._runs
        asked = ChatMessage(role=ChatRole.USER, text=turn.said)
        messages = (*self._history, asked)
        generate = Generate(messages=messages, max_tokens=REPLY_TOKENS_MAX, temperature=0.3, top_p=0.9)
        return [(generate, turn.run_id)]

    def _speak(self, turn: Turn, now_s: float) -> list[Command]:
        """Has as many segments spoken as may be ahead of what is heard."""
        if not turn.run_id:
            return []
        while True:
            piece, turn.unspoken = next_piece(turn.unspoken, first=not turn.segments, ended=turn.written)
            if not piece:
                break
            turn.segments.append(piece)
        if turn.written and not turn.segments:
            turn.failure = "llm: nothing to say"
        heard = turn.heard_samples(now_s)
        played = sum(1 for end in turn.done_samples if end <= heard)
        commands: list[Command] = []
        while turn.requested < min(len(turn.segments), played + SEGMENTS_AHEAD_MAX):
            text = turn.segments[turn.requested]
            commands.append((Synthesize(segment_index=turn.requested, text=text, speaking_rate=1.0), turn.run_id))
            turn.requested += 1
        return commands

    def _cancelled(self, turn: Turn) -> list[Command]:
        """Gives up what is going on; the turn is as if nothing of its answer had been begun."""
        commands: list[Command] = []
        if turn.final_revision:
            commands.append((CancelTranscription(utterance_id=turn.id), 0))
        if turn.run_id:
            commands.append((CancelRun(), turn.run_id))
        turn.final_revision = turn.run_id = turn.requested = 0
        turn.unspoken, turn.written, turn.sounded_s = "", False, None
        turn.segments, turn.done_samples = [], []
        return commands

    def _transcribe(self, turn: Turn, kind: TranscribeKind, start: int, end: int) -> Transcribe:
        turn.revision += 1
        return Transcribe(
            utterance_id=turn.id,
            revision=turn.revision,
            kind=kind,
            start_offset_samples=start,
            end_offset_samples=end,
        )
