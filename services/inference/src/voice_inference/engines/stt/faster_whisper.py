"""Whisper through faster-whisper's model and CTranslate2, with a window cut to the utterance.

faster-whisper's own `transcribe` pads every utterance to 30 s; its feature extractor, tokenizer and weights are used
here and the encoder and decoder driven directly. Decoding is greedy, without timestamps and without temperature
fallback, which would retry a looping window several times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import EngineDescription
from voice_inference.engines.base import CancelToken, FloatSamples, SttResult
from voice_inference.engines.stt.whisper_window import (
    FULL_WINDOW_S,
    WINDOWS_S,
    looks_like_loop,
    split_points,
    tokens_max,
    window_s,
)

FRAMES_PER_S: Final = 100
DECODER_TOKENS_MAX: Final = 224
SAMPLES_MIN: Final = SAMPLE_RATE_HZ // 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What one window held; `log_probability` is the mean per token."""

    text: str
    log_probability: float
    tokens: int
    no_speech: float


class FasterWhisper:
    """One Whisper model; its calls are serialised by the lane before it. `windows_s` are the windows it may cut to."""

    def __init__(
        self,
        model_dir: Path,
        *,
        model: str,
        device: str,
        threads: int,
        precision: str,
        windows_s: Sequence[int] = WINDOWS_S,
    ) -> None:
        kind, _, index = device.partition(":")
        self._model = WhisperModel(
            str(model_dir),
            device=kind,
            device_index=int(index or 0),
            compute_type=precision,
            cpu_threads=threads,
            local_files_only=True,
        )
        self._name, self._device, self._precision = model, device, precision
        self._windows_s = tuple(windows_s)
        self._multilingual = bool(self._model.model.is_multilingual)
        self._tokenizers: dict[str, Tokenizer] = {}
        self.loops_seen = 0

    def describe(self) -> EngineDescription:
        """What it is."""
        return EngineDescription(
            stage=Stage.STT,
            engine="faster-whisper",
            model=self._name,
            device=self._device,
            precision=self._precision,
            languages=() if self._multilingual else ("en",),
        )

    def warm_up(self) -> None:
        """Transcribes a second of noise: silence would end before the decoder worked."""
        noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE_HZ).astype(np.float32)
        self.transcribe(noise, "en", CancelToken())

    def transcribe(self, samples: FloatSamples, language: str, cancel: CancelToken) -> SttResult:
        """See SttEngine.transcribe. Less than a tenth of a second holds no words."""
        if len(samples) < SAMPLES_MIN:
            return SttResult(text="", mean_log_probability=0.0, no_speech_probability=1.0)
        tokenizer = self._tokenizer(language)
        texts: list[str] = []
        weighted, total, no_speech = 0.0, 0, 1.0
        for piece in np.split(samples, split_points(samples)):
            cancel.raise_if_cancelled()
            heard = self._piece(piece, tokenizer, cancel)
            texts.append(heard.text)
            weighted += heard.log_probability * max(heard.tokens, 1)
            total += max(heard.tokens, 1)
            no_speech = min(no_speech, heard.no_speech)
        text = " ".join(text for text in texts if text)
        return SttResult(
            text=text, mean_log_probability=min(0.0, weighted / total), no_speech_probability=min(1.0, no_speech)
        )

    def _piece(self, samples: FloatSamples, tokenizer: Tokenizer, cancel: CancelToken) -> _Heard:
        size_s = window_s(len(samples), self._windows_s)
        heard = self._window(samples, size_s, tokenizer, cancel)
        if size_s < FULL_WINDOW_S and looks_like_loop(heard.text, heard.tokens, len(samples)):
            self.loops_seen += 1
            heard = self._window(samples, FULL_WINDOW_S, tokenizer, cancel)
        return heard

    def _window(self, samples: FloatSamples, size_s: int, tokenizer: Tokenizer, cancel: CancelToken) -> _Heard:
        cancel.raise_if_cancelled()
        padded = np.zeros(size_s * SAMPLE_RATE_HZ, dtype=np.float32)
        padded[: len(samples)] = samples
        features = self._model.feature_extractor(padded)[:, : size_s * FRAMES_PER_S]
        encoded = self._model.encode(features)
        cancel.raise_if_cancelled()
        # A limit just above what counts as a loop, so that it never hides one. CTranslate2 halves max_length.
        limit = min(DECODER_TOKENS_MAX, tokens_max(len(samples)) + 2)
        (result,) = self._model.model.generate(
            encoded,
            [[*tokenizer.sot_sequence, tokenizer.no_timestamps]],
            beam_size=1,
            max_length=2 * limit,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=[-1],
        )
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        count = len(result.sequences_ids[0])
        log_probability = result.scores[0] * count / (count + 1)
        return _Heard(
            text=tokenizer.decode(tokens).strip(),
            log_probability=float(log_probability),
            tokens=len(tokens),
            no_speech=float(result.no_speech_prob),
        )

    def _tokenizer(self, language: str) -> Tokenizer:
        code = language.split("-")[0].lower()
        if not self._multilingual and code != "en":
            detail = f"{self._name} understands English only, the profile asks for {language}"
            raise VoiceAgentError(Failure(stage=Stage.STT, reason=FailureReason.ENGINE_ERROR, detail=detail))
        if code not in self._tokenizers:
            self._tokenizers[code] = self._make_tokenizer(code, language)
        return self._tokenizers[code]

    def _make_tokenizer(self, code: str, language: str) -> Any:  # noqa: ANN401 - the library ships no types
        try:
            return Tokenizer(self._model.hf_tokenizer, self._multilingual, task="transcribe", language=code)
        except ValueError as error:
            detail = f"{self._name} does not know the language {language}"
            raise VoiceAgentError(Failure(stage=Stage.STT, reason=FailureReason.ENGINE_ERROR, detail=detail)) from error
