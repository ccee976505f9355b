"""The engines of a node behind their lanes: what a session asks for work."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import ChatMessage, EngineDescription, WorkTiming
from voice_inference.clock import monotonic_s, monotonic_us
from voice_inference.core_turns import CoreTurns, Rank
from voice_inference.engines.base import (
    Cancelled,
    CancelToken,
    EndOfTurnEngine,
    FloatSamples,
    IntSamples,
    LlmEngine,
    SttEngine,
    SttResult,
    TtsEnd,
    TtsEngine,
)
from voice_inference.lanes import GiveWay, JobTiming, Lane
from voice_inference.server.metrics import NodeMetrics
from voice_inference.vad_lane import VadLane

REPLY_DUE_S: Final = 1.0
"""Work somebody waits for is due this long after it was asked for."""

LATER_SOUND_DUE_S: Final = 60.0
"""Sound behind the first segment of a reply lets first segments go first, as long as enough of it is ahead."""

AHEAD_KEPT_S: Final = 0.6
"""Sound that is made of a reply before it is played: with less of it, making more waits for nobody."""

PARTIAL_DUE_S: Final = 3_600.0
"""A transcript for display comes after all work somebody waits for, however long it has waited itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfTurnStage:
    """The end-of-turn engine and its lane: its own, because a score that waits for Whisper comes too late."""

    engine: EndOfTurnEngine
    lane: Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One copy of every engine, shared by all sessions."""

    vad: VadLane
    stt: SttEngine
    stt_lane: Lane
    llm: LlmEngine
    tts: TtsEngine
    tts_lane: Lane
    turns: CoreTurns
    """Who computes on the cores of this machine."""
    metrics: NodeMetrics
    end_of_turn: EndOfTurnStage | None = None
    """None: the node does not score pauses."""
    threads: Mapping[Stage, int] = field(default_factory=dict)
    """How many threads of this process an engine computes with; 0, and without an entry: it computes elsewhere."""
    aside: set[CancelToken] = field(default_factory=set)
    """Transcriptions for display that are being made, or wait for it."""

    def describe(self) -> tuple[EngineDescription, ...]:
        """One description per stage."""
        scoring = () if self.end_of_turn is None else (self.end_of_turn.engine.describe(),)
        return (self.vad.engine.describe(), self.stt.describe(), *scoring, self.llm.describe(), self.tts.describe())

    async def transcribe(
        self, samples: FloatSamples, language: str, *, partial: bool, cancel: CancelToken, expected: str = ""
    ) -> tuple[SttResult, WorkTiming]:
        """The words of `samples`; parameters and errors as of SttEngine.transcribe, and the errors of Lane.run."""
        if partial:
            return await self._transcribe_aside(samples, language, expected, cancel)
        for attempt in tuple(self.aside):
            attempt.cancel()
        timing = JobTiming()

        def transcribe() -> SttResult:
            with self.turns.turn(self.threads.get(Stage.STT, 0), Rank.AWAITED, cancel):
                timing.began_at_us = monotonic_us()
                return self.stt.transcribe(samples, language, cancel, expected)

        result = await self.stt_lane.run(
            transcribe, deadline_s=monotonic_s() + REPLY_DUE_S, cancel=cancel, timing=timing
        )
        return result, self.account(Stage.STT, timing, timing.first_at_us)

    async def _transcribe_aside(
        self, samples: FloatSamples, language: str, expected: str, cancel: CancelToken
    ) -> tuple[SttResult, WorkTiming]:
        """Words for display: made when nobody waits, and again from the beginning when somebody came to wait."""
        asked_at_us = monotonic_us()
        while True:
            timing, attempt = JobTiming(), CancelToken()
            cancel.on_cancel(attempt.cancel)

            def transcribe(timing: JobTiming = timing, attempt: CancelToken = attempt) -> SttResult:
                with self.turns.turn(self.threads.get(Stage.STT, 0), Rank.SPARE, attempt):
                    timing.began_at_us = monotonic_us()
                    return self.stt.transcribe(samples, language, attempt, expected)

            self.aside.add(attempt)
            try:
                result = await self.stt_lane.run(
                    transcribe, deadline_s=monotonic_s() + PARTIAL_DUE_S, cancel=attempt, timing=timing
                )
            except Cancelled:
                cancel.raise_if_cancelled()
            else:
                timing.queued_at_us = asked_at_us  # what was made in vain was a wait as well
                return result, self.account(Stage.STT, timing, timing.first_at_us)
            finally:
                self.aside.discard(attempt)

    async def score_end_of_turn(self, samples: FloatSamples, cancel: CancelToken) -> tuple[float, WorkTiming]:
        """How likely it is that the caller has finished; raises what EndOfTurnEngine.score and Lane.run raise, and
        VoiceAgentError when the node has no engine for it.
        """
        stage = self.end_of_turn
        if stage is None:
            detail = "this node has no end_of_turn engine; add one under engines in its placement"
            raise VoiceAgentError(Failure(stage=Stage.END_OF_TURN, reason=FailureReason.ENGINE_ERROR, detail=detail))
        timing = JobTiming()

        def score() -> float:
            with self.turns.turn(self.threads.get(Stage.END_OF_TURN, 0), Rank.AWAITED, cancel):
                timing.began_at_us = monotonic_us()
                return stage.engine.score(samples, cancel)

        probability = await stage.lane.run(
            score,
            deadline_s=monotonic_s() + REPLY_DUE_S,
            cancel=cancel,
            timing=timing,
        )
        return probability, self.account(Stage.END_OF_TURN, timing, timing.first_at_us)

    async def score_words(
        self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken
    ) -> tuple[float, WorkTiming]:
        """How likely a sentence ends with the last of `messages`; raises what LlmEngine.score_words raises."""
        began_us = monotonic_us()
        probability = await self.llm.score_words(session_id, messages, cancel)
        took_us = monotonic_us() - began_us
        return probability, WorkTiming(queued_us=0, first_result_us=took_us, total_us=took_us)

    def synthesize(
        self,
        text: str,
        voice: str,
        speaking_rate: float,
        cancel: CancelToken,
        timing: JobTiming,
        *,
        ahead_s: Callable[[], float] | None,
    ) -> AsyncIterator[IntSamples | TtsEnd]:
        """Speech for `text`. `ahead_s` tells how much sound of the reply is made and not played yet; None for its first
        words. Raises what TtsEngine.synthesize and Lane.stream raise.
        """
        deadline_s = monotonic_s() + (REPLY_DUE_S if ahead_s is None else LATER_SOUND_DUE_S)
        threads = self.threads.get(Stage.TTS, 0)

        def speak() -> Iterator[IntSamples | TtsEnd | GiveWay]:
            pieces = self.tts.synthesize(text, voice, speaking_rate, cancel)
            while True:
                enough = ahead_s is not None and ahead_s() > AHEAD_KEPT_S
                rank = Rank.FIRST_SOUND if ahead_s is None else Rank.LATER if enough else Rank.AWAITED

                def gives_way(enough: bool = enough) -> bool:
                    return enough and self.tts_lane.presses(deadline_s)

                if gives_way():  # before it has its turn, which is taken at once where cores are free
                    yield GiveWay()
                    continue
                with self.turns.turn(threads, rank, cancel, unless=gives_way) as mine:
                    if mine and not timing.first_at_us:
                        timing.began_at_us = monotonic_us()
                    piece = next(pieces, None) if mine else GiveWay()
                if piece is None:
                    return
                yield piece

        return self.tts_lane.stream(speak, deadline_s=deadline_s, cancel=cancel, timing=timing)

    def account(self, stage: Stage, timing: JobTiming, ended_at_us: int) -> WorkTiming:
        """What a finished job cost, also told to Prometheus."""
        work = WorkTiming(
            queued_us=max(0, timing.began_at_us - timing.queued_at_us),
            first_result_us=max(0, (timing.first_at_us or ended_at_us) - timing.began_at_us),
            total_us=max(0, ended_at_us - timing.began_at_us),
        )
        self.observe(stage, work)
        return work

    def observe(self, stage: Stage, work: WorkTiming) -> None:
        """Tells Prometheus what a job cost."""
        self.metrics.queue_seconds.labels(stage.value).observe(work.queued_us / 1e6)
        self.metrics.first_result_seconds.labels(stage.value).observe(work.first_result_us / 1e6)
        self.metrics.run_seconds.labels(stage.value).observe(work.total_us / 1e6)

    async def close(self) -> None:
        """Ends the lanes and gives the engines back."""
        await self.llm.close()
        await asyncio.to_thread(self._close_lanes)

    def _close_lanes(self) -> None:
        self.vad.close()
        self.stt_lane.close()
        self.tts_lane.close()
        if self.end_of_turn is not None:
            self.end_of_turn.lane.close()
