"""One session's stream: reads commands, feeds voice activity detection, sends what happened."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import numpy as np
import structlog

from voice_contract.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from voice_contract.channel_options import HEARTBEAT_INTERVAL_MS, PEER_SILENT_AFTER_MS
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import (
    Audio,
    CancelRun,
    CancelTranscription,
    Event,
    Generate,
    Heartbeat,
    PrimePrompt,
    ScoreEndOfTurn,
    ScoreWords,
    SessionClose,
    SessionConfigure,
    SessionReady,
    Synthesize,
    Transcribe,
)
from voice_contract.sequencing import EventSequencer, SequenceGuard
from voice_inference.clock import monotonic_s, monotonic_us
from voice_inference.server.audio_ring import AudioRing
from voice_inference.server.caller_work import CallerWork
from voice_inference.server.failure_report import FailureReport
from voice_inference.server.late_sound import LateSound
from voice_inference.server.outbox import OrchestratorStuckError, Outbox
from voice_inference.server.pipeline import Pipeline
from voice_inference.server.reply_work import ReplyWork
from voice_inference.server.speech_segmenter import SpeechSegmenter
from voice_inference.vad_lane import VadStream

LAST_WRITE_S: Final = 1.0
"""How long a session that is over waits for the transport to take its last messages."""

Receive = Callable[[], Awaitable[Event | None]]
Send = Callable[[Event], Awaitable[None]]

log = structlog.get_logger(__name__)


class _SessionOverError(Exception):
    """Ends the session's TaskGroup; carries the failure to report, if there is one."""

    def __init__(self, failure: Failure | None = None) -> None:
        super().__init__()
        self.failure = failure


class ConverseSession:
    """Serves one session from its first event to its end.

    `receive` gives the next event, None at the end of the stream, and raises VoiceAgentError for what breaks the
    contract; `send` writes one.
    """

    def __init__(self, first: Event, configure: SessionConfigure, pipeline: Pipeline) -> None:
        self._session_id = first.session_id
        self._configure = configure
        self._pipeline = pipeline
        self._outbox = Outbox()
        self._ring = AudioRing()
        failures = FailureReport(self._outbox, pipeline.metrics)
        self._caller = CallerWork(first.session_id, configure, pipeline, self._ring, self._outbox, failures)
        self._reply = ReplyWork(first.session_id, configure, pipeline, self._outbox, failures)
        self._guard = SequenceGuard()
        self._guard.accept(first)
        self._heard_at_s = monotonic_s()
        self._late_sound = LateSound()
        self._late_sound.is_late(first.sender_monotonic_us, monotonic_us())
        self._vad: VadStream | None = None
        self._segmenter: SpeechSegmenter | None = None
        self._vad_next_samples: int | None = None
        self._vad_failure: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()

    async def serve(self, receive: Receive, send: Send) -> None:
        """Runs the session; returns when it is over, with nothing of it left. All it logs names the session."""
        with structlog.contextvars.bound_contextvars(session=self._session_id):
            await self._serve(receive, send)

    async def _serve(self, receive: Receive, send: Send) -> None:
        sequencer = EventSequencer(self._session_id, monotonic_us)
        failure: Failure | None = None
        try:
            async with asyncio.TaskGroup() as group:
                self._open_vad()
                self._outbox.put_now(
                    SessionReady(
                        scores_end_of_turn=self._pipeline.end_of_turn is not None,
                        scores_words=self._pipeline.llm.describe().scores_words,
                    )
                )
                group.create_task(self._write(send, sequencer), name="writer")
                group.create_task(self._beat(), name="heartbeat")
                group.create_task(self._watch(), name="watch")
                group.create_task(self._watch_vad(), name="watch-vad")
                group.create_task(self._read(receive, group), name="reader")
        except* _SessionOverError as over:
            failure = next((e.failure for e in _leaves(over) if isinstance(e, _SessionOverError)), None)
        except* OrchestratorStuckError:
            log.warning("orchestrator_stuck")
        finally:
            self._caller.cancel_all()
            self._reply.cancel_all()
            if self._vad is not None:
                self._pipeline.metrics.dropped_windows.inc(self._vad.dropped_windows)
                self._vad.close()
            await self._pipeline.llm.forget(self._session_id)
        if failure is not None:
            self._pipeline.metrics.failures.labels(failure.stage.value, failure.reason.value).inc()
            self._outbox.put_now(failure)
            await self._write_rest(send, sequencer)

    # --- pumps

    async def _read(self, receive: Receive, group: asyncio.TaskGroup) -> None:
        while True:
            try:
                event = await receive()
                if event is None:
                    raise _SessionOverError
                self._heard_at_s = monotonic_s()
                self._guard.accept(event)
                late = self._late_sound.is_late(event.sender_monotonic_us, monotonic_us(), _sound_us(event))
                if event.session_id != self._session_id:
                    raise VoiceAgentError(_invalid("session_id: not the one the stream began with"))
            except VoiceAgentError as error:
                raise _SessionOverError(error.failure) from error
            if late:
                # What comes next has its position: the gap is silence, as where the network lost sound.
                self._pipeline.metrics.sound_dropped_seconds.inc(_sound_us(event) / 1e6)
            else:
                self._accept(event, group)

    async def _write(self, send: Send, sequencer: EventSequencer) -> None:
        while True:
            payload, run_id = await self._outbox.get()
            await send(sequencer.make(payload, run_id))

    async def _write_rest(self, send: Send, sequencer: EventSequencer) -> None:
        try:
            async with asyncio.timeout(LAST_WRITE_S):
                for payload, run_id in self._outbox.take_rest():
                    await send(sequencer.make(payload, run_id))
        except TimeoutError:
            log.warning("last_messages_not_taken")

    async def _beat(self) -> None:
        while True:
            self._outbox.put_now(Heartbeat())
            await asyncio.sleep(HEARTBEAT_INTERVAL_MS / 1000)
            silent_ms = (monotonic_s() - self._heard_at_s) * 1000
            if silent_ms > PEER_SILENT_AFTER_MS:
                detail = f"the orchestrator sent nothing for {silent_ms:.0f} ms"
                raise _SessionOverError(Failure(stage=Stage.LINK, reason=FailureReason.PEER_SILENT, detail=detail))

    async def _watch(self) -> None:
        await self._outbox.stuck.wait()
        raise OrchestratorStuckError

    async def _watch_vad(self) -> None:
        raise _SessionOverError(await self._vad_failure)

    # --- commands

    def _accept(self, event: Event, group: asyncio.TaskGroup) -> None:
        match event.payload:
            case Audio() as audio:
                self._hear(audio)
            case Heartbeat():
                pass
            case Transcribe() | ScoreEndOfTurn() | ScoreWords() | CancelTranscription() as request:
                self._caller.accept(group, request)
            case PrimePrompt() as request:
                self._reply.prime(group, request)
            case Generate() as request:
                self._reply.generate(group, event.run_id, request)
            case Synthesize() as request:
                self._reply.synthesize(group, event.run_id, request)
            case CancelRun():
                self._reply.cancel_run(group, event.run_id)
            case SessionClose():
                raise _SessionOverError
            case SessionConfigure():
                raise _SessionOverError(_invalid("session_configure: a session is configured once"))
            case other:
                raise _SessionOverError(_invalid(f"{type(other).__name__}: not for an inference node"))

    # --- caller sound

    def _open_vad(self) -> None:
        settings = self._configure.vad
        if self._configure.caller_format is None or settings is None:
            return
        self._vad = self._pipeline.vad.open(self._on_scored, self._on_vad_failed)
        self._segmenter = SpeechSegmenter(settings, self._pipeline.vad.engine.window_samples)

    def _hear(self, audio: Audio) -> None:
        if self._vad is None:
            raise _SessionOverError(_invalid("audio: the session was configured without caller sound"))
        samples = np.frombuffer(audio.pcm, dtype=np.int16)
        self._ring.append(audio.offset_samples, samples)
        if self._vad_next_samples is None:
            self._vad_next_samples = audio.offset_samples
        window = self._pipeline.vad.engine.window_samples
        self._vad_next_samples = max(self._vad_next_samples, self._ring.start_samples)
        while self._vad_next_samples + window <= self._ring.end_samples:
            start = self._vad_next_samples
            self._vad.submit(start, self._ring.slice(start, start + window))
            self._vad_next_samples = start + window

    def _on_scored(self, start_samples: int, probability: float) -> None:
        if self._segmenter is not None:
            decided = self._segmenter.accept(start_samples, probability)
            if decided is not None:
                self._outbox.put_now(decided)

    def _on_vad_failed(self, error: Exception) -> None:
        # Called by the lane, which serves every session.
        log.error("engine_error", stage=Stage.VAD.value, session=self._session_id, exc_info=error)
        detail = f"{type(error).__name__} in the vad engine"
        if not self._vad_failure.done():
            self._vad_failure.set_result(Failure(stage=Stage.VAD, reason=FailureReason.ENGINE_ERROR, detail=detail))


def _invalid(detail: str) -> Failure:
    return Failure(stage=Stage.LINK, reason=FailureReason.INVALID_MESSAGE, detail=detail)


def _sound_us(event: Event) -> int:
    """Length of the sound in an event."""
    if not isinstance(event.payload, Audio):
        return 0
    return len(event.payload.pcm) * 1_000_000 // (SAMPLE_BYTES * SAMPLE_RATE_HZ)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
