"""Human speech without pauses inside, as the callers of the bench say it."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import soundfile

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.engines.base import FloatSamples

SECONDS: Final = (1.5, 5.2)
"""Shortest and longest clip; more would only make the bench longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A recording; `speech_start_s` and `speech_end_s` are the true bounds of its speech."""

    path: Path
    speech_start_s: float
    speech_end_s: float

    def until(self, end_s: float) -> FloatSamples:
        """Its sound, -1 to 1 at 16,000 Hz, to `end_s`."""
        samples, rate_hz = soundfile.read(self.path, dtype="float32")
        if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
            sys.exit(f"error: {self.path} is not {SAMPLE_RATE_HZ} Hz with one channel")
        sound: FloatSamples = samples[: round(end_s * rate_hz)]
        return sound


def load_clips(folder: Path) -> list[Clip]:
    """Clips of `folder`'s manifest.jsonl that are one utterance, short ones first; exits when there is none.

    Whoever pauses inside a clip may be answered there, and has no one last sample.
    """
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        sys.exit(f"error: there is no {manifest}; name a folder of clips with --speech")
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    shortest, longest = SECONDS
    chosen = [row for row in rows if row["text"] and not row["pauses_s"] and shortest <= row["seconds"] <= longest]
    if not chosen:
        sys.exit(f"error: {manifest} names no clip of {shortest:g} to {longest:g} s without a pause")
    return [
        Clip(path=folder / row["file"], speech_start_s=row["speech_start_s"], speech_end_s=row["speech_end_s"])
        for row in sorted(chosen, key=lambda row: (row["seconds"], row["file"]))
    ]


def conversations(clips: list[Clip], calls: int, turns: int) -> list[list[Clip]]:
    """What is said in each call: all clips in turn, from the shortest on."""
    return [[clips[(call * turns + turn) % len(clips)] for turn in range(turns)] for call in range(calls)]
