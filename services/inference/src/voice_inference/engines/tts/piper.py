"""Piper: a neural voice on ONNX Runtime, resampled to the rate used inside the runtime."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray
from piper import PiperVoice
from piper.config import PiperConfig
from piper.const import BOS, EOS, PAD

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import EngineDescription
from voice_inference.engines.base import CancelToken, IntSamples, TtsEnd
from voice_inference.engines.tts.sentence_sound import SentenceSound, gain_for
from voice_inference.engines.tts.vocoder_cut import UnknownShapeError
from voice_inference.engines.tts.voice_graph import voice_parts, with_durations
from voice_inference.engines.tts.voice_network import (
    OpenSession,
    Utterance,
    VoiceNetwork,
    WholeVoice,
    WindowedVoice,
    session_opener,
)
from voice_inference.engines.tts.word_ends import SPACE, SpokenPhoneme, word_ends

log = structlog.get_logger(__name__)

SAMPLE_TEXT: Final = "Good morning, how can I help you today?"
"""What a voice says when it is warmed up and its level is taken."""


class Piper:
    """One voice; its calls are serialised by the lane before it."""

    def __init__(self, model_dir: Path, *, model: str, device: str, threads: int) -> None:
        settings = json.loads((model_dir / f"{model}.onnx.json").read_text(encoding="utf-8"))
        self._config = PiperConfig.from_dict(settings)
        self._network = _network(
            model_dir / f"{model}.onnx", session_opener(device, threads), rate_hz=self._config.sample_rate
        )
        # It makes phonemes of text; what is made of those is run here.
        self._phonemizer = PiperVoice(session=None, config=self._config, download_dir=model_dir)
        self._gain: float | None = None
        self._name, self._device = model, device

    def describe(self) -> EngineDescription:
        """What it is."""
        language = self._name.split("_")[0]
        return EngineDescription(
            stage=Stage.TTS,
            engine="piper",
            model=self._name,
            device=self._device,
            precision="float32",
            languages=(language,),
            streaming=True,
            word_times=self._network.tells_durations,
            voices=(self._name,),
        )

    def warm_up(self) -> None:
        """Speaks a sentence and takes the voice's level from it."""
        parts = [
            part.samples
            for phonemes in self._phonemizer.phonemize(SAMPLE_TEXT)
            for part in self._speak(self._phonemizer.phonemes_to_ids(phonemes), 1.0, CancelToken()).parts
        ]
        self._gain = gain_for(np.concatenate(parts), self._config.sample_rate) if parts else 1.0

    def synthesize(
        self, text: str, voice: str, speaking_rate: float, cancel: CancelToken
    ) -> Iterator[IntSamples | TtsEnd]:
        """See TtsEngine.synthesize. A voice whose network keeps the durations to itself has them estimated."""
        if voice not in ("", self._name):
            raise _failure(FailureReason.MODEL_MISSING, f"this node speaks with {self._name}, not with {voice}")
        if self._gain is None:
            self.warm_up()
        spoken: list[SpokenPhoneme] = []
        sent = 0
        for phonemes in self._phonemizer.phonemize(text):
            if not phonemes:
                continue
            ids = self._phonemizer.phonemes_to_ids(phonemes)
            utterance = self._speak(ids, speaking_rate, cancel)
            sound = SentenceSound(rate_hz=self._config.sample_rate, gain=self._gain or 1.0)
            for part in utterance.parts:
                for piece in sound.add(part.samples, last=part.last):
                    cancel.raise_if_cancelled()
                    yield piece
            if spoken:
                spoken.append(SpokenPhoneme(phoneme=SPACE, end_samples=sent))
            for phoneme, share in self._phoneme_ends(phonemes, ids, utterance.durations):
                end = round(share * (sound.lead_samples + sound.sent_samples)) - sound.lead_samples
                inside = min(max(end, 0), sound.sent_samples)
                spoken.append(SpokenPhoneme(phoneme=phoneme, end_samples=sent + inside))
            sent += sound.sent_samples
        if not sent:
            raise _failure(FailureReason.EMPTY_RESULT, "the text has nothing to pronounce")
        yield TtsEnd(word_end_samples=word_ends(spoken, [self._phonemes(word) for word in text.split()]))

    def _speak(self, ids: list[int], speaking_rate: float, cancel: CancelToken) -> Utterance:
        """One sentence, by the names that every Piper voice has for its inputs."""
        config = self._config
        scales = [config.noise_scale, config.length_scale / speaking_rate, config.noise_w_scale]
        inputs: dict[str, NDArray[Any]] = {
            "input": np.array([ids], dtype=np.int64),
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": np.array(scales, dtype=np.float32),
        }
        if config.num_speakers > 1:
            inputs["sid"] = np.array([config.default_speaker_id], dtype=np.int64)
        return self._network.speak(inputs, cancel)

    def _phonemes(self, word: str) -> list[str]:
        """What `word` sounds like alone."""
        return [phoneme for sentence in self._phonemizer.phonemize(word) for phoneme in sentence]

    def _phoneme_ends(
        self, phonemes: list[str], ids: list[int], durations: NDArray[np.float32] | None
    ) -> list[tuple[str, float]]:
        """A sentence's phonemes and at which share of its sound they end; all alike long if it is not told."""
        id_map = self._config.phoneme_id_map
        pads = len(id_map.get(PAD, ()))
        framed = list(chain((BOS,), phonemes, (EOS,)))
        # The pads behind a phoneme belong to it; behind the last one are none.
        counts = [len(id_map.get(phoneme, ())) + (0 if phoneme == EOS else pads) for phoneme in framed]
        if durations is None or len(durations) != len(ids) or sum(counts) != len(ids):
            framed, lengths = phonemes, np.ones(len(phonemes))
        else:
            begins = np.cumsum([0, *counts])
            lengths = np.array([durations[begins[at] : begins[at + 1]].sum() for at in range(len(counts))])
        ends = np.cumsum(lengths, dtype=np.float64)
        if not len(ends) or ends[-1] <= 0:
            return []
        shares = (ends / ends[-1]).tolist()
        return [(phoneme, share) for phoneme, share in zip(framed, shares, strict=True) if phoneme not in (BOS, EOS)]


def _network(model_file: Path, open_session: OpenSession, *, rate_hz: int) -> VoiceNetwork:
    """The voice in windows, or in whole sentences when its network is not of the known shape."""
    try:
        return WindowedVoice(voice_parts(model_file), open_session, rate_hz=rate_hz)
    except UnknownShapeError as error:
        log.warning("voice_speaks_whole_sentences", model=model_file.stem, reason=str(error))
    extended = with_durations(model_file)
    return WholeVoice(extended or str(model_file), open_session, tells_durations=extended is not None)


def _failure(reason: FailureReason, detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.TTS, reason=reason, detail=detail))
