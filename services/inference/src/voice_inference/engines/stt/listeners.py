"""Two ways from the sound of an utterance to tokens: the quick one for processors, and CTranslate2's for any device."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from faster_whisper import WhisperModel

from voice_inference.engines.base import CancelToken, FloatSamples
from voice_inference.engines.stt.ctranslate2_file import MODEL_FILE
from voice_inference.engines.stt.sound_encoder import SoundEncoder, padded_features
from voice_inference.engines.stt.whisper_window import FULL_WINDOW_S, WINDOWS_S, window_s
from voice_inference.engines.stt.word_decoder import SpecialTokens, Tokens, WordDecoder
from voice_operations.native_memory import give_back_memory

AS_CONFIGURED: Final = -1
"""CTranslate2's way to say that what the model's configuration names is never written."""

MULTILINGUAL_TOKENS_MIN: Final = 51_865
"""Models for English only have one token less."""


class Listener(Protocol):
    """Hears utterances of at most PIECE_S_MAX seconds. One call at a time."""

    @property
    def multilingual(self) -> bool:
        """Whether it knows other languages than English."""

    def cuts(self, samples: int) -> bool:
        """Whether `hear` uses less than Whisper's own window for so many samples."""

    def hear(
        self, samples: FloatSamples, special: SpecialTokens, limit: int, cancel: CancelToken, draft: Sequence[int] = ()
    ) -> Tokens:
        """At most `limit` tokens, from a window as short as it can be. `draft` is what the first may be: it saves time
        and changes nothing. Raises Cancelled.
        """

    def hear_in_full(self, samples: FloatSamples, special: SpecialTokens, limit: int, cancel: CancelToken) -> Tokens:
        """As `hear`, from Whisper's own window."""


class QuickListener:
    """ONNX Runtime on the processor, weights of eight bits."""

    def __init__(self, model_dir: Path, *, threads: int) -> None:
        """Raises ValueError when the model is not of the known shape."""
        self._encoder = SoundEncoder(model_dir / MODEL_FILE, threads=threads)
        self._decoder = WordDecoder(model_dir / MODEL_FILE, threads=threads)
        self.multilingual = self._decoder.vocabulary >= MULTILINGUAL_TOKENS_MIN

    def cuts(self, samples: int) -> bool:
        """See Listener.cuts."""
        return window_s(samples) < FULL_WINDOW_S

    def hear(
        self, samples: FloatSamples, special: SpecialTokens, limit: int, cancel: CancelToken, draft: Sequence[int] = ()
    ) -> Tokens:
        """See Listener.hear."""
        return self._decoder.write(self._encoder.frames(samples, cancel), special, limit, cancel, draft)

    def hear_in_full(self, samples: FloatSamples, special: SpecialTokens, limit: int, cancel: CancelToken) -> Tokens:
        """See Listener.hear_in_full."""
        try:
            return self._decoder.write(self._encoder.all_frames(samples, cancel), special, limit, cancel)
        finally:
            # Of what so long a window needed 80 MB would stay, in pieces too small for what is needed mostly.
            give_back_memory()


class CTranslate2Listener:
    """CTranslate2 on whatever device; the window is one of `windows_s`."""

    def __init__(
        self, model_dir: Path, *, device: str, threads: int, precision: str, windows_s: Sequence[int] = WINDOWS_S
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
        self._windows_s = tuple(windows_s)
        self.multilingual = bool(self._model.model.is_multilingual)

    def cuts(self, samples: int) -> bool:
        """See Listener.cuts."""
        return window_s(samples, self._windows_s) < FULL_WINDOW_S

    def hear(
        self, samples: FloatSamples, special: SpecialTokens, limit: int, cancel: CancelToken, draft: Sequence[int] = ()
    ) -> Tokens:
        """See Listener.hear."""
        del draft  # what is forced upon CTranslate2 it keeps, right or wrong
        return self._hear(samples, window_s(len(samples), self._windows_s), special, limit, cancel)

    def hear_in_full(self, samples: FloatSamples, special: SpecialTokens, limit: int, cancel: CancelToken) -> Tokens:
        """See Listener.hear_in_full."""
        return self._hear(samples, FULL_WINDOW_S, special, limit, cancel)

    def _hear(
        self, samples: FloatSamples, length_s: int, special: SpecialTokens, limit: int, cancel: CancelToken
    ) -> Tokens:
        encoded = self._model.encode(padded_features(self._model.feature_extractor, samples, length_s))
        cancel.raise_if_cancelled()
        (result,) = self._model.model.generate(
            encoded,
            [list(special.prompt)],
            beam_size=1,
            max_length=2 * limit,  # CTranslate2 halves it
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=[AS_CONFIGURED],
        )
        ids = list(result.sequences_ids[0])
        log_probability = result.scores[0] * len(ids) / (len(ids) + 1)
        return Tokens(ids=ids, log_probability=float(log_probability), no_speech=float(result.no_speech_prob))
