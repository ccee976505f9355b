"""What the callers of the bench say: recordings of a folder, or sentences in the placement's own voice."""

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soxr

from voice_contract.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from voice_inference.engines.base import CancelToken, FloatSamples, IntSamples, TtsEnd, TtsEngine
from voice_operations.operator_error import OperatorError

LENGTH_S_MIN: Final = 0.8
LENGTH_S_MAX: Final = 12.0
CLIPS_MAX: Final = 16
GAP_SAMPLES: Final = SAMPLE_RATE_HZ // 4
PCM_SCALE: Final = 32_768.0

SENTENCES: Final = (
    "Hello, I would like to make an appointment for next week.",
    "What time do you open on Saturday?",
    "Could you tell me how much a check-up costs?",
    "My son has a terrible toothache, can we come today?",
    "I have to move my appointment from Monday to Thursday afternoon.",
    "Is there a place to park near your practice?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Things to say, each a stretch of 16,000 Hz sound, and where they come from, for people."""

    source: str
    clips: tuple[IntSamples, ...]

    def lasting(self, length_s: float) -> FloatSamples:
        """Exactly so many seconds of it, one thing after the other."""
        wanted = round(length_s * SAMPLE_RATE_HZ)
        gap = np.zeros(GAP_SAMPLES, dtype=np.int16)
        parts: list[IntSamples] = []
        while sum(map(len, parts)) < wanted:
            for clip in self.clips:
                parts += [clip, gap]
        return (np.concatenate(parts)[:wanted] / np.float32(PCM_SCALE)).astype(np.float32)


def speech_of_folder(folder: Path) -> Speech:
    """The .wav files of a folder that hold an utterance: PCM of 16 bits, one channel, 0.8 to 12 s.

    Raises OperatorError when there is none, or one cannot be read.
    """
    clips: list[IntSamples] = []
    for path in sorted(folder.glob("*.wav")):
        clip = _read(path)
        if clip is not None and LENGTH_S_MIN <= len(clip) / SAMPLE_RATE_HZ <= LENGTH_S_MAX:
            clips.append(clip)
    if not clips:
        raise OperatorError(
            f"{folder} has no .wav file with 16-bit sound of one channel, 0.8 to 12 s long; name another folder with "
            "--speech, or leave it out"
        )
    step = -(-len(clips) // CLIPS_MAX)
    chosen = tuple(clips[::step])
    return Speech(source=f"{len(chosen)} recordings of {folder}", clips=chosen)


def speech_of_voice(engine: TtsEngine) -> Speech:
    """A few sentences as a TTS engine says them."""
    clips = tuple(spoken(engine, sentence) for sentence in SENTENCES)
    source = f"{len(clips)} sentences in the placement's own voice; name a folder of recordings with --speech"
    return Speech(source=source, clips=clips)


def spoken(engine: TtsEngine, text: str) -> IntSamples:
    """The sound of `text`."""
    pieces = engine.synthesize(text, "", 1.0, CancelToken())
    return np.concatenate([piece for piece in pieces if not isinstance(piece, TtsEnd)])


def _read(path: Path) -> IntSamples | None:
    """The sound at 16,000 Hz; None for one of another kind."""
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, SAMPLE_BYTES):
                return None
            rate_hz = file.getframerate()
            if file.getnframes() > 2 * LENGTH_S_MAX * rate_hz:
                return None
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    except wave.Error:
        return None
    except (OSError, EOFError) as error:
        raise OperatorError(f"{path} cannot be read: {error}; name another folder with --speech") from error
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    heard: IntSamples = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ)
    return heard
