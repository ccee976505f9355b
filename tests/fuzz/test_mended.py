"""What fuzzing found, byte for byte, and what is said of it since."""

import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.session_journal import write_journal
from support.session_script import Script, policy

from voice_inference.placement.model import load_placement
from voice_operations.operator_error import OperatorError
from voice_orchestrator.audio_files.wav_reader import WavError, read_sound, read_wav
from voice_orchestrator.edges.scenario_file import read_scenario
from voice_orchestrator.profiles.loader import load_profile
from voice_orchestrator.runtime.journal import JOURNAL_VERSION
from voice_orchestrator.runtime.journal_reader import JournalReader
from voice_orchestrator.session import events

pytestmark = pytest.mark.fuzz

PROMISED_SAMPLES = 192_000 * 3_000
MEMORY_BYTES_MAX = 64 << 20
TOO_MANY = "not valid YAML at line 1: its aliases repeat too much"
ALIASES = [(f"&{name}", ", ".join([f"*{before}"] * 9), name) for before, name in pairwise("abcdefghij")]
LISTS = "a: &a [x]\n" + "".join(f"{name}: {anchor} [{nine}]\n" for anchor, nine, name in ALIASES)
MERGES = "a: &a {k: v}\n" + "".join(
    f"{name}: {anchor} {{<<: [{nine}], {name}1: 1}}\n" for anchor, nine, name in ALIASES
)
PROFILES = {
    "an empty integer": ("speaking_rate: !!int ''", "not valid YAML: unreadable"),
    "an empty fraction": ("speaking_rate: !!float ''", "not valid YAML: unreadable"),
    "300 places in base 60": (f"speaking_rate: 1{':1' * 300}.5", "not valid YAML: unreadable"),
    "lists of lists by aliases": (LISTS, TOO_MANY),
    "mappings that merge each other": (MERGES, TOO_MANY),
    "a key of lists by aliases": (f"{LISTS}? *j\n: x", TOO_MANY),
    "a mapping that merges itself": (
        "voice: &a {<<: *a}",
        "not valid YAML at line 2: found unconstructable recursive node",
    ),
    "a key with a line break": ('"a\\nb": 1', r"a\nb: unknown key"),
    "a key that clears the screen": ('"\\e[2J": 1', r"\x1b[2J: unknown key"),
}
PARAMETERS = {
    "half a character": ('a: "\\ud800"', "must hold nothing but JSON"),
    "a reference to half a character": ('$ref: "\\ud800"', "must hold nothing but JSON"),
    "150 negations": (f"not: {'{not: ' * 150}{{}}{'}' * 150}", "is nested too deeply"),
    "a property called 1.5": ("properties: {1.5: {type: 5}}", "is no JSON Schema: $.properties['1.5'].type: 5 is not"),
    "a pattern that repeats too often": ("pattern: 'a{99999999999999}'", "is no JSON Schema: the repetition number is"),
}
STEPS = {"a name with a NUL": ('play: "a\\0.wav"', "steps.0.play: value error, must be the name of a file")}
ENGINES = {
    "a GPU whose number has 5,000 digits": (
        f"device: 'cuda:{'1' * 5_000}'",
        "engines.llm.device: string should have at most 8",
    ),
    "memory that takes 6,000 digits": (
        f"memory_mb: 0x{'f' * 5_000}",
        "engines.llm.memory_mb: input should be less than",
    ),
    "an option that clears the screen": (
        'options: {"\\e[2J": 1}',
        r"engines.llm.options.\x1b[2J.[key]: value error, must",
    ),
}
ENTRIES = {
    "commands that are a number": (
        '{"n":1,"event":{"is":"Tick","at_ms":0},"commands":5}',
        "line 2: the commands are not a list",
    ),
    "brackets without end": ("[" * 3_000, "line 2 is nested too deeply"),
    "brackets just not too deep to be read": (f'{{"n":1,"commands":{"[" * 980}{"]" * 980}}}', "line 2"),
}


def problem(read: Callable[[Path], object], path: Path, text: str) -> str:
    """The first problem of a file, without its name; all of them can be printed."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OperatorError) as refused:
        read(path)
    assert all(each.isprintable() for each in refused.value.problems)
    return refused.value.problems[0].removeprefix(f"{path}: ")


@pytest.mark.parametrize("found", PROFILES)
def test_a_profile(found: str, tmp_path: Path) -> None:
    text, says = PROFILES[found]
    assert problem(load_profile, tmp_path / "agent.yaml", f"system_prompt: x\n{text}\n").startswith(says)


@pytest.mark.parametrize("found", PARAMETERS)
def test_parameters_of_a_tool(found: str, tmp_path: Path) -> None:
    text, says = PARAMETERS[found]
    tool = f"{{name: a, description: b, url: 'http://x/', parameters: {{type: object, {text}}}}}"
    told = problem(load_profile, tmp_path / "agent.yaml", f"system_prompt: x\ntools: [{tool}]\n")
    assert told.startswith(f"tools.0.parameters: {says}")


@pytest.mark.parametrize("found", STEPS)
def test_a_step_of_a_scenario(found: str, tmp_path: Path) -> None:
    text, says = STEPS[found]
    assert problem(read_scenario, tmp_path / "story.yaml", f"steps:\n- {text}\n").startswith(says)


@pytest.mark.parametrize("found", ENGINES)
def test_an_engine_of_a_placement(found: str, tmp_path: Path) -> None:
    text, says = ENGINES[found]
    engines = "".join(f"  {stage}: {{engine: x, model: x}}\n" for stage in ("vad", "stt", "tts"))
    text = f"engines:\n{engines}  llm: {{engine: x, model: x, {text}}}\n"
    assert problem(load_placement, tmp_path / "placement.yaml", text).startswith(says)


# --- journals


def read_journal(path: Path) -> None:
    list(JournalReader(path).steps())


@pytest.mark.parametrize("found", ENTRIES)
def test_an_entry_of_a_journal(found: str, tmp_path: Path) -> None:
    entry, says = ENTRIES[found]
    path = tmp_path / "journal.jsonl"
    write_journal(path)
    header = path.read_text(encoding="utf-8").splitlines()[0]
    assert problem(read_journal, path, f"{header}\n{entry}\n").startswith(says)


@pytest.mark.parametrize("version", ['"a\\nb"', "[2]", '{"a": 2}', "null", '"' + "x" * 5_000 + '"'])
def test_a_journal_of_a_version_that_is_none(version: str, tmp_path: Path) -> None:
    text = f'{{"journal": {JOURNAL_VERSION}, "reducer": {version}}}\n'
    assert problem(read_journal, tmp_path / "journal.jsonl", text).startswith(
        "was written by reducer an unknown version"
    )


def test_a_segment_with_a_number_below_0() -> None:
    script = Script(policy(greeting="Good morning.")).open()
    script.do(events.SegmentSounded, run_id=script.run_id, segment_index=-2)
    assert script.ignored == "segment_not_requested"


# --- sound


def test_samples_whose_sum_is_beyond_any_number(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    soundfile.write(str(path), np.full((160, 8), 3e38, dtype=np.float32), 8_000, subtype="FLOAT")
    assert read_wav(path).samples.max() == 32_767


def test_a_flac_takes_no_memory_for_what_it_only_promises(tmp_path: Path) -> None:
    path = tmp_path / "short.flac"
    soundfile.write(str(path), np.full((160, 8), 100, dtype=np.int16), 192_000, format="FLAC")
    data = bytearray(path.read_bytes())
    # The last 36 bits of these 8 bytes of STREAMINFO are the number of samples.
    data[18:26] = (int.from_bytes(data[18:26]) >> 36 << 36 | PROMISED_SAMPLES).to_bytes(8)
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(WavError):
            read_sound(path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()
