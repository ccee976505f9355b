"""What another policy would have done in a recorded call: the first difference, no earlier and no later."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.session_fuzz import random_policy, random_session
from support.session_journal import write_journal
from support.session_script import SPECULATIVE, Script, policy

from voice_orchestrator.runtime.journal_reader import JournalError
from voice_orchestrator.runtime.other_policy import Comparison, Divergence, compare
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import (
    AwayPolicy,
    GenerationPolicy,
    InterruptionPolicy,
    SessionPolicy,
)


def cough_over_the_agent() -> Script:
    """One turn, and a cough of 240 ms over the reply that pauses it."""
    script = Script().open().after(1_000).say("Are you open today?").respond("Yes, of course we are.")
    script.after(500).start_speaking()
    script.wait(300)
    script.stop_speaking()
    script.transcribed("Yes.")
    script.wait(500)
    script.do(e.CallerHungUp)
    return script


def compared(folder: Path, script: Script, other: SessionPolicy) -> Comparison:
    path = folder / "journal.jsonl"
    write_journal(path, script)
    return compare(path, other)


def difference(folder: Path, script: Script, **changes: Any) -> Divergence:
    found = compared(folder, script, replace(script.state.policy, **changes)).divergence
    assert found is not None
    return found


def names(commands: tuple[Any, ...]) -> list[str]:
    return [command.get("message", command)["is"] for command in commands]


def test_the_same_policy_does_the_same(tmp_path: Path) -> None:
    script = cough_over_the_agent()
    found = compared(tmp_path, script, script.state.policy)
    assert found.divergence is None
    assert (found.session_id, found.profile, found.events) == ("abc123", "clinic", len(script.log))


@pytest.mark.parametrize("seed", range(10))
def test_the_same_policy_does_the_same_in_any_session(tmp_path: Path, seed: int) -> None:

    script = Script(random_policy(random.Random(seed)))
    script.log = random_session(seed, 150)[1]
    path = tmp_path / "journal.jsonl"
    write_journal(path, script)
    assert compare(path, script.state.policy).divergence is None


def test_a_policy_that_differs_in_what_never_mattered_does_the_same(tmp_path: Path) -> None:
    script = cough_over_the_agent()
    other = replace(script.state.policy, away=AwayPolicy(prompts=("Hello?",)))
    assert compared(tmp_path, script, other).divergence is None


def test_other_words_for_the_model_differ_at_the_first_prompt(tmp_path: Path) -> None:
    script = cough_over_the_agent()
    found = difference(tmp_path, script, system_text="Be long.")
    assert type(found.event).__name__ == "InferenceReady"
    assert names(found.recorded) == names(found.now)


def test_other_sampling_differs_where_the_reply_is_asked_for(tmp_path: Path) -> None:
    found = difference(tmp_path, cough_over_the_agent(), generation=GenerationPolicy(max_tokens=7))
    assert "Generate" in names(found.now)
    (was,) = [each["message"] for each in found.recorded if each.get("message", {}).get("is") == "Generate"]
    (now,) = [each["message"] for each in found.now if each.get("message", {}).get("is") == "Generate"]
    assert (was["max_tokens"], now["max_tokens"]) == (80, 7)


def test_a_shorter_wait_answers_at_a_moment_the_record_does_not_have(tmp_path: Path) -> None:
    script = cough_over_the_agent()
    turns = replace(script.state.policy.turn_taking, min_delay_ms=300, max_delay_ms=300)
    found = difference(tmp_path, script, turn_taking=turns)
    assert found.line is None
    assert found.recorded == ()
    assert "Generate" in names(found.now)
    spoken_until_ms = 1_000 + 1_000 - 200
    assert found.event == e.Tick(at_ms=spoken_until_ms + 300)


def test_a_longer_wait_does_nothing_at_the_recorded_moment(tmp_path: Path) -> None:
    script = cough_over_the_agent()
    turns = replace(script.state.policy.turn_taking, min_delay_ms=900)
    found = difference(tmp_path, script, turn_taking=turns)
    assert type(found.event).__name__ == "Tick"
    assert found.line is not None
    assert "Generate" in names(found.recorded)
    assert found.now == ()


def test_a_reply_begun_early_differs_where_it_begins(tmp_path: Path) -> None:
    found = difference(tmp_path, cough_over_the_agent(), turn_taking=SPECULATIVE)
    assert type(found.event).__name__ == "CallerTranscribed"
    assert "Generate" in names(found.now)
    assert "Generate" not in names(found.recorded)


def test_an_agent_that_always_finishes_does_not_pause(tmp_path: Path) -> None:
    found = difference(tmp_path, cough_over_the_agent(), interruptions=InterruptionPolicy(enabled=False))
    assert type(found.event).__name__ == "SpeechStarted"
    assert names(found.recorded) == ["PauseRun", "BargeIn"]
    assert found.now == ()


def test_a_journal_that_does_not_replay_is_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, cough_over_the_agent())
    text = path.read_text(encoding="utf-8")
    assert '"max_tokens":80,' in text
    head, *rest = text.splitlines(keepends=True)
    path.write_text(head + "".join(rest).replace('"max_tokens":80,', '"max_tokens":81,'), encoding="utf-8")
    with pytest.raises(JournalError, match="does not even replay under its own profile"):
        compare(path, policy())
