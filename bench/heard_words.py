"""How many words of an interrupted reply were heard, by an independent recogniser, against what the report says."""

import os
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE_HZ: Final = 16_000
WINDOW_S: Final = 30
MODELS: Final = Path(os.environ.get("VOICE_AGENT_MODELS") or Path.home() / ".cache" / "voice-agent" / "models")
MODEL: Final = "whisper-base"


def words(text: str) -> list[str]:
    """Words without case and punctuation; a hyphen parts them."""
    return re.findall(r"[a-z0-9']+", text.lower())


class Recogniser:
    """faster-whisper in this process, on the sound the caller heard."""

    def __init__(self) -> None:
        from faster_whisper import WhisperModel

        self._model = WhisperModel(str(MODELS / MODEL), device="cpu", compute_type="int8", cpu_threads=2)

    def count(self, sound: NDArray[np.int16]) -> int:
        """Words in `sound`."""
        segments, _ = self._model.transcribe(
            sound.astype(np.float32) / 32_768, language="en", beam_size=5, condition_on_previous_text=False
        )
        return len(words(" ".join(segment.text for segment in segments)))


def heard_sound(agent: NDArray[np.int16], playout: dict[str, Any], run: int) -> NDArray[np.int16]:
    """What was played of a run, without its pauses."""
    pieces = [agent[each["start_samples"] : each["end_samples"]] for each in playout["stretches"] if each["run"] == run]
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)


def words_off(folder: Path, report: dict[str, Any], playout: dict[str, Any], recogniser: Recogniser) -> list[float]:
    """By how many words the report is off, for every reply that was interrupted; empty when it does not say."""
    replies = [reply for reply in report.get("replies", ()) if reply.get("interrupted") and "heard" in reply]
    if not replies:
        return []
    samples, _ = soundfile.read(folder / "recording.wav", dtype="int16")
    off = []
    for reply in replies:
        sound = heard_sound(samples[:, 1], playout, reply["run"])
        if len(sound) <= WINDOW_S * RATE_HZ:
            truth = recogniser.count(sound) if len(sound) else 0
            off.append(float(abs(len(words(reply["heard"])) - truth)))
    return off
