"""What a scenario file means, and what is said of a wrong one."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.wav_files import tone, write_wav

from voice_operations.settings_file import SettingsError
from voice_orchestrator.audio_files.wav_reader import WavError
from voice_orchestrator.edges.scenario import Moment, PlaySound, PressKey, Scenario, Talk
from voice_orchestrator.edges.scenario_file import read_scenario


def read(folder: Path, text: str) -> Scenario:
    (folder / "sounds").mkdir(exist_ok=True)
    write_wav(folder / "sounds" / "a.wav", tone(440.0, seconds=0.25))
    path = folder / "story.yaml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(folder, text)
    return str(caught.value)


def test_every_kind_of_step_is_read(tmp_path: Path) -> None:
    story = read(
        tmp_path,
        """
description: all there is
steps:
  - play: sounds/a.wav
  - play: sounds/a.wav
    over_agent_ms: 700
    after_ms: 100
    give_up_ms: 900
  - key: "#"
    after_ms: 300
  - press: true
    after_answer: true
  - release: true
    after_ms: 0
""",
    )
    assert [type(step.action) for step in story.steps] == [PlaySound, PlaySound, PressKey, Talk, Talk]
    assert [step.moment for step in story.steps] == [
        Moment(),
        Moment(over_agent_ms=700, after_ms=100, give_up_ms=900),
        Moment(after_ms=300),
        Moment(),
        Moment(after_ms=0),
    ]
    first = story.steps[0].action
    assert isinstance(first, PlaySound)
    assert (first.file, len(first.sound.samples)) == ("sounds/a.wav", 4_000)
    assert [step.moment.name for step in story.steps] == [
        "after_answer",
        "over_agent",
        "after",
        "after_answer",
        "after",
    ]
    assert story.steps[3].action == Talk(pressed=True)
    assert story.steps[4].action == Talk(pressed=False)


def test_gain_scales_the_samples_and_stops_at_full_scale(tmp_path: Path) -> None:
    text = "steps: [{play: sounds/a.wav}, {play: sounds/a.wav, gain_db: -20}, {play: sounds/a.wav, gain_db: 30}]"
    actions = [step.action for step in read(tmp_path, text).steps]
    plain, soft, loud = (action.sound.samples.astype(int) for action in actions if isinstance(action, PlaySound))
    assert np.abs(soft - plain / 10).max() <= 1
    assert (loud.min(), loud.max()) == (-32_768, 32_767)


def test_flac_is_played_like_wav(tmp_path: Path) -> None:
    samples = (20_000 * tone(440.0)).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", samples, 16_000, subtype="PCM_16")
    write_wav(tmp_path / "a.wav", samples)
    (tmp_path / "s.yaml").write_text("steps: [{play: a.flac}, {play: a.wav}]")
    flac, wav = (step.action for step in read_scenario(tmp_path / "s.yaml").steps)
    assert isinstance(flac, PlaySound)
    assert isinstance(wav, PlaySound)
    assert np.array_equal(flac.sound.samples, wav.sound.samples)


def test_a_flac_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(440.0, seconds=3.0) * np.linspace(0, 1, 48_000), 16_000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (tmp_path / "s.yaml").write_text("steps: [{play: a.flac}]")
    with pytest.raises(WavError, match=r"a\.flac: "):
        read_scenario(tmp_path / "s.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: [{pley: sounds/a.wav}]", "story.yaml: steps.0.pley: unknown key; did you mean play?"),
        ("steps: []", "story.yaml: steps: "),
        ("stepps: [{play: sounds/a.wav}]", "stepps: unknown key; did you mean steps?"),
        ("steps: [{over_agent_ms: 5}]", "steps.0: value error, must have exactly one of play, key, press, release"),
        ("steps: [{play: sounds/a.wav, key: '1'}]", "must have exactly one of play, key, press, release"),
        ("steps: [{key: '12'}]", "steps.0.key: "),
        ("steps: [{key: '1', gain_db: 3}]", "gain_db belongs to a step that plays a sound"),
        ("steps: [{play: sounds/a.wav, after_answer: true, after_ms: 3}]", "after_answer excludes"),
        ("steps: [{play: sounds/a.wav, over_agent_ms: -1}]", "steps.0.over_agent_ms: "),
        ("steps: [{press: false}]", "steps.0.press: "),
    ],
)
def test_a_wrong_scenario_is_refused_by_the_place_and_the_reason(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_a_sound_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WavError, match=r"b\.wav: there is no such file"):
        read(tmp_path, "steps: [{play: sounds/b.wav}]")
