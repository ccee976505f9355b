"""Reads a scenario: a YAML list of steps, each a sound, a key or the button to talk, and when it begins."""

from pathlib import Path
from typing import Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from voice_operations.settings_file import SettingsError, read_settings
from voice_orchestrator.audio_files.wav_reader import CallerSound, read_sound
from voice_orchestrator.edges.scenario import Moment, PlaySound, PressKey, Scenario, Step, Talk

ACTIONS: Final = ("play", "key", "press", "release")
MS_MAX: Final = 600_000


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StepKeys(_Section):
    """One step as it is written: exactly one of play, key, press and release, and when."""

    play: str | None = Field(default=None, min_length=1, description="Sound file, relative to the scenario")
    key: str | None = Field(default=None, pattern=r"^[0-9A-D*#]$", description="Key of the telephone")
    press: Literal[True] | None = Field(default=None, description="Press the button to talk")
    release: Literal[True] | None = Field(default=None, description="Let the button to talk go")
    after_answer: Literal[True] | None = Field(default=None, description="Once the agent has answered and finished")
    over_agent_ms: int | None = Field(default=None, ge=0, le=MS_MAX, description="So long into the agent's reply")
    after_ms: int | None = Field(default=None, ge=0, le=MS_MAX, description="So long after the step before")
    give_up_ms: int = Field(default=Moment().give_up_ms, ge=100, le=MS_MAX, description="Begin then all the same")
    gain_db: float = Field(default=0.0, ge=-60.0, le=40.0, description="Louder or softer than the file")

    @field_validator("play")
    @classmethod
    def _file_name(cls, play: str | None) -> str | None:
        if play is not None and not play.isprintable():
            raise ValueError("must be the name of a file")
        return play

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if sum(getattr(self, name) is not None for name in ACTIONS) != 1:
            raise ValueError(f"must have exactly one of {', '.join(ACTIONS)}")
        if self.gain_db and self.play is None:
            raise ValueError("gain_db belongs to a step that plays a sound")
        if self.after_answer and (self.over_agent_ms is not None or self.after_ms is not None):
            raise ValueError("after_answer excludes over_agent_ms and after_ms")
        return self


class ScenarioKeys(_Section):
    """A scenario file."""

    description: str = Field(default="", max_length=1_000)
    steps: tuple[StepKeys, ...] = Field(min_length=1, max_length=1_000)


def read_scenario(path: Path) -> Scenario:
    """The scenario in `path` with all its sounds; raises SettingsError and WavError."""
    keys = read_settings(path, ScenarioKeys, what="scenario", needs="steps")
    sounds: dict[str, CallerSound] = {}
    for number, step in enumerate(keys.steps):
        if step.play is not None and step.play not in sounds:
            try:
                sounds[step.play] = read_sound(path.parent / step.play)
            except OSError as error:
                raise SettingsError(f"{path}: steps.{number}.play: {error.strerror}") from error
    return Scenario(path=path, steps=tuple(_step(step, sounds) for step in keys.steps))


def _step(keys: StepKeys, sounds: dict[str, CallerSound]) -> Step:
    moment = Moment(over_agent_ms=keys.over_agent_ms, after_ms=keys.after_ms, give_up_ms=keys.give_up_ms)
    if keys.play is not None:
        sound = _louder(sounds[keys.play], keys.gain_db)
        return Step(action=PlaySound(file=keys.play, sound=sound, gain_db=keys.gain_db), moment=moment)
    if keys.key is not None:
        return Step(action=PressKey(key=keys.key), moment=moment)
    return Step(action=Talk(pressed=keys.press is not None), moment=moment)


def _louder(sound: CallerSound, gain_db: float) -> CallerSound:
    if not gain_db:
        return sound
    scaled = np.clip(np.round(sound.samples * 10.0 ** (gain_db / 20.0)), -32_768, 32_767).astype(np.int16)
    return CallerSound(
        path=sound.path,
        samples=scaled,
        source_rate_hz=sound.source_rate_hz,
        source_channels=sound.source_channels,
        source_subtype=sound.source_subtype,
    )
