"""Three minutes of human speech with pauses, coughs and interruptions: what the recording shows, without times."""

import json
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from measure_conversation import measure
from support.processes import ROOT, RunningNode, call_folder, run

pytestmark = [pytest.mark.models, pytest.mark.e2e, pytest.mark.timeout(600)]

SCENARIO = ROOT / "test_data" / "conversation" / "short.yaml"
PROFILE = ROOT / "bench" / "profiles" / "talkative.yaml"
MISSED_MAX, NOT_RESUMED_MAX, CUT_MAX = 0.02, 0.05, 0.05
"""Bars for many events; of a few, as many as the share begins."""


@pytest.fixture(scope="module")
def talked(node: RunningNode, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Folder of the call and what was measured in its recording."""
    out = tmp_path_factory.mktemp("conversation")
    done = run(
        "voice-orchestrator", "call", f"--scenario={SCENARIO}", f"--profile={PROFILE}",
        f"--inference={node.grpc}", f"--out={out}", "--json", timeout_s=500.0,
    )  # fmt: skip
    assert done.code == 0, done.err
    folder = call_folder(out)
    return folder, measure(folder / "recording.wav", folder / "caller.json", playout=folder / "playout.json")


def told(talked: tuple[Path, dict[str, Any]]) -> str:
    """The findings, for the message of a failure."""
    return "\n".join(f"{each['file']}: {each['outcome']} ({each['settled']})" for each in talked[1]["findings"])


def test_the_whole_scenario_was_played(talked: tuple[Path, dict[str, Any]]) -> None:
    assert talked[1]["finished"]
    assert talked[1]["settled"]["sentences"]["n"] == 5, told(talked)


def test_interruptions_stop_the_agent(talked: tuple[Path, dict[str, Any]]) -> None:
    found = talked[1]["settled"]["interruptions"]
    # On a slow machine some replies are over, or not begun, when they are to be interrupted.
    assert found["n"] >= 1, told(talked)
    assert found["missed"] <= ceil(MISSED_MAX * found["n"]), told(talked)


def test_false_interruptions_do_not(talked: tuple[Path, dict[str, Any]]) -> None:
    found = talked[1]["settled"]["false_interruptions"]
    assert found["n"] >= 2, told(talked)
    assert found["n"] - found["resumed"] <= ceil(NOT_RESUMED_MAX * found["n"]), told(talked)


def test_a_resumed_reply_goes_on_where_it_stopped(talked: tuple[Path, dict[str, Any]]) -> None:
    broken = [
        each
        for each in talked[1]["findings"]
        if each["settled"] == "resumed" and each["outcome"] in ("broken", "repeated")
    ]
    # The judge of joints takes 3 clean cuts in 100 for broken ones, so that one of a handful may be.
    assert len(broken) <= 1, told(talked)
    assert (talked[1]["missing_samples"], talked[1]["repeated_samples"]) == (0, 0)


def test_nothing_of_a_cancelled_reply_comes_after_its_flush(talked: tuple[Path, dict[str, Any]]) -> None:
    assert talked[1]["late_agent_samples"] == 0


def test_sentences_with_pauses_are_not_cut_in_two(talked: tuple[Path, dict[str, Any]]) -> None:
    found = talked[1]["settled"]["sentences"]
    assert found["cut"] <= ceil(CUT_MAX * found["n"]), told(talked)
    assert found["unanswered"] == 0, told(talked)


def test_the_journal_replays_identically(talked: tuple[Path, dict[str, Any]]) -> None:
    done = run("voice-orchestrator", "replay", str(talked[0] / "journal.jsonl"), "--json")
    assert done.code == 0, done.out
    assert json.loads(done.out)["identical"]
