"""Engines that do what a test says, behind the real lanes and servicer: the Protocols of engines.base, no models."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import ChatMessage, ChatRole, EngineDescription, FinishReason
from voice_inference.engines.base import (
    CancelToken,
    FloatSamples,
    IntSamples,
    LlmEnd,
    LlmItem,
    LlmRequest,
    LlmText,
    LlmToolRequest,
    SttResult,
    TtsEnd,
)

WAIT_S = 5.0


class LoudnessVad:
    """Implements VadEngine: loud is speech."""

    window_samples = 512

    def describe(self) -> EngineDescription:
        return EngineDescription(stage=Stage.VAD, engine="scripted", model="loudness", device="cpu")

    def warm_up(self) -> None:
        pass

    def new_state(self) -> NDArray[np.float32]:
        return np.zeros(1, dtype=np.float32)

    def score(
        self, windows: FloatSamples, states: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        loud = np.abs(windows).mean(axis=1) > 0.02
        return np.where(loud, 0.95, 0.02).astype(np.float32), list(states)


@dataclass(slots=True)
class ScriptedStt:
    """Implements SttEngine. While `gate` is clear a transcription hangs, but sees its cancel."""

    text: str = "are you open today"
    error: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)
    heard: list[int] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """What each transcription that was heard to its end was told to expect."""

    def __post_init__(self) -> None:
        self.gate.set()

    def describe(self) -> EngineDescription:
        return EngineDescription(stage=Stage.STT, engine="scripted", model="words", device="cpu")

    def warm_up(self) -> None:
        pass

    def transcribe(self, samples: FloatSamples, language: str, cancel: CancelToken, expected: str = "") -> SttResult:
        self.began.set()
        wait_for(self.gate, cancel)
        self.heard.append(len(samples))
        self.expected.append(expected)
        if self.error is not None:
            raise self.error
        return SttResult(
            text=self.text, mean_log_probability=-0.2, no_speech_probability=0.25, continuation_probability=0.125
        )


@dataclass(slots=True)
class ScriptedEndOfTurn:
    """Implements EndOfTurnEngine. While `gate` is clear a score hangs, but sees its cancel."""

    probability: float = 0.75
    error: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)
    judged: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def describe(self) -> EngineDescription:
        return EngineDescription(stage=Stage.END_OF_TURN, engine="scripted", model="judge", device="cpu")

    def warm_up(self) -> None:
        pass

    def score(self, samples: FloatSamples, cancel: CancelToken) -> float:
        self.began.set()
        wait_for(self.gate, cancel)
        self.judged.append(len(samples))
        if self.error is not None:
            raise self.error
        return self.probability


@dataclass(slots=True)
class ScriptedLlm:
    """Implements LlmEngine. With `endless` it writes until it is cancelled.

    Given tools, and unless a tool has just answered, it asks for `asks` after its words.
    """

    words: tuple[str, ...] = ("Yes, ", "of course ", "we are.")
    endless: bool = False
    asks: tuple[LlmToolRequest, ...] = ()
    asked: list[LlmRequest] = field(default_factory=list)
    error: Exception | None = None
    primed: int = 0
    forgotten: list[str] = field(default_factory=list)
    stopped: int = 0
    scores: bool = True
    finished: float = 0.6
    scored: list[str] = field(default_factory=list)
    score_error: Exception | None = None

    def describe(self) -> EngineDescription:
        return EngineDescription(
            stage=Stage.LLM,
            engine="scripted",
            model="parrot",
            device="cpu",
            streaming=True,
            tools=True,
            scores_words=self.scores,
        )

    async def start(self) -> None:
        pass

    async def generate(self, request: LlmRequest, cancel: CancelToken) -> AsyncIterator[LlmItem]:
        self.asked.append(request)
        wanted = self.asks if request.tools and request.messages[-1].role is not ChatRole.TOOL else ()
        try:
            if self.error is not None:
                raise self.error
            while True:
                for word in self.words:
                    await asyncio.sleep(0)
                    cancel.raise_if_cancelled()
                    yield LlmText(text=word)
                if not self.endless:
                    break
                await asyncio.sleep(0)
            for tool in wanted:
                yield tool
        finally:
            self.stopped += 1
        yield LlmEnd(
            reason=FinishReason.TOOLS if wanted else FinishReason.STOP,
            prompt_tokens=len(request.messages),
            cached_tokens=0,
            generated_tokens=len(self.words),
            queued_us=0,
        )

    async def prime(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> None:
        self.primed += 1

    async def score_words(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> float:
        self.scored.append(messages[-1].text)
        if self.score_error is not None:
            raise self.score_error
        return self.finished

    async def forget(self, session_id: str) -> None:
        self.forgotten.append(session_id)

    async def close(self) -> None:
        pass


@dataclass(slots=True)
class ScriptedTts:
    """Implements TtsEngine: a tenth of a second for every word."""

    gate: threading.Event = field(default_factory=threading.Event)
    spoken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def describe(self) -> EngineDescription:
        return EngineDescription(stage=Stage.TTS, engine="scripted", model="tone", device="cpu", voices=("tone",))

    def warm_up(self) -> None:
        pass

    def synthesize(
        self, text: str, voice: str, speaking_rate: float, cancel: CancelToken
    ) -> Iterator[IntSamples | TtsEnd]:
        if voice not in ("", "tone"):
            detail = f"no voice {voice}"
            raise VoiceAgentError(Failure(stage=Stage.TTS, reason=FailureReason.MODEL_MISSING, detail=detail))
        for _ in text.split():
            wait_for(self.gate, cancel)
            yield np.full(1_600, 3_000, dtype=np.int16)
        self.spoken.append(text)
        yield TtsEnd(word_end_samples=tuple(1_600 * (at + 1) for at in range(len(text.split()))))


def wait_for(gate: threading.Event, cancel: CancelToken) -> None:
    """Waits for the gate like a slow engine: looking at its cancel, and not for ever."""
    cancel.on_cancel(gate.set)
    assert gate.wait(WAIT_S), "the test never opened the gate"
    cancel.raise_if_cancelled()
