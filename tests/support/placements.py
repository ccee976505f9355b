"""Placement files for tests, and a machine that has what a test says."""

from pathlib import Path
from typing import Any

import yaml

from voice_inference.placement.machine import Gpu
from voice_inference.placement.model import Placement

ENGINES = {
    "vad": {"engine": "silero", "model": "silero-vad"},
    "stt": {"engine": "faster-whisper", "model": "whisper-base"},
    "end_of_turn": {"engine": "smart-turn", "model": "smart-turn-v3.2"},
    "llm": {"engine": "llama-cpp", "model": "smollm2-135m-instruct-q4_1"},
    "tts": {"engine": "piper", "model": "en_US-joe-medium"},
}


def placement_data(**changes: dict[str, Any]) -> dict[str, Any]:
    """A placement without anything special but what `changes` says of the engine of a stage."""
    return {"engines": {stage: {**engine, **changes.get(stage, {})} for stage, engine in ENGINES.items()}}


def placement(**changes: dict[str, Any]) -> Placement:
    return Placement.model_validate(placement_data(**changes))


def write_yaml(folder: Path, data: object) -> Path:
    path = folder / "placement.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


class FakeMachine:
    """Implements MachineProbe and counts how often its GPUs were asked for."""

    def __init__(self, *, cores: int = 2, available_mb: int = 4_000, gpus: tuple[int, ...] = ()) -> None:
        """`gpus` is the free memory of each, MB."""
        self._cores, self._available_mb = cores, available_mb
        self._gpus = tuple(Gpu(name=f"GPU {index}", free_mb=free_mb) for index, free_mb in enumerate(gpus))
        self.asked_for_gpus = 0

    def cores(self) -> int:
        return self._cores

    def available_mb(self) -> int:
        return self._available_mb

    def gpus(self) -> tuple[Gpu, ...]:
        self.asked_for_gpus += 1
        return self._gpus
