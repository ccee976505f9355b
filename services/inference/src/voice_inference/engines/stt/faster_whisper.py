"""Whisper, from sound to text, with faster-whisper's parts: its weights, feature extractor and tokenizer.

faster-whisper's own `transcribe` pads every utterance to 30 s. Here the encoder and the decoder are driven directly.
Decoding is greedy, without timestamps and without temperature fallback, which would retry a looping window several
times.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray
from tokenizers import Tokenizer as Vocabulary

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import EngineDescription
from voice_inference.engines.base import CancelToken, FloatSamples, SttResult
from voice_inference.engines.stt.listeners import CTranslate2Listener, Listener, QuickListener
from voice_inference.engines.stt.whisper_window import (
    FULL_WINDOW_S,
    WINDOWS_S,
    looks_like_loop,
    split_points,
    tokens_max,
)
from voice_inference.engines.stt.word_decoder import SpecialTokens, Tokens

DECODER_TOKENS_MAX: Final = 224
TEXTS_REMEMBERED: Final = 64
SAMPLES_MIN: Final = SAMPLE_RATE_HZ // 10
NO_SPEECH: Final = ("<|nospeech|>", "<|nocaptions|>")
"""Names the token has had."""

GOES_ON: Final = (",", "...", "\u2026", "-", "--", "\u2013", "\u2014", ";", ":")
"""Marks Whisper writes behind a word when the sentence is not over."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What one window held; `log_probability` is the mean per token."""

    text: str
    log_probability: float
    tokens: int
    no_speech: float
    goes_on: float


class FasterWhisper:
    """One Whisper model; its calls are serialised by the lane before it. `loops_seen` counts what was made again."""

    def __init__(
        self, model_dir: Path, *, model: str, device: str, threads: int, precision: str, stock: bool = False
    ) -> None:
        """`stock`: Whisper's own window and CTranslate2's decoder, to compare with."""
        self._name, self._device, self._precision = model, device, precision
        self._listener = self._make_listener(model_dir, threads, stock=stock)
        self._vocabulary = Vocabulary.from_file(str(model_dir / "tokenizer.json"))
        self._tokenizers: dict[str, Tokenizer] = {}
        named = [self._vocabulary.token_to_id(name) for name in NO_SPEECH]
        self._no_speech = int(next(token for token in named if token is not None))
        config = json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
        # Whisper seldom writes a text with the tokens its tokenizer would make of it.
        self._written: dict[str, tuple[int, ...]] = {}
        self._never, self._not_first = _tokens(config, "suppress_ids"), _tokens(config, "suppress_ids_begin")
        spelled = [self._vocabulary.encode(mark, add_special_tokens=False).ids for mark in GOES_ON]
        self._goes_on = np.array([ids[0] for ids in spelled if len(ids) == 1], dtype=np.int64)
        self.loops_seen = 0

    def _make_listener(self, model_dir: Path, threads: int, *, stock: bool) -> Listener:
        if not stock and self._device.startswith("cpu") and self._precision.startswith("int8"):
            try:
                return QuickListener(model_dir, threads=threads)
            except ValueError as error:
                log.warning("whisper_without_quick_listener", model=self._name, reason=str(error))
        return CTranslate2Listener(
            model_dir,
            device=self._device,
            threads=threads,
            precision=self._precision,
            windows_s=(FULL_WINDOW_S,) if stock else WINDOWS_S,
        )

    def describe(self) -> EngineDescription:
        """What it is."""
        return EngineDescription(
            stage=Stage.STT,
            engine="faster-whisper",
            model=self._name,
            device=self._device,
            precision=self._precision,
            languages=() if self._listener.multilingual else ("en",),
        )

    def warm_up(self) -> None:
        """Transcribes a second of noise: silence would end before the decoder worked."""
        noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE_HZ).astype(np.float32)
        self.transcribe(noise, "en", CancelToken())

    def transcribe(self, samples: FloatSamples, language: str, cancel: CancelToken, expected: str = "") -> SttResult:
        """See SttEngine.transcribe. Less than a tenth of a second holds no words."""
        if len(samples) < SAMPLES_MIN:
            return SttResult(text="", mean_log_probability=0.0, no_speech_probability=1.0)
        tokenizer = self._tokenizer(language)
        texts: list[str] = []
        weighted, total, no_speech, goes_on = 0.0, 0, 1.0, 0.0
        for piece in np.split(samples, split_points(samples)):
            cancel.raise_if_cancelled()
            heard = self._piece(piece, tokenizer, cancel, "" if texts else expected)
            texts.append(heard.text)
            weighted += heard.log_probability * max(heard.tokens, 1)
            total += max(heard.tokens, 1)
            no_speech = min(no_speech, heard.no_speech)
            goes_on = heard.goes_on
        text = " ".join(text for text in texts if text)
        return SttResult(
            text=text,
            mean_log_probability=min(0.0, weighted / total),
            no_speech_probability=min(1.0, no_speech),
            continuation_probability=min(1.0, goes_on),
        )

    def _piece(self, samples: FloatSamples, tokenizer: Tokenizer, cancel: CancelToken, expected: str) -> _Heard:
        special = self._special_tokens(tokenizer)
        # A limit just above what counts as a loop, so that it never hides one.
        limit = min(DECODER_TOKENS_MAX, tokens_max(len(samples)) + 2)
        tokens = self._listener.hear(samples, special, limit, cancel, self._written.get(expected, ()))
        heard = _read(tokenizer, tokens)
        if self._listener.cuts(len(samples)) and looks_like_loop(heard.text, heard.tokens, len(samples)):
            self.loops_seen += 1
            cancel.raise_if_cancelled()
            tokens = self._listener.hear_in_full(samples, special, limit, cancel)
            heard = _read(tokenizer, tokens)
        self._remember(heard.text, tokens.ids)
        return heard

    def _remember(self, text: str, ids: Sequence[int]) -> None:
        self._written.pop(text, None)
        self._written[text] = tuple(ids)
        if len(self._written) > TEXTS_REMEMBERED:
            del self._written[next(iter(self._written))]

    def _special_tokens(self, tokenizer: Tokenizer) -> SpecialTokens:
        return SpecialTokens(
            prompt=(*tokenizer.sot_sequence, tokenizer.no_timestamps),
            end=tokenizer.eot,
            no_speech=self._no_speech,
            never=self._never,
            not_first=self._not_first,
            goes_on=self._goes_on,
        )

    def _tokenizer(self, language: str) -> Tokenizer:
        code = language.split("-")[0].lower()
        if not self._listener.multilingual and code != "en":
            detail = f"{self._name} understands English only, the profile asks for {language}"
            raise VoiceAgentError(Failure(stage=Stage.STT, reason=FailureReason.ENGINE_ERROR, detail=detail))
        if code not in self._tokenizers:
            self._tokenizers[code] = self._make_tokenizer(code, language)
        return self._tokenizers[code]

    def _make_tokenizer(self, code: str, language: str) -> Any:  # noqa: ANN401 - the library ships no types
        try:
            return Tokenizer(self._vocabulary, self._listener.multilingual, task="transcribe", language=code)
        except ValueError as error:
            detail = f"{self._name} does not know the language {language}"
            raise VoiceAgentError(Failure(stage=Stage.STT, reason=FailureReason.ENGINE_ERROR, detail=detail)) from error


def _tokens(config: dict[str, Any], name: str) -> NDArray[np.int64]:
    return np.array([token for token in config.get(name) or [] if token >= 0], dtype=np.int64)


def _read(tokenizer: Tokenizer, tokens: Tokens) -> _Heard:
    """Of what is no text, such as a time, only the probability counts."""
    text = [token for token in tokens.ids if token < tokenizer.eot]
    words = len(text)
    while words and not any(map(str.isalnum, tokenizer.decode([text[words - 1]]))):
        words -= 1
    return _Heard(
        text=tokenizer.decode(text).strip(),
        log_probability=tokens.log_probability,
        tokens=len(text),
        no_speech=tokens.no_speech,
        goes_on=tokens.goes_on[words] if words and tokens.goes_on else 0.0,
    )
