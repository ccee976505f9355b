"""Reading a placement file: what a person is told when it is wrong."""

from pathlib import Path
from typing import Any

import pytest
from support.placements import placement_data, write_yaml

from voice_contract.failures import Stage
from voice_inference.catalogue.table import CATALOGUE
from voice_inference.engines.registry import ENGINES
from voice_inference.placement.model import Placement, load_placement
from voice_operations.settings_file import FILE_BYTES_MAX, SettingsError

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = sorted((ROOT / "configs/inference").glob("*.yaml"))


def problems(path: Path) -> list[str]:
    """The lines of the error about a file, without its name."""
    with pytest.raises(SettingsError) as refusal:
        load_placement(path)
    lines = str(refusal.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def problems_of_text(folder: Path, text: str | bytes) -> list[str]:
    path = folder / "placement.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return problems(path)


def with_limits(limits: object) -> dict[str, Any]:
    return {**placement_data(), "limits": limits}


def test_what_a_file_does_not_say_has_a_default(tmp_path: Path) -> None:
    placement = load_placement(write_yaml(tmp_path, placement_data()))
    assert (placement.limits.sessions, placement.limits.queue) == (4, 32)
    assert (placement.listen.grpc, placement.listen.http) == ("127.0.0.1:50061", "127.0.0.1:50062")
    assert (placement.engines.stt.device, placement.engines.stt.threads, placement.engines.stt.memory_mb) == (
        "cpu",
        1,
        0,
    )


def test_what_a_file_says_is_taken(tmp_path: Path) -> None:
    data = placement_data(llm={"device": "cuda:1", "threads": 3, "memory_mb": 99, "options": {"context_tokens": 512}})
    llm = load_placement(write_yaml(tmp_path, {**data, "limits": {"sessions": 9}})).engines.llm
    assert (llm.device, llm.threads, llm.memory_mb, llm.options) == ("cuda:1", 3, 99, {"context_tokens": 512})


def test_the_engines_come_in_the_order_of_the_pipeline() -> None:
    stages = [stage for stage, _ in Placement.model_validate(placement_data()).engines.by_stage()]
    assert stages == [Stage.VAD, Stage.STT, Stage.END_OF_TURN, Stage.LLM, Stage.TTS]


def test_a_node_may_be_without_an_end_of_turn_engine(tmp_path: Path) -> None:
    data = placement_data()
    del data["engines"]["end_of_turn"]
    engines = load_placement(write_yaml(tmp_path, data)).engines
    assert engines.end_of_turn is None
    assert [stage for stage, _ in engines.by_stage()] == [Stage.VAD, Stage.STT, Stage.LLM, Stage.TTS]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.name))
def test_every_shipped_placement_is_valid_and_names_what_exists(path: Path) -> None:
    for stage, placed in load_placement(path).engines.by_stage():
        entry = ENGINES[stage, placed.engine]
        assert set(placed.options) <= entry.options
        assert not entry.embedded or CATALOGUE.get(placed.model).stage is stage


def test_there_are_shipped_placements() -> None:
    assert {path.name for path in SHIPPED} >= {"cpu-2core.yaml", "gpu-4gb.yaml"}


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ({**placement_data(), "limts": {}}, ["limts: unknown key; did you mean limits?"]),
        ({**placement_data(), "zzz": 1}, ["zzz: unknown key; known: engines, limits, listen"]),
        (with_limits({"sesions": 3}), ["limits.sesions: unknown key; did you mean sessions?"]),
        (with_limits({"zzz": 3}), ["limits.zzz: unknown key; known: queue, sessions"]),
        (placement_data(stt={"thread": 3}), ["engines.stt.thread: unknown key; did you mean threads?"]),
        (
            {"engines": {**placement_data()["engines"], "sst": {}}},
            ["engines.sst: unknown key; did you mean stt?"],
        ),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_name(data: object, lines: list[str], tmp_path: Path) -> None:
    assert problems(write_yaml(tmp_path, data)) == lines


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (with_limits({"sessions": 0}), ["limits.sessions: input should be greater than or equal to 1"]),
        (
            with_limits({"queue": "many"}),
            ["limits.queue: input should be a valid integer, unable to parse string as an integer"],
        ),
        (
            placement_data(stt={"device": "gpu"}),
            [r"engines.stt.device: string should match pattern '^(cpu|auto|remote|cuda:\d+)$'"],
        ),
        (placement_data(tts={"memory_mb": -1}), ["engines.tts.memory_mb: input should be greater than or equal to 0"]),
        ({"limits": {}}, ["engines: is required"]),
        (
            {"engines": {stage: value for stage, value in placement_data()["engines"].items() if stage != "tts"}},
            ["engines.tts: is required"],
        ),
    ],
)
def test_a_bad_value_is_named_with_what_is_wrong(data: object, lines: list[str], tmp_path: Path) -> None:
    assert problems(write_yaml(tmp_path, data)) == lines


def test_every_problem_has_its_own_line(tmp_path: Path) -> None:
    data = {**placement_data(vad={"threads": 0}), "limits": {"sesions": 3}}
    assert problems(write_yaml(tmp_path, data)) == [
        "engines.vad.threads: input should be greater than or equal to 1",
        "limits.sesions: unknown key; did you mean sessions?",
    ]


@pytest.mark.parametrize("text", ["", "- engines\n", "engines\n", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    assert problems_of_text(tmp_path, text) == ["must be a mapping with at least the key engines"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("engines:\n  vad: {engine: silero\n  stt: {}\n", "not valid YAML at line 3"),
        ("a: b: c\n", "not valid YAML at line 1"),
        ("engines: {}\nx: !!python/object:os.system {}\n", "not valid YAML at line 2"),
        ("engines: 2026-13-45\n", "not valid YAML"),
        ("engines: !!int many\n", "not valid YAML"),
        ("engines: " + "[" * 30_000, "not valid YAML"),
    ],
)
def test_a_file_that_is_no_yaml_is_refused(text: str, line: str, tmp_path: Path) -> None:
    (problem,) = problems_of_text(tmp_path, text)
    assert problem.partition(": ")[0] == line


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    assert problems_of_text(tmp_path, b"\xff\xfe\x00") == ["not UTF-8 text"]


def test_a_file_that_is_much_too_large_is_not_read(tmp_path: Path) -> None:
    assert problems_of_text(tmp_path, b"#" * (FILE_BYTES_MAX + 1)) == ["larger than 64 KiB, not a placement"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path / "nowhere.yaml") == ["No such file or directory"]
    assert problems(tmp_path) == ["Is a directory"]


# --- environment variables


def test_a_variable_is_replaced_by_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SESSIONS", "7")
    monkeypatch.setenv("TEST_HOST", "http://127.0.0.1:9")
    data = placement_data(llm={"options": {"host": "${TEST_HOST}/x"}})
    placement = load_placement(write_yaml(tmp_path, {**data, "limits": {"sessions": "${TEST_SESSIONS:-3}"}}))
    assert placement.limits.sessions == 7
    assert placement.engines.llm.options == {"host": "http://127.0.0.1:9/x"}


def test_a_variable_that_is_not_set_has_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_SESSIONS", raising=False)
    assert load_placement(write_yaml(tmp_path, with_limits({"sessions": "${TEST_SESSIONS:-3}"}))).limits.sessions == 3


def test_a_variable_without_value_and_default_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_SESSIONS", raising=False)
    path = write_yaml(tmp_path, with_limits({"sessions": "${TEST_SESSIONS}"}))
    assert problems(path) == ["the environment variable TEST_SESSIONS is not set"]
