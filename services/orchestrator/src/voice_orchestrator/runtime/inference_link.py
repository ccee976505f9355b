"""The session's way to an inference node: one stream at a time, both directions, translated to and from events."""

import asyncio
from traceback import clear_frames
from typing import Final

import structlog

from voice_contract import messages as m
from voice_contract.audio import SAMPLE_BYTES, samples_from_ms
from voice_contract.channel_options import HEARTBEAT_INTERVAL_MS, PEER_SILENT_AFTER_MS
from voice_contract.failures import Failure, FailureReason, Stage
from voice_orchestrator.runtime.caller_sound import CallerSound
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.inference_outbox import InferenceOutbox
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.media_clock import MediaClock
from voice_orchestrator.runtime.output_buffer import OutputBuffer
from voice_orchestrator.runtime.ports import InferenceConnector, InferenceStream, StreamLostError
from voice_orchestrator.runtime.send_pump import SendPump
from voice_orchestrator.runtime.wait_limit import WaitLimit
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import ConnectInference, InferenceMessage

CLOSE_DEADLINE_S: Final = 0.5

RESEND_PAUSE_S: Final = 0.002
"""Between resent frames of 20 ms: ten times as fast as speech, which the node's VAD keeps up with."""

RESEND_PACED_SAMPLES: Final = samples_from_ms(5_000)
"""The end of what is resent, where VAD has to find onsets; what lies before belongs to a turn that is open anyway."""

log = structlog.get_logger(__name__)


class InferenceLink:
    """Connects when the session core says so and pumps until the stream is lost, which is an event."""

    def __init__(
        self,
        session_id: str,
        connector: InferenceConnector,
        mailbox: Mailbox,
        clock: SessionClock,
        media: MediaClock,
        buffer: OutputBuffer,
        pump: SendPump,
    ) -> None:
        self._session_id = session_id
        self._connector = connector
        self._mailbox = mailbox
        self._clock = clock
        self._media = media
        self._buffer = buffer
        self._pump = pump
        # One request at a time: the core asks again only after it was told of a loss.
        self._requests: asyncio.Queue[ConnectInference] = asyncio.Queue(1)
        self._outbox: InferenceOutbox | None = None
        self._sound = CallerSound()
        self._sound.hold(True)
        self._closed = asyncio.Event()
        self._sounded: tuple[int, int] = (0, -1)
        self._needed_from: int | None = None
        self._spoken_until = 0
        self._over = False
        self.dropped_samples = 0
        self.heartbeats_missed = 0
        self.node = ""
        """Address of the node the session is on; empty while it has none."""

    @property
    def waiting_ms(self) -> int:
        """Caller sound that waits for the node."""
        return self._outbox.waiting_ms if self._outbox is not None else 0

    @property
    def waiting_controls(self) -> int:
        """Control messages that wait for the node."""
        return self._outbox.waiting_controls if self._outbox is not None else 0

    @property
    def late_samples(self) -> int:
        """Caller sound that was dropped so far because the node did not take it in time."""
        return self.dropped_samples + (self._outbox.dropped_samples if self._outbox is not None else 0)

    # --- from the reducer loop and the receive pump; never wait

    def connect(self, request: ConnectInference) -> None:
        """Opens a stream after the request's delay."""
        self._requests.put_nowait(request)

    def send(self, message: InferenceMessage, run_id: int) -> None:
        """Sends a message; without a node it is dropped, the core already was or will be told of the loss."""
        if self._outbox is not None:
            self._outbox.put(message, run_id)

    def send_audio(self, audio: m.Audio) -> None:
        """Sends caller sound; without a node it is kept for the next one, which it is sent at once."""
        self._sound.append(audio)
        if self._outbox is not None:
            self._outbox.put_audio(audio)

    def keep_sound_from(self, offset_samples: int | None) -> None:
        """What of the caller's sound a next node would need: see CallerSound.keep_from."""
        self._needed_from = offset_samples
        self._sound.keep_from(offset_samples)

    async def close(self) -> None:
        """Tells the node that the session is over; returns when it was told or there is none."""
        self._over = True
        if self._outbox is None:
            return
        self._outbox.put(m.SessionClose(), 0)
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._closed.wait()
        except TimeoutError:
            log.warning("session_close_not_sent")

    # --- the task

    async def run(self) -> None:
        """Serves one connection request after the other until it is cancelled."""
        while True:
            request = await self._requests.get()
            await asyncio.sleep(request.delay_ms / 1_000)
            try:
                stream = await self._connector.open(self._session_id, request.configure)
                try:
                    lost = await self._converse(stream)
                finally:
                    await stream.close()
            except StreamLostError as error:
                lost = StreamLostError(error.reason, error.detail)
            if self._over:
                # A TaskGroup cancelled while a child fails raises the failure only: the loop has to know.
                return
            log.info("inference_lost", reason=lost.reason.value, detail=lost.detail)
            event = events.InferenceLost(at_ms=self._clock.now_ms(), reason=lost.reason, detail=lost.detail)
            await self._mailbox.put(event)

    async def _converse(self, stream: InferenceStream) -> StreamLostError:
        """Serves the session on a stream until it is lost; gives how, as an error that was never raised."""
        await self._resend(stream)
        self._outbox = outbox = InferenceOutbox(self._clock)
        self._sound.hold(False)
        self._closed.clear()
        self.node = stream.address
        await self._mailbox.put(
            events.InferenceReady(
                at_ms=self._clock.now_ms(),
                scores_end_of_turn=stream.ready.scores_end_of_turn,
                scores_words=stream.ready.scores_words,
            )
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(stream, outbox), name="link-writer")
                group.create_task(self._read(stream), name="link-reader")
                group.create_task(self._beat(outbox), name="link-heartbeat")
        except BaseExceptionGroup as errors:
            lost = _lost_in(errors)
            if lost is None:
                raise
            # Frames of a TaskGroup refer to the error that refers to them, and to the stream, whose connection would
            # stay open until the cyclic collector comes by.
            clear_frames(errors.__traceback__)
            return lost
        finally:
            self.dropped_samples += outbox.dropped_samples
            self._outbox = None
            self.node = ""
            self._sound.hold(True)
        raise AssertionError("heartbeats go on until the stream is lost")

    async def _resend(self, stream: InferenceStream) -> None:
        """Sends what a lost node had heard of the open turn, and what nobody has heard yet, until all is sent."""
        # Speech that was over before the open turn is not sent again: it would be taken for another turn.
        sent = self._spoken_until if self._needed_from is None or self._spoken_until <= self._needed_from else -1
        while frames := self._sound.frames(sent):
            for frame in frames:
                await stream.send(frame)
                sent = frame.offset_samples + len(frame.pcm) // SAMPLE_BYTES
                if sent > self._sound.end_samples - RESEND_PACED_SAMPLES:
                    await asyncio.sleep(RESEND_PAUSE_S)

    async def _write(self, stream: InferenceStream, outbox: InferenceOutbox) -> None:
        while True:
            payload, run_id = await outbox.get()
            await stream.send(payload, run_id)
            if isinstance(payload, m.SessionClose):
                self._closed.set()
                return

    async def _beat(self, outbox: InferenceOutbox) -> None:
        taken = -1
        while True:
            # Whatever leaves says that this end lives; a heartbeat is for the time in which nothing does.
            if outbox.taken == taken:
                outbox.put(m.Heartbeat(), 0)
                taken += 1
            else:
                taken = outbox.taken
            await asyncio.sleep(HEARTBEAT_INTERVAL_MS / 1_000)

    async def _read(self, stream: InferenceStream) -> None:
        limit = WaitLimit(PEER_SILENT_AFTER_MS / 1_000)
        while True:
            since_s = self._clock.now_s()
            try:
                event = await limit.wait_for(stream.receive())
            except TimeoutError:
                if self._closed.is_set():
                    return
                self._note_silence(since_s)
                raise StreamLostError(
                    FailureReason.PEER_SILENT, f"the inference node sent nothing for {PEER_SILENT_AFTER_MS} ms"
                ) from None
            self._note_silence(since_s)
            await self._accept(event)

    def _note_silence(self, since_s: float) -> None:
        """Counts the heartbeats that should have come in a silence; the one that ends it is not missed."""
        silent_ms = (self._clock.now_s() - since_s) * 1_000
        self.heartbeats_missed += max(0, int(silent_ms / HEARTBEAT_INTERVAL_MS) - 1)

    async def _accept(self, event: m.Event) -> None:
        if isinstance(event.payload, m.Audio):
            await self._accept_sound(event.run_id, event.payload)
            return
        if isinstance(event.payload, m.SynthesisEnded):
            index = event.payload.segment_index
            for played in self._buffer.end_segment(event.run_id, index):
                at_ms = self._clock.now_ms()
                await self._mailbox.put(events.SegmentPlayed(at_ms=at_ms, run_id=event.run_id, segment_index=played))
        translated = self._translate(event)
        if translated is not None:
            await self._mailbox.put(translated)

    async def _accept_sound(self, run_id: int, audio: m.Audio) -> None:
        at_ms = self._clock.now_ms()
        if not self._buffer.append(run_id, audio.segment_index, audio.pcm):
            await self._mailbox.put(
                events.RunFailed(
                    at_ms=at_ms,
                    run_id=run_id,
                    stage=Stage.TTS,
                    reason=FailureReason.OVERLOADED,
                    detail="the reply has more sound than may wait to be heard",
                )
            )
            return
        if (run_id, audio.segment_index) > self._sounded:
            self._sounded = (run_id, audio.segment_index)
            await self._mailbox.put(
                events.SegmentSounded(at_ms=at_ms, run_id=run_id, segment_index=audio.segment_index)
            )
        self._pump.wake()

    def _translate(self, event: m.Event) -> events.SessionEvent | None:
        """What a message of the node means to the session core; raises StreamLostError for a node that gives up."""
        at_ms, run_id = self._clock.now_ms(), event.run_id
        match event.payload:
            case m.SpeechStarted(start_offset_samples=offset):
                spoken_at_ms = self._media.spoken_at_ms(offset)
                return events.SpeechStarted(at_ms=at_ms, offset_samples=offset, spoken_at_ms=spoken_at_ms)
            case m.SpeechFaltered(detected_offset_samples=offset):
                return events.SpeechFaltered(at_ms=at_ms, offset_samples=offset)
            case m.SpeechEnded(end_offset_samples=offset):
                self._spoken_until = max(self._spoken_until, offset)
                spoken_at_ms = self._media.spoken_at_ms(offset)
                return events.SpeechEnded(at_ms=at_ms, offset_samples=offset, spoken_at_ms=spoken_at_ms)
            case m.Transcript(kind=m.TranscriptKind.DELTA, text=text):
                return events.ReplyText(at_ms=at_ms, run_id=run_id, text=text)
            case m.Transcript() as words:
                return _caller_transcribed(at_ms, words)
            case m.GenerationEnded() as ended:
                return events.ReplyEnded(
                    at_ms=at_ms,
                    run_id=run_id,
                    reason=ended.reason,
                    prompt_tokens=ended.prompt_tokens,
                    cached_tokens=ended.cached_tokens,
                    generated_tokens=ended.generated_tokens,
                    timing=ended.timing,
                )
            case m.SynthesisEnded() as ended:
                return events.SegmentSynthesised(
                    at_ms=at_ms,
                    run_id=run_id,
                    segment_index=ended.segment_index,
                    total_samples=ended.total_samples,
                    word_ends=ended.word_end_offset_samples,
                    timing=ended.timing,
                )
            case m.EndOfTurnScored() | m.WordsScored() as scored:
                return _scored(at_ms, scored)
            case m.ToolRequested() as asked:
                return events.ToolRequested(
                    at_ms=at_ms, run_id=run_id, call_index=asked.call_index, name=asked.name, arguments=asked.arguments
                )
            case Failure() as failure:
                return _failed(at_ms, run_id, failure)
            case m.Heartbeat() | m.RunStopped():
                return None
            case other:
                detail = f"the inference node sent {type(other).__name__}, which it may not"
                raise StreamLostError(FailureReason.INVALID_MESSAGE, detail)


def _caller_transcribed(at_ms: int, words: m.Transcript) -> events.CallerTranscribed:
    partial = words.kind is m.TranscriptKind.PARTIAL
    return events.CallerTranscribed(
        at_ms=at_ms,
        utterance_id=words.utterance_id,
        revision=words.revision,
        kind=m.TranscribeKind.PARTIAL if partial else m.TranscribeKind.FINAL,
        text=words.text,
        mean_log_probability=words.mean_log_probability,
        no_speech_probability=words.no_speech_probability,
        continuation_probability=words.continuation_probability,
        timing=words.timing,
    )


def _scored(at_ms: int, scored: m.EndOfTurnScored | m.WordsScored) -> events.EndOfTurnScored | events.WordsScored:
    kind = events.WordsScored if isinstance(scored, m.WordsScored) else events.EndOfTurnScored
    return kind(
        at_ms=at_ms,
        utterance_id=scored.utterance_id,
        revision=scored.revision,
        probability=scored.probability,
        timing=scored.timing,
    )


def _failed(at_ms: int, run_id: int, failure: Failure) -> events.SessionEvent | None:
    if run_id:
        return events.RunFailed(
            at_ms=at_ms, run_id=run_id, stage=failure.stage, reason=failure.reason, detail=failure.detail
        )
    if failure.utterance_id and failure.stage is Stage.END_OF_TURN:
        return events.EndOfTurnFailed(
            at_ms=at_ms, utterance_id=failure.utterance_id, reason=failure.reason, detail=failure.detail
        )
    if failure.utterance_id and failure.stage is Stage.LLM:
        # Of a judgement of words, which nobody waits for.
        return None
    if failure.utterance_id:
        return events.TranscriptionFailed(
            at_ms=at_ms, utterance_id=failure.utterance_id, reason=failure.reason, detail=failure.detail
        )
    # It concerns no single piece of work: the node cannot serve the session any more.
    raise StreamLostError(failure.reason, failure.detail)


def _lost_in(errors: BaseExceptionGroup[BaseException]) -> StreamLostError | None:
    """The loss the tasks of a stream ended with, as an error without frames; None when there was worse."""
    losses = [error for error in errors.exceptions if isinstance(error, StreamLostError)]
    if len(losses) < len(errors.exceptions):
        return None
    return StreamLostError(losses[0].reason, losses[0].detail)
