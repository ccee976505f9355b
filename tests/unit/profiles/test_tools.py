"""The tools of a profile: what is refused before a call, and that secrets stay secret."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from voice_operations.settings_file import SettingsError
from voice_orchestrator.profiles.loader import load_profile
from voice_orchestrator.profiles.tools import SCHEMA_CHARS_MAX, Tool

TOOL: dict[str, Any] = {
    "name": "look_up_order",
    "description": "Knows orders",
    "url": "https://orders.example.com/look_up",
}


def loaded(folder: Path, *tools: dict[str, Any]) -> tuple[Tool, ...]:
    """The tools of a profile that is written and read again."""
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump({"system_prompt": "You answer.", "tools": list(tools)}), encoding="utf-8")
    return load_profile(path).profile.tools


def problem(folder: Path, **changes: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        loaded(folder, {**TOOL, **changes})
    (line,) = refused.value.problems
    return line.partition(": ")[2].removeprefix("tools.0.")


def test_a_tool_needs_a_name_a_description_and_an_address(tmp_path: Path) -> None:
    (tool,) = loaded(tmp_path, TOOL)
    assert (tool.name, tool.url, tool.method, tool.timeout_ms) == ("look_up_order", TOOL["url"], "POST", 10_000)
    assert tool.parameters == {"type": "object", "properties": {}}
    for key in TOOL:
        with pytest.raises(SettingsError, match=f"tools.0.{key}: is required"):
            loaded(tmp_path, {name: value for name, value in TOOL.items() if name != key})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "look up"}, "name: string should match pattern"),
        ({"url": "ftp://x/"}, "url: must be an address like https://host/path"),
        ({"url": "https://"}, "url: must be an address like https://host/path"),
        ({"url": "https://x:99999/"}, "url: must be an address like https://host/path"),
        ({"url": "https://x/a b"}, "url: must be an address like https://host/path"),
        ({"url": "https://me:s3cret@x/"}, "url: must not hold a user or password; send them in headers"),
        ({"method": "GET"}, "method: input should be 'POST'"),
        ({"timeout_ms": 60_001}, "timeout_ms: input should be less than or equal to 60000"),
        ({"headers": {"A b": "x"}}, "headers: 'A b' is no name of a header"),
        ({"headers": {"Idempotency-Key": "x"}}, "headers: the header Idempotency-Key is set by the runtime"),
        ({"headers": {"X": "s3cret\n"}}, "headers: the value of X must be printable ASCII without space around it"),
        ({"parameters": {"type": "array"}}, "parameters: must be a JSON Schema with type: object"),
        (
            {"parameters": {"type": "object", "properties": {"n": {"type": "numbr"}}}},
            "parameters: is no JSON Schema: $.properties.n.type: 'numbr' is not valid",
        ),
        (
            {"parameters": {"type": "object", "properties": {"n": {"$ref": "https://x/schema"}}}},
            "parameters: $ref https://x/schema must begin with #: nothing is fetched",
        ),
        (
            {"parameters": {"type": "object", "description": "x" * SCHEMA_CHARS_MAX}},
            "parameters: must be at most 8000 characters of JSON",
        ),
    ],
)
def test_a_tool_that_cannot_work_is_refused_by_its_profile(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    line = problem(tmp_path, **changes)
    assert line.startswith(expected)
    assert "s3cret" not in line


def test_a_schema_of_dates_yaml_made_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    tool = "{name: a, description: b, url: 'http://x/', parameters: {type: object, default: 2024-01-01}}"
    path.write_text(f"system_prompt: x\ntools: [{tool}]\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="nothing but JSON"):
        load_profile(path)


def test_two_tools_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"tools: two tools are called look_up_order$"):
        loaded(tmp_path, TOOL, TOOL)


def test_a_secret_of_the_environment_is_used_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_TOKEN", "s3cret")
    (tool,) = loaded(tmp_path, {**TOOL, "headers": {"Authorization": "Bearer ${ORDERS_TOKEN}"}})
    assert tool.headers["Authorization"].get_secret_value() == "Bearer s3cret"
    assert "s3cret" not in repr(tool)
    assert "s3cret" not in json.dumps(tool.model_dump(mode="json"))


def test_a_secret_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDERS_TOKEN", raising=False)
    with pytest.raises(SettingsError, match="the environment variable ORDERS_TOKEN is not set"):
        loaded(tmp_path, {**TOOL, "headers": {"Authorization": "Bearer ${ORDERS_TOKEN}"}})


def test_the_digest_of_a_profile_does_not_depend_on_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = set()
    for secret in ("one", "two"):
        monkeypatch.setenv("ORDERS_TOKEN", secret)
        loaded(tmp_path, {**TOOL, "headers": {"Authorization": "${ORDERS_TOKEN}"}})
        digests.add(load_profile(tmp_path / "agent.yaml").sha256)
    assert len(digests) == 1
