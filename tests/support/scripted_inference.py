"""An inference node that does what a test says: the real Protocols, no model, all delays on the loop's time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voice_contract import messages as m
from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import Event, Payload, SessionConfigure
from voice_contract.sequencing import EventSequencer
from voice_inference.server.speech_segmenter import SpeechSegmenter
from voice_orchestrator.runtime.ports import StreamLostError

WINDOW_SAMPLES = 512
LOUD = 500
AGENT_LEVEL = 3_000
"""Value of every sample a scripted node speaks, so that a recording shows what is the agent's."""


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """What the node does; times in seconds."""

    transcripts: list[str] = field(default_factory=lambda: ["Are you open today?"])
    replies: list[str] = field(default_factory=lambda: ["Yes, of course we are. Come by at noon."])
    transcription_s: float = 0.1
    token_s: float = 0.01
    synthesis_s: float = 0.05
    seconds_a_word: float = 0.3
    answers_generate: bool = True
    fail_synthesis: Failure | None = None


class ScriptedInference:
    """Implements InferenceConnector. `refusals` are raised by the first opens."""

    def __init__(self, behaviour: Behaviour | None = None, refusals: list[StreamLostError] | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.refusals = refusals or []
        self.streams: list[ScriptedStream] = []
        self.on_open: Callable[[ScriptedStream], None] = lambda stream: None

    async def open(self, session_id: str, configure: SessionConfigure) -> "ScriptedStream":
        await asyncio.sleep(0.005)
        if self.refusals:
            raise self.refusals.pop(0)
        stream = ScriptedStream(session_id, configure, self.behaviour)
        self.streams.append(stream)
        self.on_open(stream)
        return stream


class ScriptedStream:
    """Implements InferenceStream."""

    def __init__(self, session_id: str, configure: SessionConfigure, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._sequencer = EventSequencer(session_id, lambda: int(asyncio.get_running_loop().time() * 1e6))
        self._events: asyncio.Queue[Event | StreamLostError] = asyncio.Queue(10_000)
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled: set[int] = set()
        self._speaking = asyncio.Lock()
        self._pending = np.zeros(0, dtype=np.int16)
        self._next_samples: int | None = None
        self._segmenter = SpeechSegmenter(configure.vad, WINDOW_SAMPLES) if configure.vad else None
        self.ready = m.SessionReady()
        self.address = "scripted"
        self.sent: list[tuple[Payload, int]] = []
        self.closed = False
        self.silent = False
        self._start(self._beat())

    # --- InferenceStream

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        if not isinstance(payload, m.Audio | m.Heartbeat):
            self.sent.append((payload, run_id))
        match payload:
            case m.Audio():
                self._hear(payload)
            case m.Transcribe():
                self._start(self._transcribe(payload))
            case m.Generate():
                self._start(self._generate(run_id))
            case m.Synthesize():
                self._start(self._synthesize(payload, run_id))
            case m.CancelRun():
                self._cancelled.add(run_id)
                self.say(m.RunStopped(), run_id)
            case _:
                pass

    async def receive(self) -> Event:
        item = await self._events.get()
        if isinstance(item, StreamLostError):
            raise item
        return item

    async def close(self) -> None:
        self.closed = True
        for task in self._tasks:
            task.cancel()

    # --- what tests do to it

    def say(self, payload: Payload, run_id: int = 0) -> None:
        """Has the orchestrator receive an event."""
        if not self.silent:
            self._events.put_nowait(self._sequencer.make(payload, run_id))

    def lose(self, reason: FailureReason = FailureReason.INFERENCE_LOST) -> None:
        """Ends the stream."""
        self._events.put_nowait(StreamLostError(reason, "scripted loss"))

    def kinds(self) -> list[str]:
        """Names of what was sent, without sound and heartbeats."""
        return [type(payload).__name__ for payload, _ in self.sent]

    # --- engines

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self) -> None:
        while True:
            self.say(m.Heartbeat())
            await asyncio.sleep(0.25)

    def _hear(self, audio: m.Audio) -> None:
        if self._next_samples is None:
            self._next_samples = audio.offset_samples
        self._pending = np.concatenate([self._pending, np.frombuffer(audio.pcm, dtype=np.int16)])
        while len(self._pending) >= WINDOW_SAMPLES and self._segmenter is not None:
            window, self._pending = self._pending[:WINDOW_SAMPLES], self._pending[WINDOW_SAMPLES:]
            loud = float(np.abs(window.astype(np.int32)).mean()) > LOUD
            decided = self._segmenter.accept(self._next_samples, 0.95 if loud else 0.02)
            self._next_samples += WINDOW_SAMPLES
            if decided is not None:
                self.say(decided)

    async def _transcribe(self, request: m.Transcribe) -> None:
        await asyncio.sleep(self._behaviour.transcription_s)
        partial = request.kind is m.TranscribeKind.PARTIAL
        texts = self._behaviour.transcripts
        text = texts[0] if partial or len(texts) == 1 else texts.pop(0)
        self.say(
            m.Transcript(
                speaker=m.Speaker.CALLER,
                kind=m.TranscriptKind.PARTIAL if partial else m.TranscriptKind.FINAL,
                text=text,
                utterance_id=request.utterance_id,
                revision=request.revision,
                mean_log_probability=-0.2,
            )
        )

    async def _generate(self, run_id: int) -> None:
        if not self._behaviour.answers_generate:
            return
        replies = self._behaviour.replies
        text = replies[0] if len(replies) == 1 else replies.pop(0)
        words = text.split(" ")
        for index, word in enumerate(words):
            await asyncio.sleep(self._behaviour.token_s)
            if run_id in self._cancelled:
                return
            piece = word if index == len(words) - 1 else f"{word} "
            self.say(m.Transcript(speaker=m.Speaker.AGENT, kind=m.TranscriptKind.DELTA, text=piece), run_id)
        timing = m.WorkTiming(first_result_us=10_000, total_us=50_000)
        self.say(
            m.GenerationEnded(
                reason=m.FinishReason.STOP, prompt_tokens=20, cached_tokens=10, generated_tokens=9, timing=timing
            ),
            run_id,
        )

    async def _synthesize(self, request: m.Synthesize, run_id: int) -> None:
        async with self._speaking:
            await asyncio.sleep(self._behaviour.synthesis_s)
            if run_id in self._cancelled:
                return
            if self._behaviour.fail_synthesis is not None:
                self.say(self._behaviour.fail_synthesis, run_id)
                return
            total = int(len(request.text.split()) * self._behaviour.seconds_a_word * SAMPLE_RATE_HZ)
            for at in range(0, total, 3_200):
                pcm = np.full(min(3_200, total - at), AGENT_LEVEL, dtype=np.int16).tobytes()
                audio = m.Audio(pcm=pcm, offset_samples=at, segment_index=request.segment_index)
                self.say(audio, run_id)
            ended = m.SynthesisEnded(
                segment_index=request.segment_index, total_samples=total, timing=m.WorkTiming(total_us=50_000)
            )
            self.say(ended, run_id)
