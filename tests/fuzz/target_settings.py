"""Settings files in YAML: `profile`, `scenario` and `placement`."""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
from fuzz.bytes_mutations import LARGE_BYTES, one_in
from fuzz.target import Target, one_line_each
from fuzz.yaml_documents import document, text_of
from fuzz.yaml_mutations import bomb, damaged_text
from pydantic import BaseModel
from support.placements import FakeMachine
from support.wav_files import tone, write_wav

from voice_contract.failures import VoiceAgentError
from voice_inference.placement.model import Placement, load_placement
from voice_inference.placement.resolve import resolve
from voice_operations.operator_error import OperatorError
from voice_operations.settings_file import SettingsError
from voice_orchestrator.audio_files.wav_reader import WavError
from voice_orchestrator.edges.scenario_file import ScenarioKeys, read_scenario
from voice_orchestrator.profiles.loader import load_profile
from voice_orchestrator.profiles.model import Profile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.runtime.journal_codec import canonical, policy_from_plain, policy_to_plain

ROOT: Final = Path(__file__).resolve().parents[2]
ANSWER_CHARS: Final = 60
PROFILE_HEADS: Final = (
    "system_prompt: x\n",
    "system_prompt: x\ntools:\n- name: a\n  description: b\n  url: http://x/\n  parameters:\n    type: object\n    ",
)
PLACEMENT_HEADS: Final = ("limits: {}\n", "engines:\n  llm:\n    engine: ollama\n    model: x\n    options:\n      ")
SCENARIO_HEADS: Final = ("description: x\n", "steps:\n- play: a.wav\n  ")


def open_target(name: str, folder: Path) -> Target:
    """The target `profile`, `scenario` or `placement`."""
    path = folder / f"{name}.yaml"
    if name == "profile":
        return SettingsTarget(path, Profile, PROFILE_HEADS, "configs/agent_profiles", _profile)
    if name == "placement":
        return SettingsTarget(path, Placement, PLACEMENT_HEADS, "configs/inference", _placement)
    write_wav(folder / "a.wav", tone(440.0, seconds=0.01))
    return SettingsTarget(path, ScenarioKeys, SCENARIO_HEADS, "test_data/conversation", _scenario)


class SettingsTarget:
    """A reader of settings; `read` gives what was taken in a few words, or raises a documented error."""

    def __init__(
        self, path: Path, model: type[BaseModel], heads: tuple[str, ...], shipped: str, read: Callable[[Path], str]
    ) -> None:
        self._path, self._heads, self._read = path, heads, read
        self._schema = model.model_json_schema()
        self._keys = sorted(model.model_fields)
        self._shipped = [path.read_text(encoding="utf-8") for path in sorted((ROOT / shipped).glob("*.yaml"))]

    def make(self, rng: Random) -> bytes:
        pick = rng.random()
        if pick < 0.01:
            return bomb(rng, rng.choice(self._heads), rng.choice([*self._keys, "x"]))
        if one_in(rng, 2_000):
            return rng.choice((b"#", b"a", b"\0", b"- ", b"\n", b"\xff")) * LARGE_BYTES
        if pick < 0.04:
            shipped = rng.choice(self._shipped)
            return damaged_text(rng, shipped, rng.choice(self._shipped))
        text = text_of(rng, document(rng, self._schema))
        if pick < 0.6:
            return text.encode("utf-8", "surrogatepass")
        return damaged_text(rng, text, text_of(rng, document(rng, self._schema)))

    def check(self, data: bytes) -> str:
        self._path.write_bytes(data)
        try:
            return f"took {self._read(self._path)}"
        except (SettingsError, WavError) as error:
            return self._refused(error)

    def _refused(self, error: OperatorError) -> str:
        one_line_each(error.problems, str(self._path.parent) if isinstance(error, WavError) else f"{self._path}: ")
        told = error.problems[0].partition(": ")[2]
        return "refused " + re.sub(r"-?\d+", "0", told)[:ANSWER_CHARS]


def _profile(path: Path) -> str:
    """Loads a profile, makes the policy of it and writes that as a journal would."""
    profile = load_profile(path).profile
    policy = policy_of(profile)
    plain = policy_to_plain(policy)
    canonical(plain).encode()
    assert policy_from_plain(plain) == policy, "the policy changed on its way through a journal"
    said = sorted(profile.model_fields_set - {"system_prompt"})
    return f"a profile with {said[0] if said else 'nothing else'}, {min(len(profile.tools), 1)} tools"


def _placement(path: Path) -> str:
    """Loads a placement and looks whether a machine with a GPU can carry it."""
    placement = load_placement(path)
    try:
        resolved = resolve(placement, FakeMachine(gpus=(8_000,)))
    except VoiceAgentError as error:
        assert str(error).isprintable(), "a refusal that cannot be printed"
        return f"a placement that cannot be: {error.failure.reason.value}"
    return f"a placement with {len(resolved.describe_lines())} engines"


def _scenario(path: Path) -> str:
    scenario = read_scenario(path)
    assert scenario.steps, "a scenario without steps"
    for step in scenario.steps:
        sound = getattr(step.action, "sound", None)
        assert sound is None or sound.samples.dtype == np.int16, "sound that is not int16"
    return f"a scenario that begins with a {type(scenario.steps[0].action).__name__}"
