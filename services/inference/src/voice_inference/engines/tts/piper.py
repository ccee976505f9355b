"""Piper: a neural voice on ONNX Runtime, resampled to the rate used inside the runtime."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
import soxr
from piper import AudioChunk, PiperVoice
from piper.config import PiperConfig, SynthesisConfig
from piper.const import BOS, EOS

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import EngineDescription
from voice_inference.engines.base import CancelToken, FloatSamples, IntSamples, TtsEnd
from voice_inference.engines.tts.voice_graph import with_durations
from voice_inference.engines.tts.word_ends import SPACE, SpokenPhoneme, word_ends

PIECE_SAMPLES: Final = SAMPLE_RATE_HZ // 5
"""Sound leaves in pieces of 200 ms."""

PEAK: Final = 0.7
"""Loudest sample of a sentence, as a share of full scale: Piper's own scaling would make every sentence clip-loud."""

QUIET: Final = 0.01
LEAD_SAMPLES: Final = SAMPLE_RATE_HZ // 100
"""Silence kept before a sentence; what Piper adds beyond it would only be waited for."""


class Piper:
    """One voice; its calls are serialised by the lane before it."""

    def __init__(self, model_dir: Path, *, model: str, device: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A plan of memory is kept for every length of text, and never fits: how long the speech gets is drawn anew.
        options.enable_mem_pattern = False
        provider = "CUDAExecutionProvider" if device.startswith("cuda") else "CPUExecutionProvider"
        settings = json.loads((model_dir / f"{model}.onnx.json").read_text(encoding="utf-8"))
        network = with_durations(model_dir / f"{model}.onnx")
        self._tells_durations = network is not None
        # PiperVoice.load takes no session options, and the thread count is the placement's to decide.
        session = onnxruntime.InferenceSession(
            network or str(model_dir / f"{model}.onnx"), sess_options=options, providers=[provider]
        )
        # The session keeps the bytes for another attempt with other providers, which nobody makes: 63 MB.
        session.disable_fallback()
        session._model_bytes = b""
        self._voice = PiperVoice(session=session, config=PiperConfig.from_dict(settings), download_dir=model_dir)
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
            word_times=self._tells_durations,
            voices=(self._name,),
        )

    def warm_up(self) -> None:
        """Speaks a short sentence."""
        for _ in self.synthesize("Good morning.", "", 1.0, CancelToken()):
            pass

    def synthesize(
        self, text: str, voice: str, speaking_rate: float, cancel: CancelToken
    ) -> Iterator[IntSamples | TtsEnd]:
        """See TtsEngine.synthesize. A voice whose network keeps the durations to itself has them estimated."""
        if voice not in ("", self._name):
            raise _failure(FailureReason.MODEL_MISSING, f"this node speaks with {self._name}, not with {voice}")
        config = SynthesisConfig(length_scale=1 / speaking_rate)
        spoken: list[SpokenPhoneme] = []
        sent = 0
        for chunk in self._voice.synthesize(text, config, include_alignments=self._tells_durations):
            cancel.raise_if_cancelled()
            samples = soxr.resample(chunk.audio_float_array, chunk.sample_rate, SAMPLE_RATE_HZ, quality="HQ")
            lead = _lead_samples(samples)
            sound = samples[lead:]
            for at in range(0, len(sound), PIECE_SAMPLES):
                cancel.raise_if_cancelled()
                yield np.rint(sound[at : at + PIECE_SAMPLES] * (PEAK * 32767)).astype(np.int16)
            if spoken:
                spoken.append(SpokenPhoneme(phoneme=SPACE, end_samples=sent))
            for phoneme, end in _phoneme_ends(chunk, len(samples)):
                inside = min(max(end - lead, 0), len(sound))
                spoken.append(SpokenPhoneme(phoneme=phoneme, end_samples=sent + inside))
            sent += len(sound)
        if not sent:
            raise _failure(FailureReason.EMPTY_RESULT, "the text has nothing to pronounce")
        yield TtsEnd(word_end_samples=word_ends(spoken, [self._phonemes(word) for word in text.split()]))

    def _phonemes(self, word: str) -> list[str]:
        """What `word` sounds like alone."""
        return [phoneme for sentence in self._voice.phonemize(word) for phoneme in sentence]


def _phoneme_ends(chunk: AudioChunk, samples: int) -> list[tuple[str, int]]:
    """The chunk's phonemes and where they end in its `samples` samples of 16 kHz; all alike long if not told."""
    alignments = chunk.phoneme_alignments
    phonemes = [alignment.phoneme for alignment in alignments] if alignments else chunk.phonemes
    lengths = [int(alignment.num_samples) for alignment in alignments] if alignments else [1] * len(phonemes)
    ends = np.cumsum(lengths, dtype=np.float64)
    if not len(ends) or ends[-1] <= 0:
        return []
    scaled = np.rint(ends * (samples / ends[-1])).astype(int).tolist()
    return [(phoneme, end) for phoneme, end in zip(phonemes, scaled, strict=True) if phoneme not in (BOS, EOS)]


def _lead_samples(samples: FloatSamples) -> int:
    """Samples before the sound begins that are not worth waiting for; all of them when it never does."""
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    return max(0, int(loud[0]) - LEAD_SAMPLES) if len(loud) else len(samples)


def _failure(reason: FailureReason, detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.TTS, reason=reason, detail=detail))
