"""The measurement, on recordings made here whose answers are known."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from measure_conversation import WrongInputError, measure
from numpy.typing import NDArray
from support.processes import ROOT, SPEECH

RATE_HZ = 16_000
LEAD_MS = 100
"""Silence in a caller's file before its speech."""


def ms(length: float) -> int:
    return int(length * RATE_HZ / 1_000)


def agent_speech(length_ms: float) -> NDArray[np.int16]:
    """Loud human speech without a zero in it, standing for the agent's."""
    clip, _ = soundfile.read(SPEECH / "arctic_a0024.wav", dtype="int16")
    speech = np.tile(clip[ms(250) : ms(3_700)], 4)[: ms(length_ms)]
    sound: NDArray[np.int16] = np.where(speech == 0, 1, speech).astype(np.int16)
    return sound


def faint(length_ms: float) -> NDArray[np.int16]:
    """What a voice sounds like between its words."""
    return np.random.default_rng(5).integers(1, 40, ms(length_ms)).astype(np.int16)


@dataclass(slots=True)
class Tape:
    """A recording, caller.json and manifest in the making; times in ms."""

    folder: Path
    seconds: float = 20.0
    samples: NDArray[np.int16] = field(init=False)
    steps: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.samples = np.zeros((int(self.seconds * RATE_HZ), 2), dtype=np.int16)

    def agent(self, at_ms: float, sound: NDArray[np.int16]) -> "Tape":
        self.samples[ms(at_ms) : ms(at_ms) + len(sound), 1] = sound
        return self

    def caller(self, at_ms: float, kind: str, length_ms: float, pauses_ms: tuple[tuple[int, int], ...] = ()) -> "Tape":
        """Speech of the caller from `at_ms` on; pauses are counted from there."""
        name = f"{kind}_{len(self.steps)}.flac"
        start, samples = ms(at_ms - LEAD_MS), ms(LEAD_MS + length_ms)
        self.samples[ms(at_ms) : ms(at_ms + length_ms), 0] = 5_000
        self.steps.append(
            {"step": len(self.steps), "play": name, "start_samples": start, "end_samples": start + samples}
        )
        self.rows[name] = {
            "file": name,
            "kind": kind,
            "text": "",
            "samples": samples,
            "speech_start_samples": ms(LEAD_MS),
            "speech_end_samples": samples,
            "pauses_samples": [[ms(LEAD_MS + a), ms(LEAD_MS + b)] for a, b in pauses_ms],
        }
        return self

    def write(self) -> tuple[Path, Path, Path]:
        recording, caller, manifest = (self.folder / name for name in ("r.flac", "caller.json", "manifest.jsonl"))
        soundfile.write(recording, self.samples, RATE_HZ, subtype="PCM_16")
        caller.write_text(json.dumps({"finished": True, "late_agent_samples": 0, "steps": self.steps}))
        manifest.write_text("".join(json.dumps(row) + "\n" for row in self.rows.values()))
        return recording, caller, manifest

    def result(self) -> dict[str, Any]:
        return measure(*self.write())

    def only(self) -> dict[str, Any]:
        (finding,) = self.result()["findings"]
        found: dict[str, Any] = finding
        return found


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path)


# --- interruptions


def test_the_stop_time_runs_from_the_true_onset_to_the_last_sample_of_the_agent(tape: Tape) -> None:
    tape.agent(1_000, agent_speech(2_117)).caller(3_000, "interruption", 400).agent(5_000, agent_speech(900))
    finding = tape.only()
    assert finding["outcome"] == "stopped"
    assert finding["stop_ms"] == pytest.approx(117.0, abs=0.1)


def test_an_agent_that_talks_on_missed_the_interruption(tape: Tape) -> None:
    finding = tape.agent(1_000, agent_speech(8_000)).caller(3_000, "interruption", 400).only()
    assert finding["outcome"] == "missed"
    assert finding["stop_ms"] is None


def test_an_agent_that_resumes_where_it_stopped_missed_the_interruption(tape: Tape) -> None:
    whole = agent_speech(5_000)
    tape.agent(1_000, whole[: ms(2_100)]).agent(4_500, whole[ms(2_100) :]).caller(3_000, "interruption", 400)
    assert tape.only()["outcome"] == "missed"


def test_an_agent_that_is_back_before_the_caller_could_be_answered_missed_the_interruption(tape: Tape) -> None:
    other = agent_speech(4_000)[ms(1_333) :]
    tape.agent(1_000, agent_speech(2_100)).agent(4_100, other).caller(3_000, "interruption", 1_000)
    assert tape.only()["outcome"] == "missed"


def test_a_pause_in_the_agents_speech_shorter_than_a_gap_is_no_stop(tape: Tape) -> None:
    whole = agent_speech(3_000)
    tape.agent(1_000, whole[: ms(2_050)]).agent(3_200, whole[ms(2_050) : ms(2_150)]).caller(3_000, "interruption", 400)
    assert tape.only()["stop_ms"] == pytest.approx(300.0, abs=0.1)


def test_an_interruption_while_the_agent_is_silent_counts_for_nothing(tape: Tape) -> None:
    result = tape.agent(1_000, agent_speech(1_000)).caller(3_000, "interruption", 400).result()
    assert result["findings"][0]["outcome"] == "agent_silent"
    assert result["summary"]["interruptions"]["n"] == 0


# --- false interruptions


def test_a_reply_that_goes_on_at_the_same_sample_has_resumed(tape: Tape) -> None:
    whole = agent_speech(5_000)
    tape.agent(1_000, whole[: ms(2_140)]).agent(4_000, whole[ms(2_140) :]).caller(3_000, "cough", 300)
    finding = tape.only()
    assert finding["outcome"] == "resumed"
    assert finding["pause_ms"] == pytest.approx(860.0, abs=0.1)
    assert finding["stop_ms"] == pytest.approx(140.0, abs=0.1)


def test_a_reply_that_was_never_paused_has_resumed(tape: Tape) -> None:
    finding = tape.agent(1_000, agent_speech(5_000)).caller(3_000, "click", 20).only()
    assert (finding["outcome"], finding["pause_ms"]) == ("resumed", 0.0)


@pytest.mark.parametrize(("shift_ms", "outcome"), [(20, "broken"), (-20, "repeated")])
def test_a_frame_that_was_lost_or_came_twice_is_found(tape: Tape, shift_ms: int, outcome: str) -> None:
    whole = agent_speech(5_000)
    tape.agent(1_000, whole[: ms(2_140)]).agent(4_000, whole[ms(2_140 + shift_ms) :]).caller(3_000, "backchannel", 300)
    assert tape.only()["outcome"] == outcome


def test_holes_behind_the_joint_are_late_samples_not_lost_ones(tape: Tape) -> None:
    whole = agent_speech(5_000)
    tape.agent(1_000, whole[: ms(2_140)]).agent(4_000, whole[ms(2_140) : ms(2_160)]).agent(4_027, whole[ms(2_160) :])
    result = tape.caller(3_000, "cough", 300).result()
    assert result["findings"][0]["outcome"] == "resumed"
    assert result["holes_ms"] == [pytest.approx(7.0, abs=0.1)]


def test_the_zeros_of_a_voices_own_silence_are_no_holes_and_no_pause(tape: Tape) -> None:
    whole = agent_speech(5_000)
    whole[ms(2_100) : ms(2_200)] = faint(100)
    whole[ms(2_110) : ms(2_180)] = 0
    result = tape.agent(1_000, whole).caller(3_000, "cough", 300).result()
    assert result["holes_ms"] == []
    assert (result["findings"][0]["outcome"], result["findings"][0]["pause_ms"]) == ("resumed", 0.0)


def test_a_reply_that_stays_away_was_silenced(tape: Tape) -> None:
    whole = agent_speech(9_000)
    tape.agent(1_000, whole[: ms(2_140)]).agent(6_500, whole[ms(2_140) :]).caller(3_000, "cough", 300)
    assert tape.only()["outcome"] == "silenced"


def test_silence_after_silence_is_unclear(tape: Tape) -> None:
    ending = np.concatenate([agent_speech(2_100), faint(120)])
    result = tape.agent(1_000, ending).caller(3_000, "cough", 300).result()
    assert result["findings"][0]["outcome"] == "unclear"
    assert result["summary"]["false_interruptions"] | {"pause_ms": {}} == {
        "n": 0, "resumed": 0, "broken_or_repeated": 0, "silenced": 0, "unclear": 1, "ended": 0, "agent_silent": 0,
        "pause_ms": {},
    }  # fmt: skip


# --- what the loudspeaker's ledger settles


def ledger(tape: Tape, *stretches: tuple[int, float, float], whole: tuple[int, ...] = ()) -> dict[str, Any]:
    """The result with a playout.json of these stretches: run, from, to (ms)."""
    spans = [{"run": run, "start_samples": ms(a), "end_samples": ms(b)} for run, a, b in stretches]
    runs = [
        {"run": run, "played_samples": 5, "total_samples": 5 if run in whole else None}
        for run in {run for run, _, _ in stretches}
    ]
    path = tape.folder / "playout.json"
    document = {"late_samples": 0, "missing_samples": 3, "repeated_samples": 4, "runs": runs, "stretches": spans}
    path.write_text(json.dumps(document))
    return measure(*tape.write(), path)


PAUSED = ((1, 1_000.0, 3_140.0), (1, 4_000.0, 6_860.0))


@pytest.fixture
def paused(tape: Tape) -> Tape:
    """A reply that stopped at 3.14 s in silence and went on at 4 s."""
    whole = agent_speech(5_000)
    whole[ms(2_100) : ms(2_200)] = faint(100)
    return tape.agent(1_000, whole[: ms(2_140)]).agent(4_000, whole[ms(2_140) :])


def test_one_reply_on_both_sides_of_a_quiet_joint_has_resumed(paused: Tape) -> None:
    result = ledger(paused.caller(3_000, "cough", 300), *PAUSED)
    assert (result["findings"][0]["outcome"], result["findings"][0]["settled"]) == ("unclear", "resumed")
    assert result["settled"]["false_interruptions"]["resumed"] == 1
    assert (result["missing_samples"], result["repeated_samples"]) == (3, 4)


def test_another_reply_after_a_false_interruption_is_none_that_resumed(paused: Tape) -> None:
    result = ledger(paused.caller(3_000, "cough", 300), PAUSED[0], (2, 4_000, 6_860))
    assert result["findings"][0]["settled"] == "silenced"


def test_a_reply_that_ended_by_itself_is_counted_apart(paused: Tape) -> None:
    result = ledger(paused.caller(3_000, "cough", 300), PAUSED[0], (2, 4_000, 6_860), whole=(1,))
    assert result["findings"][0]["settled"] == "ended"
    assert result["settled"]["false_interruptions"]["n"] == 0


def test_the_same_reply_after_an_interruption_is_a_missed_one(paused: Tape) -> None:
    result = ledger(paused.caller(3_000, "interruption", 300), *PAUSED)
    assert (result["findings"][0]["outcome"], result["findings"][0]["settled"]) == ("stopped", "missed")
    other = ledger(paused, PAUSED[0], (2, 4_000, 6_860))
    assert other["findings"][0]["settled"] == "stopped"


# --- sentences


def test_voice_to_voice_runs_from_the_last_speech_sample_to_the_first_of_the_agent(tape: Tape) -> None:
    tape.agent(500, agent_speech(900)).caller(3_000, "sentence", 1_500).agent(5_337, agent_speech(900))
    finding = tape.only()
    assert finding["outcome"] == "answered"
    assert finding["voice_to_voice_ms"] == pytest.approx(837.0, abs=0.1)


def test_an_agent_that_begins_in_a_pause_cut_the_sentence_in_two(tape: Tape) -> None:
    tape.caller(3_000, "sentence", 4_000, ((1_000, 1_600), (2_500, 3_500))).agent(6_100, agent_speech(400))
    result = tape.result()
    assert result["findings"][0]["outcome"] == "cut"
    assert result["summary"]["sentences"] == {"n": 1, "cut": 1, "pauses": 2, "pauses_cut": 1, "unanswered": 0}
    assert result["summary"]["voice_to_voice_ms"] == {"n": 0}


def test_a_sentence_that_is_let_finish_is_not_cut(tape: Tape) -> None:
    tape.caller(3_000, "sentence", 4_000, ((1_000, 1_600), (2_500, 3_500))).agent(7_900, agent_speech(400))
    assert tape.result()["summary"]["sentences"] == {"n": 1, "cut": 0, "pauses": 2, "pauses_cut": 0, "unanswered": 0}


def test_an_answer_after_the_next_step_is_none(tape: Tape) -> None:
    tape.caller(1_000, "sentence", 1_000).caller(5_000, "sentence", 1_000).agent(6_700, agent_speech(400))
    result = tape.result()
    assert [each["outcome"] for each in result["findings"]] == ["unanswered", "answered"]


# --- the whole


def test_the_summary_counts_and_spreads(tape: Tape) -> None:
    for index, stop_ms in enumerate((80, 100, 120)):
        tape.agent(1_000 + 6_000 * index, agent_speech(1_000 + stop_ms))
        tape.caller(2_000 + 6_000 * index, "interruption", 500)
    found = tape.result()["summary"]["interruptions"]
    assert (found["n"], found["missed"]) == (3, 0)
    assert found["stop_ms"] == {"n": 3, "p50": pytest.approx(100.0, abs=0.1), "p95": pytest.approx(118.0, abs=0.1)}


def test_a_sound_that_is_not_where_it_is_said_to_be_is_refused(tape: Tape) -> None:
    tape.caller(3_000, "sentence", 500)
    tape.samples[:, 0] = 0
    with pytest.raises(WrongInputError, match="step 0"):
        tape.result()


def test_a_sound_the_manifest_does_not_know_is_refused(tape: Tape) -> None:
    tape.caller(3_000, "sentence", 500)
    tape.rows.clear()
    with pytest.raises(WrongInputError, match=r"sentence_0\.flac"):
        tape.result()


def test_it_runs_as_a_program_and_says_what_is_wrong_in_one_line(tape: Tape) -> None:
    tape.agent(1_000, agent_speech(2_117)).caller(3_000, "interruption", 400)
    recording, caller, manifest = tape.write()
    words = [sys.executable, "bench/measure_conversation.py", str(recording), str(caller), f"--manifest={manifest}"]
    done = subprocess.run([*words, "--json"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(done.stdout)["summary"]["interruptions"]["stop_ms"]["n"] == 1
    recording.unlink()
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
