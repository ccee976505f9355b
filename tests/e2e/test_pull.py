"""The whole catalogue, pulled for real into an empty cache."""

import json
from pathlib import Path

import pytest
from support.processes import run

pytestmark = [pytest.mark.models, pytest.mark.e2e, pytest.mark.timeout(600)]


def test_every_model_of_the_catalogue_can_be_pulled_and_verified(tmp_path: Path) -> None:
    pulled = run("voice-inference", "models", f"--cache={tmp_path}", "pull", "--all", timeout_s=580)
    assert pulled.code == 0, pulled.err
    listed = run("voice-inference", "models", f"--cache={tmp_path}", "list", "--json")
    states = {model["name"]: model["state"] for model in json.loads(listed.out)}
    assert set(states.values()) == {"present"}
    offline = run("voice-inference", "models", f"--cache={tmp_path}", "pull", "--all", "--offline")
    assert offline.code == 0, offline.err
