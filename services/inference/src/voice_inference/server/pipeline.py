"""The engines of a node behind their lanes: what a session asks for work."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import EngineDescription, WorkTiming
from voice_inference.clock import monotonic_s
from voice_inference.courtesy import Courtesy
from voice_inference.engines.base import (
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
from voice_inference.lanes import JobTiming, Lane
from voice_inference.server.metrics import NodeMetrics
from voice_inference.vad_lane import VadLane

REPLY_DUE_S: Final = 1.0
"""Work somebody waits for is due this long after it was asked for."""

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
    courtesy: Courtesy
    metrics: NodeMetrics
    end_of_turn: EndOfTurnStage | None = None
    """None: the node does not score pauses."""

    def describe(self) -> tuple[EngineDescription, ...]:
        """One description per stage."""
        scoring = () if self.end_of_turn is None else (self.end_of_turn.engine.describe(),)
        return (self.vad.engine.describe(), self.stt.describe(), *scoring, self.llm.describe(), self.tts.describe())

    async def transcribe(
        self, samples: FloatSamples, language: str, *, partial: bool, cancel: CancelToken
    ) -> tuple[SttResult, WorkTiming]:
        """The words of `samples`; raises what SttEngine.transcribe and Lane.run raise."""
        timing = JobTiming()
        result = await self.stt_lane.run(
            lambda: self.stt.transcribe(samples, language, cancel),
            deadline_s=monotonic_s() + (PARTIAL_DUE_S if partial else REPLY_DUE_S),
            cancel=cancel,
            timing=timing,
        )
        return result, self.account(Stage.STT, timing, timing.first_at_us)

    async def score_end_of_turn(self, samples: FloatSamples, cancel: CancelToken) -> tuple[float, WorkTiming]:
        """How likely it is that the caller has finished; raises what EndOfTurnEngine.score and Lane.run raise, and
        VoiceAgentError when the node has no engine for it.
        """
        stage = self.end_of_turn
        if stage is None:
            detail = "this node has no end_of_turn engine; add one under engines in its placement"
            raise VoiceAgentError(Failure(stage=Stage.END_OF_TURN, reason=FailureReason.ENGINE_ERROR, detail=detail))
        timing = JobTiming()
        probability = await stage.lane.run(
            lambda: stage.engine.score(samples, cancel),
            deadline_s=monotonic_s() + REPLY_DUE_S,
            cancel=cancel,
            timing=timing,
        )
        return probability, self.account(Stage.END_OF_TURN, timing, timing.first_at_us)

    def synthesize(
        self, text: str, voice: str, speaking_rate: float, cancel: CancelToken, timing: JobTiming, *, first: bool
    ) -> AsyncIterator[IntSamples | TtsEnd]:
        """Speech for `text`; `first` words of a reply have the cores to themselves.

        Raises what TtsEngine.synthesize and Lane.stream raise.
        """

        def speak() -> Iterator[IntSamples | TtsEnd]:
            with self.courtesy.urgent() if first else nullcontext():
                yield from self.tts.synthesize(text, voice, speaking_rate, cancel)

        return self.tts_lane.stream(
            speak,
            deadline_s=monotonic_s() + REPLY_DUE_S,
            cancel=cancel,
            timing=timing,
        )

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
