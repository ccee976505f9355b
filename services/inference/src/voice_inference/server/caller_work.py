"""The work one session has going on with what the caller said: transcriptions and judgements of pauses."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from voice_contract.failures import Stage, VoiceAgentError
from voice_contract.messages import (
    CancelTranscription,
    EndOfTurnScored,
    ScoreEndOfTurn,
    ScoreWords,
    SessionConfigure,
    Speaker,
    Transcribe,
    TranscribeKind,
    Transcript,
    TranscriptKind,
    WordsScored,
    WorkTiming,
)
from voice_inference.engines.base import Cancelled, CancelToken
from voice_inference.server.audio_ring import AudioRing
from voice_inference.server.failure_report import FailureReport
from voice_inference.server.outbox import Outbox
from voice_inference.server.pipeline import Pipeline

UTTERANCES_KEPT: Final = 4

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Request:
    revision: int
    cancel: CancelToken = field(default_factory=CancelToken)


@dataclass(frozen=True, slots=True)
class _Heard:
    """The last words, and where in the caller's sound theirs began."""

    start: int
    text: str


class _Requests:
    """The newest request of one kind for each of the last utterances."""

    def __init__(self, name: str, stage: Stage, failures: FailureReport) -> None:
        self._name = name
        self._stage = stage
        self._failures = failures
        self._by_utterance: dict[int, _Request] = {}

    def supersede(self, utterance_id: int, revision: int) -> _Request | None:
        """A new request; the older one of the same utterance is given up. None, and refused, when it is not newer."""
        before = self._by_utterance.get(utterance_id)
        if before is not None:
            if revision <= before.revision:
                detail = f"{self._name}.revision: {revision} does not follow {before.revision}"
                self._failures.refuse(detail, self._stage, utterance_id=utterance_id)
                return None
            before.cancel.cancel()
        request = self._by_utterance[utterance_id] = _Request(revision)
        for old in [known for known in self._by_utterance if known <= utterance_id - UTTERANCES_KEPT]:
            self.cancel(old)
            del self._by_utterance[old]
        return request

    def cancel(self, utterance_id: int) -> None:
        """Gives the utterance's request up; does nothing when there is none."""
        request = self._by_utterance.get(utterance_id)
        if request is not None:
            request.cancel.cancel()

    def cancel_all(self) -> None:
        """Gives every request up."""
        for request in self._by_utterance.values():
            request.cancel.cancel()


class CallerWork:
    """Starts, supersedes and cancels transcriptions and scores. All tasks belong to the session's TaskGroup."""

    def __init__(
        self,
        session_id: str,
        configure: SessionConfigure,
        pipeline: Pipeline,
        ring: AudioRing,
        outbox: Outbox,
        failures: FailureReport,
    ) -> None:
        self._session_id = session_id
        self._configure = configure
        self._pipeline = pipeline
        self._ring = ring
        self._outbox = outbox
        self._failures = failures
        self._transcriptions = _Requests("transcribe", Stage.STT, failures)
        self._scores = _Requests("score_end_of_turn", Stage.END_OF_TURN, failures)
        self._word_scores = _Requests("score_words", Stage.LLM, failures)
        self._heard = _Heard(start=0, text="")

    def accept(
        self, group: asyncio.TaskGroup, asked: Transcribe | ScoreEndOfTurn | ScoreWords | CancelTranscription
    ) -> None:
        """Starts what is asked for, or gives an utterance up."""
        match asked:
            case Transcribe():
                self.transcribe(group, asked)
            case ScoreEndOfTurn():
                self.score(group, asked)
            case ScoreWords():
                self.score_words(group, asked)
            case CancelTranscription():
                self.cancel(asked.utterance_id)

    def transcribe(self, group: asyncio.TaskGroup, asked: Transcribe) -> None:
        """Starts a transcription; an older one of the same utterance is given up."""
        request = self._transcriptions.supersede(asked.utterance_id, asked.revision)
        if request is not None:
            group.create_task(self._transcribe(asked, request.cancel), name=f"transcribe-{asked.utterance_id}")

    async def _transcribe(self, asked: Transcribe, cancel: CancelToken) -> None:
        start = asked.start_offset_samples
        end = max(start, min(asked.end_offset_samples or self._ring.end_samples, self._ring.end_samples))
        samples = self._ring.slice(start, end)
        is_partial = asked.kind is TranscribeKind.PARTIAL
        try:
            result, timing = await self._pipeline.transcribe(
                samples,
                self._configure.language,
                partial=is_partial,
                cancel=cancel,
                expected=self._heard.text if self._heard.start == start else "",
            )
            cancel.raise_if_cancelled()
            self._heard = _Heard(start, result.text)
            await self._outbox.put(
                Transcript(
                    speaker=Speaker.CALLER,
                    kind=TranscriptKind.PARTIAL if is_partial else TranscriptKind.FINAL,
                    text=result.text,
                    utterance_id=asked.utterance_id,
                    revision=asked.revision,
                    start_offset_samples=start,
                    end_offset_samples=end,
                    mean_log_probability=min(0.0, result.mean_log_probability),
                    no_speech_probability=result.no_speech_probability,
                    continuation_probability=result.continuation_probability,
                    timing=timing,
                )
            )
        except Cancelled:
            self._pipeline.metrics.cancelled.labels(Stage.STT.value).inc()
        except Exception as error:
            await self._failures.report(error, Stage.STT, utterance_id=asked.utterance_id)

    def score(self, group: asyncio.TaskGroup, asked: ScoreEndOfTurn) -> None:
        """Starts to score a pause; an older score of the same utterance is given up."""
        request = self._scores.supersede(asked.utterance_id, asked.revision)
        if request is not None:
            group.create_task(self._score(asked, request.cancel), name=f"score-{asked.utterance_id}")

    async def _score(self, asked: ScoreEndOfTurn, cancel: CancelToken) -> None:
        samples = self._ring.slice(asked.start_offset_samples, asked.end_offset_samples)
        judge = partial(self._pipeline.score_end_of_turn, samples, cancel)
        try:
            await self._answer(asked, EndOfTurnScored, judge, cancel)
        except Exception as error:
            await self._failures.report(error, Stage.END_OF_TURN, utterance_id=asked.utterance_id)

    def score_words(self, group: asyncio.TaskGroup, asked: ScoreWords) -> None:
        """Starts to score the words of a pause; an older score of the same utterance is given up."""
        request = self._word_scores.supersede(asked.utterance_id, asked.revision)
        if request is not None:
            group.create_task(self._score_words(asked, request.cancel), name=f"score-words-{asked.utterance_id}")

    async def _score_words(self, asked: ScoreWords, cancel: CancelToken) -> None:
        judge = partial(self._pipeline.score_words, self._session_id, asked.messages, cancel)
        try:
            await self._answer(asked, WordsScored, judge, cancel)
        except Exception as error:
            # Nobody waits for it. Not the text of an unexpected error: it might hold words of the caller.
            text = str(error) if isinstance(error, VoiceAgentError) else type(error).__name__
            log.warning("score_words_failed", error=text)

    async def _answer(
        self,
        asked: ScoreEndOfTurn | ScoreWords,
        answer: type[EndOfTurnScored | WordsScored],
        judge: Callable[[], Awaitable[tuple[float, WorkTiming]]],
        cancel: CancelToken,
    ) -> None:
        """Sends what `judge` finds, a probability and what it cost; nothing once the request is given up."""
        try:
            probability, timing = await judge()
            cancel.raise_if_cancelled()
            await self._outbox.put(
                answer(utterance_id=asked.utterance_id, revision=asked.revision, probability=probability, timing=timing)
            )
        except Cancelled:
            stage = Stage.LLM if answer is WordsScored else Stage.END_OF_TURN
            self._pipeline.metrics.cancelled.labels(stage.value).inc()

    def cancel(self, utterance_id: int) -> None:
        """Gives up what is going on with an utterance; does nothing when there is nothing."""
        self._transcriptions.cancel(utterance_id)
        self._scores.cancel(utterance_id)
        self._word_scores.cancel(utterance_id)

    def cancel_all(self) -> None:
        """Cancels everything; used when the session ends."""
        self._transcriptions.cancel_all()
        self._scores.cancel_all()
        self._word_scores.cancel_all()
