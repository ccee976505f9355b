"""What a profile means to the session core: every field of the policy, and nothing else."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from voice_orchestrator.profiles.model import Profile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.session.policy import Detection, Expects, LineKind, SessionPolicy

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
    "vad.min_silence_ms": 160,
    "turn_taking.min_delay_ms": 901,
    "turn_taking.detection": Detection.PUSH_TO_TALK,
    "turn_taking.max_delay_ms": 4_901,
    "turn_taking.end_of_turn_threshold": 0.75,
    "turn_taking.expects": Expects.NUMBER,
    "turn_taking.dictation_delay_ms": 901,
    "turn_taking.preemptive_generation": False,
    "turn_taking.partial_interval_ms": 0,
    "turn_taking.max_turn_ms": 9_001,
    "interruptions.enabled": False,
    "interruptions.min_duration_ms": 901,
    "interruptions.min_words": 4,
    "interruptions.min_log_probability": -2.5,
    "interruptions.max_duration_ms": 2_901,
    "interruptions.max_no_speech_probability": 0.25,
    "interruptions.interruption_words": ("halt",),
    "interruptions.backchannels": ("aha",),
    "interruptions.false_interruption_timeout_ms": 901,
    "interruptions.echo_guard_ms": 901,
    "interruptions.thinking_min_duration_ms": 901,
    "uninterruptible": (LineKind.GREETING,),
    "away.user_away_timeout_ms": 9_003,
    "away.prompts": ("Hello?",),
    "dtmf.timeout_ms": 901,
    "dtmf.terminator": "*",
    "dtmf.turn_text": "Keys: {keys}",
    "recovery.stt_failed": "Pardon?",
    "recovery.no_words": "",
    "recovery.llm_failed": "One moment.",
    "recovery.node_lost": "Hold on.",
    "deadlines.connect_ms": 901,
    "deadlines.transcription_ms": 902,
    "deadlines.first_token_ms": 903,
    "deadlines.generation_ms": 904,
    "deadlines.synthesis_ms": 905,
    "deadlines.playout_ms": 906,
    "deadlines.end_of_turn_ms": 907,
    "deadlines.flush_report_ms": 908,
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


TOOL = {
    "name": "look_up_order",
    "description": "Knows\n  orders",
    "url": "http://127.0.0.1:8080/orders",
    "parameters": {"type": "object", "required": ["order"], "properties": {"order": {"type": "string"}}},
    "timeout_ms": 4_000,
    "headers": {"Authorization": "Bearer s3cret"},
}


def nested(path: str, value: object) -> dict[str, object]:
    """The profile data that sets `path`."""
    section, _, key = path.rpartition(".")
    return {section: {key: value}} if section else {key: value}


def test_a_profile_with_nothing_special_is_the_default_policy() -> None:
    assert policy_of(Profile.model_validate(PROMPT)) == DEFAULT


def test_every_field_of_the_policy_has_a_value_here() -> None:
    told_below = {"turn_taking.expected_length", "tools.declarations", "tools.timeout_ms", "tools.rounds_max"}
    assert {path for path, _ in leaves(DEFAULT)} == {"system_text", *told_below, *OTHER_VALUES}


def test_every_key_of_a_profile_has_a_meaning() -> None:
    keys = set()
    for name, field in Profile.model_fields.items():
        section = getattr(field.annotation, "model_fields", None)
        keys |= {name} if section is None else {f"{name}.{key}" for key in section}
    told_below = {"turn_taking.expected_length", "tools", "generation.tool_rounds_max"}
    assert keys - set(OTHER_VALUES) - told_below == {"description", "persona", "system_prompt"}


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


def test_an_expected_length_is_of_what_is_expected() -> None:
    turns = {"expects": "number", "expected_length": 6}
    turn_taking = policy_of(Profile.model_validate({**PROMPT, "turn_taking": turns})).turn_taking
    assert (turn_taking.expects, turn_taking.expected_length) == (Expects.NUMBER, 6)


def test_prompts_folded_over_lines_are_spoken_in_single_spaces() -> None:
    profile = Profile.model_validate({**PROMPT, "away": {"prompts": ["Are you\n  there?"]}})
    assert policy_of(profile).away.prompts == ("Are you there?",)


def test_the_core_knows_what_the_model_is_told_of_a_tool_and_nothing_more() -> None:
    profile = Profile.model_validate({**PROMPT, "tools": [TOOL], "generation": {"tool_rounds_max": 2}})
    tools = policy_of(profile).tools
    (declaration,) = tools.declarations
    assert (declaration.name, declaration.description) == ("look_up_order", "Knows orders")
    schema = '{"properties":{"order":{"type":"string"}},"required":["order"],"type":"object"}'
    assert declaration.parameters_schema == schema
    assert tools.rounds_max == 2
    assert "s3cret" not in repr(tools)
    assert "8080" not in repr(tools)


def test_the_core_waits_for_the_slowest_tool() -> None:
    slow = {**TOOL, "name": "slow", "timeout_ms": 30_000}
    assert policy_of(Profile.model_validate({**PROMPT, "tools": [TOOL, slow]})).tools.timeout_ms == 30_000
