"""An inference node for whole sessions: hears, writes and speaks as its seed says, and fails as its seed says."""

import asyncio
import random
from collections.abc import Callable

from simulation.caller import SENTENCES
from simulation.fenced import CHUNK_SAMPLES, SOUNDS
from simulation.node import EMPTY_REPLIES, REPLIES, WORD_SAMPLES
from simulation.script_of_nature import Nature
from simulation.stage import CONTINUATIONS
from support.scripted_inference import Behaviour, ScriptedStream

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage
from voice_orchestrator.runtime.ports import StreamLostError, ToolError

HEARD = (*SENTENCES, "mm-hm", "yeah", "stop", "")


class Chance:
    """Faults of one call. `faulty` is cleared when they are over."""

    def __init__(self, rng: random.Random, nature: Nature) -> None:
        self.rng = rng
        self.nature = nature
        self.faulty = True

    def happens(self, probability: float) -> bool:
        """Draws whether a fault happens now."""
        return self.faulty and probability > 0 and self.rng.random() < probability

    async def latency(self) -> None:
        """Lets the time of a piece of work pass."""
        await asyncio.sleep(self.rng.randrange(1, 2 * self.nature.latency_ms) / 1_000)


class WaywardNode:
    """Implements InferenceConnector. `on_sound` is told of every run that is about to sound."""

    def __init__(self, chance: Chance, on_sound: Callable[[int], None]) -> None:
        self._chance = chance
        self._on_sound = on_sound
        self._words: dict[int, str] = {}

    async def open(self, session_id: str, configure: m.SessionConfigure) -> "WaywardStream":
        """See InferenceConnector."""
        await self._chance.latency()
        if self._chance.happens(self._chance.nature.node_refuses):
            raise StreamLostError(FailureReason.INFERENCE_LOST, "refused")
        return WaywardStream(session_id, configure, self._chance, self._on_sound, self._words)


class WaywardStream(ScriptedStream):
    """Implements InferenceStream."""

    def __init__(
        self,
        session_id: str,
        configure: m.SessionConfigure,
        chance: Chance,
        on_sound: Callable[[int], None],
        words: dict[int, str],
    ) -> None:
        super().__init__(session_id, configure, Behaviour())
        self._chance = chance
        self._on_sound = on_sound
        self._words = words
        self._asked: dict[int, m.Generate] = {}
        self._calls: dict[int, int] = {}
        self._spoken: dict[int, int] = {}
        self.ready = m.SessionReady(
            scores_end_of_turn=chance.rng.random() < 0.7, scores_words=chance.rng.random() < 0.7
        )

    async def send(self, payload: m.Payload, run_id: int = 0) -> None:
        """See InferenceStream."""
        if isinstance(payload, m.Generate):
            self._asked[run_id] = payload
        await super().send(payload, run_id)
        if isinstance(payload, m.ScoreEndOfTurn):
            self._start(self._score(payload))
        elif isinstance(payload, m.ScoreWords):
            self._start(self._score_words(payload))

    def _fails(self, stage: Stage, run_id: int, utterance_id: int = 0) -> bool:
        """Whether a piece of work fails, or never answers; the failure is told."""
        if self._chance.happens(self._chance.nature.node_silent):
            return True
        if not self._chance.happens(self._chance.nature.node_fails):
            return False
        failure = Failure(stage=stage, reason=FailureReason.ENGINE_ERROR, detail="it broke", utterance_id=utterance_id)
        self.say(failure, run_id)
        return True

    def _too_late(self, run_id: int) -> bool:
        return run_id in self._cancelled and not self._chance.happens(self._chance.nature.late_after_cancel)

    async def _score(self, request: m.ScoreEndOfTurn) -> None:
        await self._chance.latency()
        if self._fails(Stage.END_OF_TURN, 0, request.utterance_id):
            return
        probability = self._chance.rng.choice((0.05, 0.45, 0.9, 0.98))
        scored = m.EndOfTurnScored(
            utterance_id=request.utterance_id,
            revision=request.revision,
            probability=probability,
            timing=m.WorkTiming(),
        )
        self.say(scored)

    async def _score_words(self, request: m.ScoreWords) -> None:
        await self._chance.latency()
        if not self._chance.happens(self._chance.nature.node_fails):
            scored = m.WordsScored(
                utterance_id=request.utterance_id,
                revision=request.revision,
                probability=self._chance.rng.choice((0.02, 0.15, 0.4, 0.6)),
                timing=m.WorkTiming(),
            )
            self.say(scored)

    async def _transcribe(self, request: m.Transcribe) -> None:
        await self._chance.latency()
        if self._fails(Stage.STT, 0, request.utterance_id):
            return
        text = self._words.setdefault(request.utterance_id, self._chance.rng.choice(HEARD))
        if self._chance.happens(self._chance.nature.words_change):
            text = f"{text} really"
        partial = request.kind is m.TranscribeKind.PARTIAL
        words = m.Transcript(
            speaker=m.Speaker.CALLER,
            kind=m.TranscriptKind.PARTIAL if partial else m.TranscriptKind.FINAL,
            text=text,
            utterance_id=request.utterance_id,
            revision=request.revision,
            mean_log_probability=-0.2 if text else -2.0,
            no_speech_probability=0.1 if text else 0.8,
            continuation_probability=CONTINUATIONS[len(text) % len(CONTINUATIONS)] if text else 0.0,
        )
        self.say(words)
        if self._chance.happens(self._chance.nature.node_repeats):
            self.say(words)

    async def _generate(self, run_id: int) -> None:
        chance, nature = self._chance, self._chance.nature
        await chance.latency()
        if chance.happens(nature.node_dies):
            self.lose()
            return
        if self._too_late(run_id) or self._fails(Stage.LLM, run_id):
            return
        reason = m.FinishReason.STOP
        if self._asked[run_id].tools and chance.happens(nature.uses_tools):
            reason = m.FinishReason.TOOLS
            index = self._calls.get(run_id, 0)
            self._calls[run_id] = index + 1
            self.say(m.ToolRequested(call_index=index, name="look_up", arguments="{}"), run_id)
        else:
            for piece in chance.rng.choice(EMPTY_REPLIES if chance.happens(nature.node_empty) else REPLIES):
                await asyncio.sleep(chance.rng.randrange(5, 60) / 1_000)
                if self._too_late(run_id):
                    return
                self.say(m.Transcript(speaker=m.Speaker.AGENT, kind=m.TranscriptKind.DELTA, text=piece), run_id)
        ended = m.GenerationEnded(
            reason=reason, prompt_tokens=9, cached_tokens=0, generated_tokens=9, timing=m.WorkTiming()
        )
        self.say(ended, run_id)

    async def _synthesize(self, request: m.Synthesize, run_id: int) -> None:
        chance, nature = self._chance, self._chance.nature
        async with self._speaking:
            await chance.latency()
            if self._too_late(run_id) or self._fails(Stage.TTS, run_id):
                return
            words = len(request.text.split())
            total = 0 if chance.happens(nature.node_empty) else words * WORD_SAMPLES + chance.rng.choice((0, 300, 800))
            # Some engines are slower than speech, some tell late that they have finished.
            pace_s = chance.rng.choice((0.0, 0.0, 0.05, 0.25))
            if not await self._speak(request.segment_index, run_id, total, pace_s):
                return
            if pace_s:
                await chance.latency()
            ends: tuple[int, ...] = ()
            if total and chance.rng.random() < 0.7:
                ends = tuple((number + 1) * WORD_SAMPLES for number in range(words))
            ended = m.SynthesisEnded(
                segment_index=request.segment_index,
                total_samples=total,
                timing=m.WorkTiming(),
                word_end_offset_samples=ends,
            )
            self.say(ended, run_id)

    async def _speak(self, index: int, run_id: int, total: int, pace_s: float) -> bool:
        """Sends a segment's sound; whether all of it was sent."""
        sound = SOUNDS[run_id % len(SOUNDS)]
        self._on_sound(run_id)
        for at in range(0, total, CHUNK_SAMPLES):
            if self._too_late(run_id):
                return False
            begin = self._spoken.get(run_id, 0)
            count = min(CHUNK_SAMPLES, total - at)
            self._spoken[run_id] = begin + count
            pcm = sound[begin : begin + count].tobytes()
            self.say(m.Audio(pcm=pcm, offset_samples=at, segment_index=index), run_id)
            await asyncio.sleep(pace_s)
            if self._chance.happens(self._chance.nature.node_dies / 10):
                self.lose()
                return False
            if self._chance.happens(self._chance.nature.node_fails / 10) and self._fails(Stage.TTS, run_id):
                return False
        return True


class WaywardTools:
    """Implements ToolPort."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.keys: list[str] = []

    async def call(self, name: str, arguments: str, idempotency_key: str) -> str:
        """See ToolPort."""
        del name, arguments
        assert idempotency_key not in self.keys, "a tool was called twice"
        self.keys.append(idempotency_key)
        await self._chance.latency()
        if self._chance.happens(self._chance.nature.tool_silent):
            await asyncio.get_running_loop().create_future()
        if self._chance.happens(self._chance.nature.tool_fails):
            raise ToolError(FailureReason.TOOL_FAILED, "it broke")
        return f"result {idempotency_key}"

    async def close(self) -> None:
        """See ToolPort."""
