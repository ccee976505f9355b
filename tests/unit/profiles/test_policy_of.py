"""What a profile means to the session core: every field of the policy, and nothing else."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from voice_orchestrator.profiles.model import Profile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.session.policy import SessionPolicy

PROMPT = {"system_prompt": "You answer the telephone."}
DEFAULT = SessionPolicy(system_text="You answer the telephone.")

OTHER_VALUES: dict[str, object] = {
    "greeting": "Hello",
    "language": "de-DE",
    "voice": "someone",
    "speaking_rate": 1.25,
    "generation.max_tokens": 7,
    "generation.temperature": 0.75,
    "generation.top_p": 0.5,
    "generation.seed": 7,
    "generation.stop": ("END",),
    "generation.history_turns": 3,
    "vad.activation_threshold": 0.75,
    "vad.deactivation_threshold": 0.25,
    "vad.min_speech_ms": 96,
    "vad.min_silence_ms": 96,
    "turn_taking.min_delay_ms": 901,
    "turn_taking.partial_interval_ms": 0,
    "turn_taking.max_turn_ms": 9_001,
    "interruptions.enabled": False,
    "interruptions.min_duration_ms": 901,
    "interruptions.min_words": 4,
    "interruptions.min_log_probability": -2.5,
    "interruptions.decide_timeout_ms": 901,
    "recovery.stt_failed": "Pardon?",
    "recovery.no_words": "",
    "recovery.llm_failed": "One moment.",
    "deadlines.connect_ms": 901,
    "deadlines.transcription_ms": 902,
    "deadlines.first_token_ms": 903,
    "deadlines.generation_ms": 904,
    "deadlines.synthesis_ms": 905,
    "deadlines.playout_ms": 906,
    "limits.idle_ms": 9_001,
    "limits.call_ms": 9_002,
}
"""A valid value for every field of a policy that is not its default."""


def leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every field of a policy with its value, by dotted name."""
    for field in fields(value):
        inner = getattr(value, field.name)
        if is_dataclass(inner):
            yield from leaves(inner, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", inner


def nested(path: str, value: object) -> dict[str, object]:
    """The profile data that sets `path`."""
    section, _, key = path.rpartition(".")
    return {section: {key: value}} if section else {key: value}


def test_a_profile_with_nothing_special_is_the_default_policy() -> None:
    assert policy_of(Profile.model_validate(PROMPT)) == DEFAULT


def test_every_field_of_the_policy_has_a_value_here() -> None:
    assert {path for path, _ in leaves(DEFAULT)} == {"system_text", *OTHER_VALUES}


def test_every_key_of_a_profile_has_a_meaning() -> None:
    keys = set()
    for name, field in Profile.model_fields.items():
        section = getattr(field.annotation, "model_fields", None)
        keys |= {name} if section is None else {f"{name}.{key}" for key in section}
    assert keys - set(OTHER_VALUES) == {"description", "persona", "system_prompt"}


@pytest.mark.parametrize(("path", "value"), OTHER_VALUES.items())
def test_a_key_of_a_profile_changes_that_field_of_the_policy_alone(path: str, value: object) -> None:
    policy = policy_of(Profile.model_validate({**PROMPT, **nested(path, value)}))
    before, after = dict(leaves(DEFAULT)), dict(leaves(policy))
    assert after[path] == value
    assert {name for name in before if before[name] != after[name]} == {path}


def test_persona_and_prompt_are_one_text_in_single_spaces() -> None:
    profile = Profile(persona="You are Joe.\n", system_prompt="Answer\n  in  one\tsentence.\n")
    assert policy_of(profile).system_text == "You are Joe. Answer in one sentence."


def test_a_folded_greeting_is_spoken_in_single_spaces() -> None:
    assert policy_of(Profile(system_prompt="x", greeting="Hello,\n  this is Joe.\n")).greeting == "Hello, this is Joe."


def test_a_description_is_for_lists_alone() -> None:
    assert policy_of(Profile.model_validate({**PROMPT, "description": "For lists"})) == DEFAULT
