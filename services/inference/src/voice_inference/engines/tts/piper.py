"""Piper: a neural voice on ONNX Runtime, resampled to the rate used inside the runtime."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
import soxr
from piper import PiperVoice
from piper.config import PiperConfig, SynthesisConfig

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import EngineDescription
from voice_inference.engines.base import CancelToken, FloatSamples, IntSamples

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
        provider = "CUDAExecutionProvider" if device.startswith("cuda") else "CPUExecutionProvider"
        settings = json.loads((model_dir / f"{model}.onnx.json").read_text(encoding="utf-8"))
        # PiperVoice.load takes no session options, and the thread count is the placement's to decide.
        session = onnxruntime.InferenceSession(
            str(model_dir / f"{model}.onnx"), sess_options=options, providers=[provider]
        )
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
            voices=(self._name,),
        )

    def warm_up(self) -> None:
        """Speaks a short sentence."""
        for _ in self.synthesize("Good morning.", "", 1.0, CancelToken()):
            pass

    def synthesize(self, text: str, voice: str, speaking_rate: float, cancel: CancelToken) -> Iterator[IntSamples]:
        """See TtsEngine.synthesize."""
        if voice not in ("", self._name):
            raise _failure(FailureReason.MODEL_MISSING, f"this node speaks with {self._name}, not with {voice}")
        config = SynthesisConfig(length_scale=1 / speaking_rate)
        spoken = False
        for chunk in self._voice.synthesize(text, config):
            cancel.raise_if_cancelled()
            samples = soxr.resample(chunk.audio_float_array, chunk.sample_rate, SAMPLE_RATE_HZ, quality="HQ")
            sound = _without_lead(samples)
            for at in range(0, len(sound), PIECE_SAMPLES):
                cancel.raise_if_cancelled()
                spoken = True
                yield (sound[at : at + PIECE_SAMPLES] * (PEAK * 32767)).astype(np.int16)
        if not spoken:
            raise _failure(FailureReason.EMPTY_RESULT, "the text has nothing to pronounce")


def _without_lead(samples: FloatSamples) -> FloatSamples:
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    return samples[max(0, int(loud[0]) - LEAD_SAMPLES) :] if len(loud) else samples[:0]


def _failure(reason: FailureReason, detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.TTS, reason=reason, detail=detail))
