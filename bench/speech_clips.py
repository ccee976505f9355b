"""Human speech with its words, as a caller's line may carry it: clean, in noise, or through a telephone.

A folder of clips has a `manifest.jsonl` like the one of test_data/speech.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import soxr

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.engines.base import FloatSamples
from voice_orchestrator.line import g711

LEAD_IN_S: Final = 0.3
LEAD_OUT_S: Final = 0.3
"""Sound before and after the speech, as the turn-taking hands an utterance over."""

NOISE_S_MIN: Final = 5.0
TELEPHONE_RATE_HZ: Final = 8_000
PCM_SCALE: Final = 32_768.0


class Condition(Enum):
    """What happened to the sound on its way."""

    CLEAN = "clean"
    NOISE = "noise, 10 dB"
    TELEPHONE = "mu-law, 8 kHz"


NOISE_DB: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One clip, cut as an endpointer would; `active` are the samples of it that are speech, not a pause."""

    name: str
    said: str
    samples: FloatSamples
    active: FloatSamples


def load_utterances(folder: Path) -> list[Utterance]:
    """Every clip of the folder whose words are known; exits with one line when there is none."""
    found = [_utterance(folder, clip) for clip in _manifest(folder) if clip["text"]]
    if not found:
        sys.exit(f"error: {folder / 'manifest.jsonl'} names no clip with words")
    return found


def load_noises(folder: Path) -> list[FloatSamples]:
    """The long noises of the folder; pink noise when it has none."""
    clips = [c for c in _manifest(folder) if not c["text"] and c["seconds"] >= NOISE_S_MIN]
    return [_read(folder / clip["file"]) for clip in clips] or [_pink_noise()]


def carried(utterance: Utterance, condition: Condition, noise: FloatSamples) -> FloatSamples:
    """The utterance as it arrives."""
    match condition:
        case Condition.CLEAN:
            return utterance.samples
        case Condition.NOISE:
            return mixed(utterance, noise, NOISE_DB)
        case Condition.TELEPHONE:
            return through_telephone(utterance.samples)


def mixed(utterance: Utterance, noise: FloatSamples, snr_db: float) -> FloatSamples:
    """With `noise` so loud that active speech is `snr_db` above it."""
    samples = utterance.samples
    under = np.tile(noise, -(-len(samples) // len(noise)))[: len(samples)]
    ratio = float(np.mean(utterance.active**2) / max(float(np.mean(under**2)), 1e-12))
    louder = samples + under * np.float32(np.sqrt(ratio / 10 ** (snr_db / 10)))
    kept: FloatSamples = np.clip(louder, -1.0, 1.0).astype(np.float32)
    return kept


def through_telephone(samples: FloatSamples) -> FloatSamples:
    """As G.711 mu-law at 8 kHz leaves it."""
    narrow = soxr.resample(samples, SAMPLE_RATE_HZ, TELEPHONE_RATE_HZ)
    pcm = np.clip(narrow * PCM_SCALE, -PCM_SCALE, PCM_SCALE - 1).astype(np.int16)
    heard = g711.decode_mulaw(g711.encode_mulaw(pcm)).astype(np.float32) / np.float32(PCM_SCALE)
    wide: FloatSamples = soxr.resample(heard, TELEPHONE_RATE_HZ, SAMPLE_RATE_HZ).astype(np.float32)
    return wide


def _manifest(folder: Path) -> Iterator[dict[str, Any]]:
    path = folder / "manifest.jsonl"
    if not path.is_file():
        sys.exit(f"error: there is no {path}; name a folder of clips with --speech")
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _utterance(folder: Path, clip: dict[str, Any]) -> Utterance:
    samples = _read(folder / clip["file"])
    begin_s, end_s = float(clip["speech_start_s"]), float(clip["speech_end_s"])
    speech = np.zeros(len(samples), dtype=bool)
    speech[_at(begin_s) : _at(end_s)] = True
    for pause_begin_s, pause_end_s in clip["pauses_s"]:
        speech[_at(pause_begin_s) : _at(pause_end_s)] = False
    return Utterance(
        name=clip["file"],
        said=clip["text"],
        samples=samples[_at(max(0.0, begin_s - LEAD_IN_S)) : _at(end_s + LEAD_OUT_S)],
        active=samples[speech],
    )


def _at(time_s: float) -> int:
    return round(time_s * SAMPLE_RATE_HZ)


def _read(path: Path) -> FloatSamples:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
        sys.exit(f"error: {path} is not {SAMPLE_RATE_HZ} Hz with one channel")
    sound: FloatSamples = samples
    return sound


def _pink_noise() -> FloatSamples:
    """Ten seconds, always the same."""
    count = 10 * SAMPLE_RATE_HZ
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(0, 1, count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, count)
    scaled: FloatSamples = (noise / np.abs(noise).max()).astype(np.float32)
    return scaled
