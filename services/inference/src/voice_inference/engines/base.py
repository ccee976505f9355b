"""What an engine of each stage must be able to do.

One adapter module per engine implements one of these Protocols; `registry` names them. Blocking engines (VAD, STT, end
of turn, TTS) are called on the worker threads of a lane, never on the event loop, and look at their `CancelToken`
between steps (a window, a segment, a token). Language models have an asynchronous interface because some of them live
in another process; the in-process one brings its own lane. Sound is float32 in -1..1 or int16, one channel, 16,000 Hz.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voice_contract.messages import ChatMessage, EngineDescription, FinishReason, ToolDeclaration

FloatSamples = NDArray[np.float32]
IntSamples = NDArray[np.int16]


class Cancelled(Exception):
    """The work's CancelToken was cancelled; nothing of it is left."""


class CancelToken:
    """Tells a piece of work that nobody wants it any more. May be cancelled and read from any thread."""

    __slots__ = ("_callbacks", "_cancelled", "_lock")

    def __init__(self) -> None:
        self._lock = Lock()
        self._cancelled = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Cancels the work; calling it again does nothing."""
        with self._lock:
            if self._cancelled:
                return
            self._cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Has `callback` called once, by the cancelling thread; at once when already cancelled."""
        with self._lock:
            if not self._cancelled:
                self._callbacks.append(callback)
                return
        callback()

    def raise_if_cancelled(self) -> None:
        """Raises Cancelled when `cancel` was called."""
        if self._cancelled:
            raise Cancelled


class VadEngine(Protocol):
    """Scores windows of sound of many sessions in one call. Not thread-safe: one lane thread uses it."""

    window_samples: int

    def describe(self) -> EngineDescription:
        """What it is."""

    def warm_up(self) -> None:
        """Runs once so that the first real call is not slower than the others."""

    def new_state(self) -> NDArray[np.float32]:
        """The recurrent state of a session that has heard nothing."""

    def score(
        self, windows: FloatSamples, states: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Speech probabilities (n,) of `windows` (n, window_samples) and the next state of each session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SttResult:
    """Words of a stretch of sound; `text` is empty when there are none."""

    text: str
    mean_log_probability: float
    no_speech_probability: float = 0.0
    """That the sound holds no speech, 0 to 1; of several pieces the lowest. 0 when the engine does not tell."""
    continuation_probability: float = 0.0
    """Of a mark behind the last word that says the sentence goes on, such as a comma, 0 to 1. 0 when the engine does
    not tell, or there are no words.
    """


class SttEngine(Protocol):
    """Turns sound into words. Thread-safe for as many callers as `describe().concurrency` says."""

    def describe(self) -> EngineDescription:
        """What it is."""

    def warm_up(self) -> None:
        """Runs once so that the first real call is not slower than the others."""

    def transcribe(self, samples: FloatSamples, language: str, cancel: CancelToken, expected: str = "") -> SttResult:
        """Words of `samples` in `language` (BCP 47). `expected` is what was heard in the beginning of them: it may save
        time and must not change the words. Raises Cancelled, or VoiceAgentError with stage STT.
        """


class EndOfTurnEngine(Protocol):
    """Judges from sound whether a caller has finished. Used by one lane thread."""

    def describe(self) -> EngineDescription:
        """What it is."""

    def warm_up(self) -> None:
        """Runs once so that the first real call is not slower than the others."""

    def score(self, samples: FloatSamples, cancel: CancelToken) -> float:
        """How likely it is, 0 to 1, that a caller who sounded like `samples` up to now has finished; it may look at the
        end of them only. Raises Cancelled, or VoiceAgentError with stage END_OF_TURN.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmRequest:
    """One reply to write; fields as in voice_contract.messages.Generate."""

    session_id: str
    messages: tuple[ChatMessage, ...]
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: tuple[str, ...]
    deadline_s: float
    """When it should be done, on the node's monotonic clock; orders the lane, is not enforced."""
    tools: tuple[ToolDeclaration, ...] = ()
    """Tools the model may ask for; an engine that does not describe itself with `tools` leaves them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmText:
    """A piece of a reply, never empty."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmToolRequest:
    """The model asks for a tool; `arguments` is the text of a JSON object."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmEnd:
    """The last thing an undisturbed generation yields."""

    reason: FinishReason
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    queued_us: int


LlmItem = LlmText | LlmToolRequest | LlmEnd


class LlmEngine(Protocol):
    """Writes replies. Used on the event loop."""

    def describe(self) -> EngineDescription:
        """What it is."""

    async def start(self) -> None:
        """Loads or reaches the model and warms it; raises VoiceAgentError saying what mends it."""

    def generate(self, request: LlmRequest, cancel: CancelToken) -> AsyncIterator[LlmItem]:
        """Pieces of the reply and requests for tools, then one LlmEnd, whose reason is TOOLS when there were requests.
        Ends without LlmEnd by raising Cancelled within one token of a
        cancel, or VoiceAgentError with stage LLM.
        """

    async def prime(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> None:
        """Evaluates a prompt into the cache where the engine has one; otherwise does nothing."""

    async def score_words(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> float:
        """How likely it is, 0 to 1, that a sentence ends with the last of `messages`. Raises Cancelled, or
        VoiceAgentError with stage LLM; always the latter when `describe().scores_words` is False.
        """

    async def forget(self, session_id: str) -> None:
        """Gives back what is cached for a session."""

    async def close(self) -> None:
        """Gives everything back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsEnd:
    """The last thing an undisturbed synthesis yields."""

    word_end_samples: tuple[int, ...]
    """For each word of the text, cut at white space, one past its last sample of all the sound that was yielded; does
    not fall. Empty when the engine does not tell.
    """


class TtsEngine(Protocol):
    """Turns words into sound. Thread-safe for as many callers as `describe().concurrency` says."""

    def describe(self) -> EngineDescription:
        """What it is."""

    def warm_up(self) -> None:
        """Runs once so that the first real call is not slower than the others."""

    def synthesize(
        self, text: str, voice: str, speaking_rate: float, cancel: CancelToken
    ) -> Iterator[IntSamples | TtsEnd]:
        """Speech for `text` in pieces, 16,000 Hz, as they are made, then one TtsEnd; `voice` empty means the default.
        Raises Cancelled between pieces, or VoiceAgentError with stage TTS.
        """
