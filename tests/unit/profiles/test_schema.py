"""The published schema of a profile, and the profiles that are shipped with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from voice_orchestrator.profiles.loader import load_profile
from voice_orchestrator.profiles.model import Profile
from voice_orchestrator.profiles.schema import profile_schema

PROFILES = Path(__file__).resolve().parents[3] / "configs" / "agent_profiles"
SHIPPED = sorted(PROFILES.glob("*.yaml"))


def test_the_published_schema_is_the_one_profiles_are_read_by() -> None:
    assert (PROFILES / "profile.schema.json").read_text(encoding="utf-8") == profile_schema()


def test_the_schema_is_of_its_draft_and_allows_no_unknown_key() -> None:
    schema: dict[str, Any] = json.loads(profile_schema())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["system_prompt"]
    objects = [part for part in [schema, *schema["$defs"].values()] if part["type"] == "object"]
    assert len(objects) == 11
    assert all(part["additionalProperties"] is False for part in objects)


def test_the_schema_tells_of_every_key_what_it_is() -> None:
    schema: dict[str, Any] = json.loads(profile_schema())
    for part in [schema, *schema["$defs"].values()]:
        for name, key in part.get("properties", {}).items():
            assert key.get("description") or "$ref" in key, name


def test_the_shipped_profiles_are_the_four() -> None:
    assert [path.stem for path in SHIPPED] == [
        "admissions_counsellor",
        "dental_receptionist",
        "order_lookup",
        "real_estate_consultant",
    ]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_profile_loads_and_introduces_its_agent(path: Path) -> None:
    profile = load_profile(path).profile
    assert profile.description
    assert profile.persona
    assert profile.greeting
    assert profile != Profile(system_prompt=profile.system_prompt)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_profile_names_its_schema_for_editors(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=./profile.schema.json"


def test_shipped_profiles_differ() -> None:
    assert len({load_profile(path).sha256 for path in SHIPPED}) == len(SHIPPED)
