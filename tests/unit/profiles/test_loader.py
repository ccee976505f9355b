"""Reading agent profiles: what a person is told when one is wrong."""

from pathlib import Path

import pytest

from voice_operations.settings_file import FILE_BYTES_MAX, SettingsError
from voice_orchestrator.profiles.loader import (
    find_profile,
    known_profiles,
    load_profile,
    profile_folders,
)
from voice_orchestrator.profiles.model import Profile

PROMPT = "system_prompt: You answer the telephone.\n"


TOOL = "tools:\n  - name: look_up\n    description: Knows orders\n    url: http://127.0.0.1:8080/\n"


def written(folder: Path, text: str | bytes, name: str = "agent.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(folder: Path, text: str | bytes) -> list[str]:
    """The lines about a profile of that text, without the name of its file."""
    path = written(folder, text)
    with pytest.raises(SettingsError) as refused:
        load_profile(path)
    lines = refused.value.problems
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def test_a_system_prompt_is_all_a_profile_needs(tmp_path: Path) -> None:
    loaded = load_profile(written(tmp_path, PROMPT))
    assert loaded.name == "agent"
    assert loaded.profile == Profile(system_prompt="You answer the telephone.")


def test_what_a_profile_says_is_taken(tmp_path: Path) -> None:
    text = PROMPT + "greeting: Hello\nlimits: {call_ms: 5000}\ngeneration:\n  stop: [END, '###']\n"
    profile = load_profile(written(tmp_path, text)).profile
    assert (profile.greeting, profile.limits.call_ms, profile.generation.stop) == ("Hello", 5_000, ("END", "###"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("greating: Hello", "greating: unknown key; did you mean greeting?"),
        ("turn_takng: {}", "turn_takng: unknown key; did you mean turn_taking?"),
        ("limits: {idle: 3000}", "limits.idle: unknown key; did you mean idle_ms?"),
        ("limits: {zzz: 1}", "limits.zzz: unknown key; known: call_ms, idle_ms"),
        ("vad: {min_silence: 100}", "vad.min_silence: unknown key; did you mean min_silence_ms?"),
        ("turn_taking: {expect: number}", "turn_taking.expect: unknown key; did you mean expects?"),
        ("dtmf: {terminater: '#'}", "dtmf.terminater: unknown key; did you mean terminator?"),
        (f"{TOOL}    tiemout_ms: 5", "tools.0.tiemout_ms: unknown key; did you mean timeout_ms?"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(tmp_path, PROMPT + text) == [expected]


def test_a_missing_system_prompt_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, "greeting: Hello") == ["system_prompt: is required"]


@pytest.mark.parametrize("text", ["system_prompt: ''", "system_prompt: '   '", "system_prompt:"])
def test_a_system_prompt_without_words_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("system_prompt: ")


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = "greating: Hello\nspeaking_rate: 9\nlimits: {call_ms: soon}\n"
    assert [line.split(": ")[0] for line in problems(tmp_path, text)] == [
        "system_prompt",
        "speaking_rate",
        "limits.call_ms",
        "greating",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("speaking_rate: 2.1", "speaking_rate: input should be less than or equal to 2"),
        ("language: English!", "language: string should match pattern"),
        ("deadlines: {connect_ms: 99}", "deadlines.connect_ms: input should be greater than or equal to 100"),
        ("limits: {call_ms: 14400001}", "limits.call_ms: input should be less than or equal to 14400000"),
        ("generation: {temperature: .nan}", "generation.temperature: input should be"),
        ("generation: {stop: [a, b, c, d, e]}", "generation.stop: tuple should have at most 4 items"),
        ("generation: {stop: ['']}", "generation.stop.0: string should have at least 1 character"),
        ("interruptions: {enabled: perhaps}", "interruptions.enabled: input should be a valid boolean"),
        ("limits: 5", "limits: input should be a valid dictionary"),
        ("greeting: [Hello]", "greeting: input should be a valid string"),
        ("recovery: {no_words: null}", "recovery.no_words: input should be a valid string"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_what_could(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = problems(tmp_path, PROMPT + text)
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        (PROMPT + "greeting: one\ngreeting: two", "greeting", 3),
        (PROMPT + "limits:\n  call_ms: 5000\n  call_ms: 6000", "call_ms", 4),
        (PROMPT + "limits: {call_ms: 5000}\nvoice: x\nlimits: {idle_ms: 6000}", "limits", 4),
    ],
)
def test_a_key_written_twice_is_refused(tmp_path: Path, text: str, key: str, line: int) -> None:
    assert problems(tmp_path, text) == [f"not valid YAML at line {line}: the key {key} is written twice"]


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list", "42", "# only a comment"])
def test_what_is_no_mapping_is_refused_naming_the_key_it_needs(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == ["must be a mapping with at least the key system_prompt"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (PROMPT + "greeting: 'no end", 2),
        (PROMPT + "voice: [a, b\ngreeting: c", 3),
        (PROMPT + "\tgreeting: tab", 2),
        ("a: b: c", 1),
        (PROMPT + "greeting: *nobody", 2),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(f"not valid YAML at line {line}: ")


@pytest.mark.parametrize(
    "value", ["!!python/object/apply:os.getcwd []", "!!python/name:os.system", "!!python/tuple [a]", "!own x"]
)
def test_a_tag_that_makes_objects_is_refused(tmp_path: Path, value: str) -> None:
    (problem,) = problems(tmp_path, PROMPT + f"greeting: {value}\n")
    assert problem.startswith("not valid YAML at line 2: could not determine a constructor for the tag")


@pytest.mark.parametrize(
    "value",
    ["2020-13-45", "!!int x", "!!bool x", "!!timestamp x", "9" * 5_000, "[" * 30_000, "\0"],
    ids=["a date that is none", "int", "bool", "timestamp", "too long a number", "too deep", "NUL"],
)
def test_a_value_yaml_itself_cannot_make_is_one_line(tmp_path: Path, value: str) -> None:
    (problem,) = problems(tmp_path, PROMPT + f"greeting: {value}\n")
    assert problem.startswith("not valid YAML")


@pytest.mark.parametrize("key", ["1", "null", "[a]", "{a: b}", "''"])
def test_a_key_that_is_no_word_is_one_line(tmp_path: Path, key: str) -> None:
    assert len(problems(tmp_path, f"{PROMPT}? {key}\n: x\n")) == 1


def test_a_profile_that_holds_itself_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, PROMPT + "limits: &limits {call_ms: *limits}")
    assert problem == "not valid YAML at line 2: found unconstructable recursive node"


def test_two_documents_in_one_file_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"{PROMPT}---\n{PROMPT}")
    assert problem.startswith("not valid YAML at line ")


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "system_prompt: Grüß Gott".encode("latin-1")) == ["not UTF-8 text"]


def test_text_beyond_ascii_is_kept(tmp_path: Path) -> None:
    assert load_profile(written(tmp_path, "system_prompt: Grüß Gott, 你好")).profile.system_prompt == "Grüß Gott, 你好"


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    filling = "#" * (FILE_BYTES_MAX - len(PROMPT))
    assert load_profile(written(tmp_path, PROMPT + filling)).profile.system_prompt
    assert problems(tmp_path, PROMPT + filling + "#") == ["larger than 64 KiB, not a profile"]


def test_a_file_that_is_not_there_or_a_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml: No such file or directory$"):
        load_profile(tmp_path / "nowhere.yaml")
    with pytest.raises(SettingsError, match=r": Is a directory$"):
        load_profile(tmp_path)


def test_variables_of_the_environment_are_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPANY", "Harbour Homes")
    monkeypatch.delenv("TOWN", raising=False)
    text = "system_prompt: You work for ${COMPANY} in ${TOWN:-Springfield}${TOWN:-}.\n"
    assert load_profile(written(tmp_path, text)).profile.system_prompt == "You work for Harbour Homes in Springfield."


def test_a_variable_that_is_set_wins_over_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWN", "Lakeview")
    assert load_profile(written(tmp_path, PROMPT + "greeting: ${TOWN:-x}")).profile.greeting == "Lakeview"


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOWN", raising=False)
    assert problems(tmp_path, PROMPT + "greeting: ${TOWN}") == ["the environment variable TOWN is not set"]


def test_the_digest_is_of_what_a_profile_means(tmp_path: Path) -> None:
    plain = load_profile(written(tmp_path, PROMPT)).sha256
    same = load_profile(written(tmp_path, "# a comment\nlimits: {call_ms: 600000}\n" + PROMPT, "same.yaml")).sha256
    other = load_profile(written(tmp_path, PROMPT + "limits: {call_ms: 600001}\n", "other.yaml")).sha256
    assert plain == same
    assert plain != other


def test_an_unknown_profile_is_answered_with_the_nearest_and_all_names(tmp_path: Path) -> None:
    written(tmp_path, PROMPT, "dental.yaml")
    written(tmp_path, PROMPT, "estate.yaml")
    with pytest.raises(SettingsError) as refused:
        find_profile("dentl", (tmp_path,))
    assert str(refused.value) == "there is no profile 'dentl': did you mean dental? known profiles: dental, estate"
    with pytest.raises(SettingsError) as refused:
        find_profile("zzz", (tmp_path,))
    assert str(refused.value) == "there is no profile 'zzz': known profiles: dental, estate"


def test_without_any_profile_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="known profiles: none; set VOICE_AGENT_PROFILES to a folder with profiles"):
        find_profile("dental", (tmp_path,))


def test_a_profile_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    path = written(tmp_path, PROMPT, "dental.yaml")
    assert find_profile("dental", (tmp_path,)) == find_profile(str(path), ())


def test_the_first_folder_that_has_a_name_wins(tmp_path: Path) -> None:
    mine, shipped = tmp_path / "mine", tmp_path / "shipped"
    for folder in (mine, shipped):
        folder.mkdir()
        written(folder, PROMPT, "dental.yaml")
    written(shipped, PROMPT, "estate.yaml")
    assert known_profiles((mine, shipped)) == {"dental": mine / "dental.yaml", "estate": shipped / "estate.yaml"}


def test_the_folder_of_the_environment_is_looked_in_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_PROFILES", str(tmp_path))
    written(tmp_path, PROMPT, "dental_receptionist.yaml")
    assert profile_folders()[0] == tmp_path
    assert find_profile("dental_receptionist").path == tmp_path / "dental_receptionist.yaml"
    assert "real_estate_consultant" in known_profiles()


def test_thresholds_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, PROMPT + "vad: {activation_threshold: 0.3, deactivation_threshold: 0.5}")
    assert problem == "vad: deactivation_threshold must be at most activation_threshold"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "turn_taking: {min_delay_ms: 4000}",
            "turn_taking: max_delay_ms (1400) must be at least min_delay_ms (4000)",
        ),
        ("turn_taking: {expected_length: 6}", "turn_taking: expected_length needs expects: number, spelling or email"),
        (
            "interruptions: {min_duration_ms: 1600}",
            "interruptions: max_duration_ms (1500) must be at least min_duration_ms (1600)",
        ),
        (
            "interruptions: {decide_timeout_ms: 900}",
            "interruptions: decide_timeout_ms was renamed: write false_interruption_timeout_ms",
        ),
        ("dtmf: {turn_text: I pressed keys}", "dtmf.turn_text: must contain {keys}"),
        ("dtmf: {terminator: '##'}", "dtmf.terminator: string should match pattern '^[0-9A-D*#]?$'"),
        ("dtmf: {terminator: }", "dtmf.terminator: input should be a valid string"),
        ("away: {prompts: ['  ']}", "away.prompts: a prompt must hold words"),
        ("uninterruptible: [goodbye]", "uninterruptible.0: input should be 'greeting', 'recovery', 'away' or 'hold'"),
        ("turn_taking: {detection: button}", "turn_taking.detection: input should be 'vad' or 'push_to_talk'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_the_way_out(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert problems(tmp_path, PROMPT + text) == [expected]


def test_variables_cannot_add_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRM", "Smith # Sons\nvoice: other")
    path = tmp_path / "mine.yaml"
    path.write_text(PROMPT + "greeting: ${FIRM}\n", encoding="utf-8")
    profile = load_profile(path).profile
    assert profile.greeting == "Smith # Sons\nvoice: other"
    assert profile.voice == ""
