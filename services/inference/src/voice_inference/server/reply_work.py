"""The work one session has going on for its runs: generations and syntheses, cancelled together."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import structlog

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import (
    Audio,
    FinishReason,
    Generate,
    GenerationEnded,
    PrimePrompt,
    RunStopped,
    SessionConfigure,
    Speaker,
    SynthesisEnded,
    Synthesize,
    ToolRequested,
    Transcript,
    TranscriptKind,
    WorkTiming,
)
from voice_inference.clock import monotonic_s, monotonic_us
from voice_inference.engines.base import Cancelled, CancelToken, LlmEnd, LlmRequest, LlmText, LlmToolRequest, TtsEnd
from voice_inference.lanes import JobTiming
from voice_inference.server.failure_report import FailureReport
from voice_inference.server.outbox import Outbox
from voice_inference.server.pipeline import REPLY_DUE_S, Pipeline

AUDIO_MESSAGE_SAMPLES: Final = 3_200
"""Synthesised sound travels in pieces of at most 200 ms."""

SEGMENTS_WAITING_MAX: Final = 8
ENDED_RUNS_KEPT: Final = 256

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _RunWork:
    """The tasks of one run. `last_segment` is what the next segment must wait for."""

    cancel: CancelToken = field(default_factory=CancelToken)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    may_generate: bool = True
    """Before the first generation, and after one that ended with requests for tools."""
    tools_requested: int = 0
    next_segment: int = 0
    waiting_segments: int = 0
    last_segment: asyncio.Task[None] | None = None
    sound_began_s: float = 0.0
    """When its first sound was made, on the node's monotonic clock."""
    sound_samples: int = 0

    def ahead_s(self) -> float:
        """Sound that was made and cannot have been played yet."""
        return self.sound_samples / SAMPLE_RATE_HZ - (monotonic_s() - self.sound_began_s)


class ReplyWork:
    """Starts and cancels the work of one session's runs. All tasks belong to the session's TaskGroup."""

    def __init__(
        self, session_id: str, configure: SessionConfigure, pipeline: Pipeline, outbox: Outbox, failures: FailureReport
    ) -> None:
        self._session_id = session_id
        self._configure = configure
        self._pipeline = pipeline
        self._outbox = outbox
        self._failures = failures
        self._runs: dict[int, _RunWork] = {}
        self._ended_runs: deque[int] = deque(maxlen=ENDED_RUNS_KEPT)
        self._prime: CancelToken | None = None

    # --- generation

    def prime(self, group: asyncio.TaskGroup, request: PrimePrompt) -> None:
        """Evaluates a prompt ahead of time; a newer request or a generation takes its place."""
        self._stop_priming()
        self._prime = CancelToken()
        group.create_task(self._prime_prompt(request, self._prime), name="prime")

    async def _prime_prompt(self, request: PrimePrompt, cancel: CancelToken) -> None:
        try:
            await self._pipeline.llm.prime(self._session_id, request.messages, cancel)
        except Cancelled:
            return
        except Exception as error:
            # Not the text of an unexpected error: it might hold a piece of the prompt.
            log.warning(
                "prime_failed", error=str(error) if isinstance(error, VoiceAgentError) else type(error).__name__
            )

    def _stop_priming(self) -> None:
        if self._prime is not None:
            self._prime.cancel()
            self._prime = None

    def generate(self, group: asyncio.TaskGroup, run_id: int, request: Generate) -> None:
        """Starts writing the run's reply."""
        run = self._run(run_id)
        if run is None:
            return
        if not run.may_generate:
            detail = "generate: a run is written once, and again only after it asked for tools"
            self._failures.refuse(detail, Stage.LLM, run_id=run_id)
            return
        run.may_generate = False
        self._forget_finished_runs()
        self._stop_priming()
        self._own(run, group.create_task(self._generate(run_id, run, request), name=f"generate-{run_id}"))

    async def _generate(self, run_id: int, run: _RunWork, request: Generate) -> None:
        began_us, first_us = monotonic_us(), 0
        llm_request = LlmRequest(
            session_id=self._session_id,
            messages=request.messages,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop=request.stop,
            deadline_s=monotonic_s() + REPLY_DUE_S,
            tools=request.tools,
        )
        try:
            async for item in self._pipeline.llm.generate(llm_request, run.cancel):
                run.cancel.raise_if_cancelled()
                first_us = first_us or monotonic_us()
                if isinstance(item, LlmText):
                    delta = Transcript(speaker=Speaker.AGENT, kind=TranscriptKind.DELTA, text=item.text)
                    await self._outbox.put(delta, run_id)
                elif isinstance(item, LlmToolRequest):
                    index, run.tools_requested = run.tools_requested, run.tools_requested + 1
                    asked = ToolRequested(call_index=index, name=item.name, arguments=item.arguments)
                    await self._outbox.put(asked, run_id)
                else:
                    run.may_generate = item.reason is FinishReason.TOOLS
                    await self._outbox.put(self._generation_ended(item, began_us, first_us), run_id)
        except Cancelled:
            self._pipeline.metrics.cancelled.labels(Stage.LLM.value).inc()
        except Exception as error:
            await self._failures.report(error, Stage.LLM, run_id=run_id)

    def _generation_ended(self, end: LlmEnd, asked_us: int, first_us: int) -> GenerationEnded:
        began_us = asked_us + end.queued_us
        timing = WorkTiming(
            queued_us=end.queued_us,
            first_result_us=max(0, first_us - began_us),
            total_us=max(0, monotonic_us() - began_us),
        )
        self._pipeline.observe(Stage.LLM, timing)
        return GenerationEnded(
            reason=end.reason,
            prompt_tokens=end.prompt_tokens,
            cached_tokens=end.cached_tokens,
            generated_tokens=end.generated_tokens,
            timing=timing,
        )

    # --- synthesis

    def synthesize(self, group: asyncio.TaskGroup, run_id: int, request: Synthesize) -> None:
        """Has the run's next segment spoken, after those before it."""
        run = self._run(run_id)
        if run is None:
            return
        if request.segment_index != run.next_segment:
            detail = f"synthesize.segment_index: {run.next_segment} must come next"
            self._failures.refuse(detail, Stage.TTS, run_id=run_id)
            return
        if run.waiting_segments >= SEGMENTS_WAITING_MAX:
            failure = Failure(
                stage=Stage.TTS,
                reason=FailureReason.OVERLOADED,
                detail=f"{SEGMENTS_WAITING_MAX} segments of the run already wait",
            )
            self._failures.send(failure, run_id)
            return
        run.next_segment += 1
        run.waiting_segments += 1
        before = run.last_segment
        run.last_segment = group.create_task(
            self._synthesize(run_id, run, request, before), name=f"synthesize-{run_id}-{request.segment_index}"
        )
        self._own(run, run.last_segment)

    async def _synthesize(
        self, run_id: int, run: _RunWork, request: Synthesize, before: asyncio.Task[None] | None
    ) -> None:
        timing, sent = JobTiming(), 0
        word_ends: tuple[int, ...] = ()
        try:
            if before is not None:
                await asyncio.wait((before,))
            run.cancel.raise_if_cancelled()
            pieces = self._pipeline.synthesize(
                request.text,
                self._configure.voice,
                request.speaking_rate,
                run.cancel,
                timing,
                ahead_s=run.ahead_s if request.segment_index else None,
            )
            async for piece in pieces:
                if isinstance(piece, TtsEnd):
                    word_ends = piece.word_end_samples
                    continue
                for at in range(0, len(piece), AUDIO_MESSAGE_SAMPLES):
                    run.cancel.raise_if_cancelled()
                    pcm = piece[at : at + AUDIO_MESSAGE_SAMPLES].tobytes()
                    audio = Audio(pcm=pcm, offset_samples=sent, segment_index=request.segment_index)
                    await self._outbox.put(audio, run_id)
                    run.sound_began_s = run.sound_began_s or monotonic_s()
                    run.sound_samples += len(pcm) // 2
                    sent += len(pcm) // 2
            run.cancel.raise_if_cancelled()
            work = self._pipeline.account(Stage.TTS, timing, monotonic_us())
            ended = SynthesisEnded(
                segment_index=request.segment_index, total_samples=sent, timing=work, word_end_offset_samples=word_ends
            )
            await self._outbox.put(ended, run_id)
        except Cancelled:
            self._pipeline.metrics.cancelled.labels(Stage.TTS.value).inc()
        except Exception as error:
            await self._failures.report(error, Stage.TTS, run_id=run_id)
        finally:
            run.waiting_segments -= 1

    # --- runs

    def _run(self, run_id: int) -> _RunWork | None:
        """The run's work, made when it is new; None when the run has ended, whose late messages mean nothing."""
        if run_id in self._ended_runs:
            return None
        return self._runs.setdefault(run_id, _RunWork())

    def _own(self, run: _RunWork, task: asyncio.Task[None]) -> None:
        run.tasks.add(task)
        task.add_done_callback(run.tasks.discard)

    def cancel_run(self, group: asyncio.TaskGroup, run_id: int) -> None:
        """Stops everything of the run; RunStopped follows when nothing of it is left."""
        run = self._runs.pop(run_id, _RunWork())
        if run_id not in self._ended_runs:
            self._ended_runs.append(run_id)
        run.cancel.cancel()
        group.create_task(self._confirm_stop(run_id, run), name=f"stop-{run_id}")

    async def _confirm_stop(self, run_id: int, run: _RunWork) -> None:
        if run.tasks:
            await asyncio.wait(tuple(run.tasks))
        await self._outbox.put(RunStopped(), run_id)

    def _forget_finished_runs(self) -> None:
        """Drops runs with nothing left to do but the newest, so that a long session does not grow."""
        for run_id in sorted(self._runs)[:-2]:
            if not self._runs[run_id].tasks:
                del self._runs[run_id]
                self._ended_runs.append(run_id)

    def cancel_all(self) -> None:
        """Cancels everything; used when the session ends."""
        self._stop_priming()
        for run in self._runs.values():
            run.cancel.cancel()
