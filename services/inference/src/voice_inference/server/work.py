"""The work one session has going on: transcriptions, generations and syntheses, each cancellable."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import structlog

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import (
    Audio,
    Generate,
    GenerationEnded,
    PrimePrompt,
    RunStopped,
    SessionConfigure,
    Speaker,
    SynthesisEnded,
    Synthesize,
    Transcribe,
    TranscribeKind,
    Transcript,
    TranscriptKind,
    WorkTiming,
)
from voice_inference.clock import monotonic_s, monotonic_us
from voice_inference.engines.base import Cancelled, CancelToken, LlmEnd, LlmRequest, LlmText
from voice_inference.lanes import JobTiming
from voice_inference.server.audio_ring import AudioRing
from voice_inference.server.outbox import OrchestratorStuckError, Outbox
from voice_inference.server.pipeline import REPLY_DUE_S, Pipeline

AUDIO_MESSAGE_SAMPLES: Final = 3_200
"""Synthesised sound travels in pieces of at most 200 ms."""

SEGMENTS_WAITING_MAX: Final = 8
ENDED_RUNS_KEPT: Final = 256
UTTERANCES_KEPT: Final = 4

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _RunWork:
    """The tasks of one run. `last_segment` is what the next segment must wait for."""

    cancel: CancelToken = field(default_factory=CancelToken)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    generating: bool = False
    next_segment: int = 0
    waiting_segments: int = 0
    last_segment: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Transcription:
    revision: int
    cancel: CancelToken


class SessionWork:
    """Starts, supersedes and cancels the work of one session. All tasks belong to the session's TaskGroup."""

    def __init__(
        self, session_id: str, configure: SessionConfigure, pipeline: Pipeline, ring: AudioRing, outbox: Outbox
    ) -> None:
        self._session_id = session_id
        self._configure = configure
        self._pipeline = pipeline
        self._ring = ring
        self._outbox = outbox
        self._runs: dict[int, _RunWork] = {}
        self._ended_runs: deque[int] = deque(maxlen=ENDED_RUNS_KEPT)
        self._transcriptions: dict[int, _Transcription] = {}
        self._prime: CancelToken | None = None

    # --- transcription

    def transcribe(self, group: asyncio.TaskGroup, request: Transcribe) -> None:
        """Starts a transcription; an older one of the same utterance is given up."""
        before = self._transcriptions.get(request.utterance_id)
        if before is not None:
            if request.revision <= before.revision:
                self._refuse(f"transcribe.revision: {request.revision} does not follow {before.revision}")
                return
            before.cancel.cancel()
        job = _Transcription(request.revision, CancelToken())
        self._transcriptions[request.utterance_id] = job
        self._forget_transcriptions(request.utterance_id)
        group.create_task(self._transcribe(request, job), name=f"transcribe-{request.utterance_id}")

    def _forget_transcriptions(self, newest: int) -> None:
        for utterance_id in [known for known in self._transcriptions if known <= newest - UTTERANCES_KEPT]:
            self._transcriptions.pop(utterance_id).cancel.cancel()

    async def _transcribe(self, request: Transcribe, job: _Transcription) -> None:
        end = request.end_offset_samples or self._ring.end_samples
        samples = self._ring.slice(request.start_offset_samples, end)
        partial = request.kind is TranscribeKind.PARTIAL
        try:
            result, timing = await self._pipeline.transcribe(
                samples, self._configure.language, partial=partial, cancel=job.cancel
            )
            if job.cancel.cancelled:
                raise Cancelled
            await self._outbox.put(
                Transcript(
                    speaker=Speaker.CALLER,
                    kind=TranscriptKind.PARTIAL if partial else TranscriptKind.FINAL,
                    text=result.text,
                    utterance_id=request.utterance_id,
                    revision=request.revision,
                    start_offset_samples=request.start_offset_samples,
                    end_offset_samples=min(end, self._ring.end_samples),
                    mean_log_probability=min(0.0, result.mean_log_probability),
                    timing=timing,
                )
            )
        except Cancelled:
            self._pipeline.metrics.cancelled.labels(Stage.STT.value).inc()
        except Exception as error:
            await self._report(error, Stage.STT, utterance_id=request.utterance_id)
        finally:
            if self._transcriptions.get(request.utterance_id) is job:
                job.cancel.cancel()

    def cancel_transcription(self, utterance_id: int) -> None:
        """Gives a transcription up; does nothing when there is none."""
        job = self._transcriptions.get(utterance_id)
        if job is not None:
            job.cancel.cancel()

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
            log.warning("prime_failed", error=str(error))

    def _stop_priming(self) -> None:
        if self._prime is not None:
            self._prime.cancel()
            self._prime = None

    def generate(self, group: asyncio.TaskGroup, run_id: int, request: Generate) -> None:
        """Starts writing the run's reply."""
        run = self._run(run_id)
        if run is None:
            return
        if run.generating:
            self._refuse("generate: a run is written once", run_id)
            return
        run.generating = True
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
        )
        try:
            async for item in self._pipeline.llm.generate(llm_request, run.cancel):
                run.cancel.raise_if_cancelled()
                first_us = first_us or monotonic_us()
                if isinstance(item, LlmText):
                    delta = Transcript(speaker=Speaker.AGENT, kind=TranscriptKind.DELTA, text=item.text)
                    await self._outbox.put(delta, run_id)
                else:
                    await self._outbox.put(self._generation_ended(item, began_us, first_us), run_id)
        except Cancelled:
            self._pipeline.metrics.cancelled.labels(Stage.LLM.value).inc()
        except Exception as error:
            await self._report(error, Stage.LLM, run_id=run_id)

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
            self._refuse(f"synthesize.segment_index: {run.next_segment} must come next", run_id)
            return
        if run.waiting_segments >= SEGMENTS_WAITING_MAX:
            failure = Failure(
                stage=Stage.TTS,
                reason=FailureReason.OVERLOADED,
                detail=f"{SEGMENTS_WAITING_MAX} segments of the run already wait",
            )
            self._send_failure(failure, run_id)
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
                first=request.segment_index == 0,
            )
            async for piece in pieces:
                for at in range(0, len(piece), AUDIO_MESSAGE_SAMPLES):
                    run.cancel.raise_if_cancelled()
                    pcm = piece[at : at + AUDIO_MESSAGE_SAMPLES].tobytes()
                    audio = Audio(pcm=pcm, offset_samples=sent, segment_index=request.segment_index)
                    await self._outbox.put(audio, run_id)
                    sent += len(pcm) // 2
            run.cancel.raise_if_cancelled()
            work = self._pipeline.account(Stage.TTS, timing, monotonic_us())
            ended = SynthesisEnded(segment_index=request.segment_index, total_samples=sent, timing=work)
            await self._outbox.put(ended, run_id)
        except Cancelled:
            self._pipeline.metrics.cancelled.labels(Stage.TTS.value).inc()
        except Exception as error:
            await self._report(error, Stage.TTS, run_id=run_id)
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
        if run_id in self._ended_runs:
            return
        run = self._runs.pop(run_id, _RunWork())
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
        for job in self._transcriptions.values():
            job.cancel.cancel()
        for run in self._runs.values():
            run.cancel.cancel()

    # --- failures

    def _refuse(self, detail: str, run_id: int = 0) -> None:
        failure = Failure(stage=Stage.LINK, reason=FailureReason.INVALID_MESSAGE, detail=detail)
        self._send_failure(failure, run_id)

    def _send_failure(self, failure: Failure, run_id: int) -> None:
        self._pipeline.metrics.failures.labels(failure.stage.value, failure.reason.value).inc()
        self._outbox.put_now(failure, run_id)

    async def _report(self, error: Exception, stage: Stage, *, run_id: int = 0, utterance_id: int = 0) -> None:
        """Tells the orchestrator what failed; an unexpected error is logged with its traceback."""
        if isinstance(error, OrchestratorStuckError):
            raise error
        if isinstance(error, VoiceAgentError):
            failure = Failure(
                stage=error.failure.stage,
                reason=error.failure.reason,
                detail=error.failure.detail,
                utterance_id=utterance_id,
            )
            log.warning("work_failed", stage=stage.value, reason=failure.reason.value, detail=failure.detail)
        else:
            detail = f"{type(error).__name__} in the {stage.value} engine"
            failure = Failure(stage=stage, reason=FailureReason.ENGINE_ERROR, detail=detail, utterance_id=utterance_id)
            log.error("engine_error", stage=stage.value, exc_info=error)
        self._pipeline.metrics.failures.labels(failure.stage.value, failure.reason.value).inc()
        await self._outbox.put(failure, run_id)
