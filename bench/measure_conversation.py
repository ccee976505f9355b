"""Measures a conversation from the samples of its recording: `measure_conversation.py RECORDING caller.json`.

Reads the recording (caller left, agent right, one timeline), what the caller did and when (caller.json), and the true
bounds of the sounds he played (manifest.jsonl); it knows nothing of the product and asks it nothing. With --playout it
also says which sounds the caller's loudspeaker took for one reply. An agent sample is
one that is not zero: nothing played is exact zeros, and the longest run of zeros inside a voice's speech was 70 ms.

  agent's sound   samples with less than 200 ms of zeros between them
  interruption    a sound of the kind `interruption` whose true onset falls into the agent's sound
  stop time       from the true onset to the agent's last sample before 200 ms or more of zeros
  missed          the agent has no such gap until 1 s after the interruption's true end, or what follows the gap begins
                  before 300 ms after that end, or goes on where it stopped (continuity.py)
  false one       a cough, click or backchannel whose true onset falls into the agent's sound
  resumed         the agent goes on without a gap of 120 ms or more that begins between onset and 300 ms after its end,
                  or goes on within 3 s of the gap's beginning where it stopped, with nothing lost or repeated
  unclear         the joint lies in near silence, or the agent had just ended in silence (80 ms below 100): samples
                  alone do not tell a pause from the end of a reply
  settled         what playout.json, when given, makes of the same: whether the loudspeaker played the same reply before
                  and after the gap, and whether a reply had come to its end by itself (`ended`, counted apart)
  cut in two      the agent's sound begins between first and last speech sample of a sentence with pauses inside
  voice-to-voice  from the last speech sample of a sentence to the first agent sample after it
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from continuity import Joint, Verdict, judge
from numpy.typing import NDArray
from playout_ledger import Across, Ledger

ROOT: Final = Path(__file__).resolve().parent.parent
MANIFEST: Final = ROOT / "test_data" / "conversation" / "manifest.jsonl"
RATE_HZ: Final = 16_000
MS: Final = RATE_HZ // 1_000
GAP: Final = 200 * MS
PAUSE: Final = 120 * MS
HOLE: Final = 3 * MS
HOLE_LEVEL: Final = 100
"""Zeros this long beside a sample this loud are not speech's own: the sound was not there in time."""

FALSE_KINDS: Final = frozenset({"cough", "click", "backchannel"})
WITHIN: Final = 1_000 * MS
RESUME: Final = 3_000 * MS
PAUSE_WITHIN: Final = 300 * MS
FALSE_OUTCOMES: Final = {
    Verdict.CONTINUOUS: "resumed",
    Verdict.QUIET: "unclear",
    Verdict.BROKEN: "broken",
    Verdict.REPEATED: "repeated",
}
TOO_SOON: Final = 300 * MS
TAIL: Final = 80 * MS
TAIL_LEVEL: Final = 100

Samples = NDArray[np.int16]


class WrongInputError(Exception):
    """The three files do not belong together; the text says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sound of the caller's on the recording's timeline; `onset` and `end` of its speech, samples."""

    step: int
    file: str
    kind: str
    text: str
    onset: int
    end: int
    pauses: tuple[tuple[int, int], ...]
    until: int
    """Where the next step begins, or the recording ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was measured of one sound. `outcome` is in the words of this file's head; times in ms."""

    step: int
    file: str
    kind: str
    outcome: str
    onset_s: float
    settled: str | None = None
    gap_samples: tuple[int, int] | None = None
    stop_ms: float | None = None
    pause_ms: float | None = None
    joint: str | None = None
    joint_error: float | None = None
    voice_to_voice_ms: float | None = None
    pauses: int = 0
    pauses_cut: int = 0


@dataclass(slots=True)
class Agent:
    """The agent's side of a recording."""

    samples: Samples
    heard: NDArray[np.intp] = field(init=False)

    def __post_init__(self) -> None:
        self.heard = np.flatnonzero(self.samples)

    def gap_after(self, at: int, length: int) -> tuple[int, int] | None:
        """First stretch of `length` or more zeros that begins after `at`; its end is one past its last zero."""
        later = self.heard[np.searchsorted(self.heard, at) :]
        if not len(later):
            return None
        wide = np.flatnonzero(np.diff(later) > length)
        if len(wide):
            return int(later[wide[0]]) + 1, int(later[wide[0] + 1])
        return (int(later[-1]) + 1, len(self.samples)) if len(self.samples) - int(later[-1]) > length else None

    def sounds_at(self, at: int) -> bool:
        """Whether `at` lies in the agent's sound."""
        index = int(np.searchsorted(self.heard, at))
        if index == len(self.heard):
            return False
        if self.heard[index] == at:
            return True
        return index > 0 and int(self.heard[index] - self.heard[index - 1]) <= GAP

    def beginnings(self) -> NDArray[np.intp]:
        """First samples after 200 ms or more of zeros."""
        if not len(self.heard):
            return self.heard
        first = np.concatenate([[True], np.diff(self.heard) > GAP])
        begins: NDArray[np.intp] = self.heard[first]
        return begins

    def joint(self, gap: tuple[int, int]) -> Joint:
        """What was found where the sound before and after a gap was joined."""
        return judge(self._solid(gap[0] - GAP, gap[0]), self._solid(gap[1], gap[1] + GAP))

    def _solid(self, start: int, end: int) -> NDArray[np.float64]:
        """The sound between two positions without the holes in it, where the next sample was late, not lost."""
        piece = self.samples[max(0, start) : end]
        heard = np.flatnonzero(piece)
        if not len(heard):
            return np.zeros(0)
        piece = piece[heard[0] : heard[-1] + 1]
        keep = np.ones(len(piece), dtype=bool)
        for begin, finish in _holes(piece):
            keep[begin:finish] = False
        return piece[keep].astype(np.float64)

    def holes_ms(self) -> list[float]:
        """Lengths of the holes in the agent's sound, ms: zeros of 3 to 200 ms beside loud samples."""
        return [(end - begin) / MS for begin, end in _holes(self.samples)]


def _holes(sound: Samples) -> list[tuple[int, int]]:
    """First and one past the last zero of every hole."""
    heard = np.flatnonzero(sound)
    found = []
    for index in np.flatnonzero((np.diff(heard) > HOLE) & (np.diff(heard) <= GAP)):
        begin, end = int(heard[index]) + 1, int(heard[index + 1])
        beside = np.concatenate([sound[max(0, begin - MS) : begin], sound[end : end + MS]])
        if np.abs(beside.astype(np.int32)).max() > HOLE_LEVEL:
            found.append((begin, end))
    return found


def read_said(caller: dict[str, Any], manifest: Path, end: int) -> list[Said]:
    """The caller's sounds that the manifest knows."""
    rows = {row["file"]: row for row in map(json.loads, manifest.read_text(encoding="utf-8").splitlines())}
    steps = [step for step in caller["steps"] if "play" in step]
    said = []
    for index, step in enumerate(steps):
        row = rows.get(step["play"])
        if row is None:
            raise WrongInputError(f"{manifest} does not know {step['play']}")
        start = step["start_samples"]
        if start + row["samples"] > end:
            continue  # the call ended in the middle of it
        said.append(
            Said(
                step=step["step"],
                file=step["play"],
                kind=row["kind"],
                text=row["text"],
                onset=start + row["speech_start_samples"],
                end=start + row["speech_end_samples"],
                pauses=tuple((start + a, start + b) for a, b in row.get("pauses_samples", ())),
                until=steps[index + 1]["start_samples"] if index + 1 < len(steps) else end,
            )
        )
    return said


def check_caller(caller: Samples, said: list[Said]) -> None:
    """Raises WrongInputError where the recording has no sound of the caller's in the place that is claimed."""
    for each in said:
        if not np.abs(caller[each.onset : each.end].astype(np.int32)).max(initial=0):
            raise WrongInputError(f"step {each.step} ({each.file}) is not in the recording where it should be")


def measure_interruption(agent: Agent, said: Said) -> Finding:
    """See the head of this file."""
    gap = agent.gap_after(said.onset, GAP)
    if gap is None or gap[0] > said.end + WITHIN:
        return _finding(said, "missed")
    facts: dict[str, Any] = {"stop_ms": (gap[0] - said.onset) / MS, "gap_samples": gap}
    if gap[1] >= min(len(agent.samples), said.until):
        return _finding(said, "stopped", **facts)
    joint = agent.joint(gap)
    facts |= {"joint": joint.verdict.value, "joint_error": joint.error}
    goes_on = gap[1] < said.end + TOO_SOON or joint.verdict in (Verdict.CONTINUOUS, Verdict.REPEATED)
    return _finding(said, "missed" if goes_on else "stopped", **facts)


def measure_false(agent: Agent, said: Said) -> Finding:
    """See the head of this file."""
    gap = agent.gap_after(said.onset, PAUSE)
    if gap is None or gap[0] > said.end + PAUSE_WITHIN:
        return _finding(said, "resumed", pause_ms=0.0)
    facts: dict[str, Any] = {"stop_ms": (gap[0] - said.onset) / MS, "gap_samples": gap}
    if gap[1] - gap[0] > RESUME or gap[1] >= len(agent.samples):
        tail = np.abs(agent.samples[max(0, gap[0] - TAIL) : gap[0]].astype(np.int32)).max(initial=0)
        return _finding(said, "unclear" if tail < TAIL_LEVEL else "silenced", **facts)
    joint = agent.joint(gap)
    facts |= {"pause_ms": (gap[1] - gap[0]) / MS, "joint": joint.verdict.value, "joint_error": joint.error}
    return _finding(said, FALSE_OUTCOMES[joint.verdict], **facts)


def measure_sentence(agent: Agent, said: Said) -> Finding:
    """See the head of this file."""
    begins = agent.beginnings()
    inside = begins[(begins > said.onset) & (begins < said.end)]
    # The agent answers a pause when its sound begins before the pause after it has begun.
    starts = np.array([pause[0] for pause in said.pauses], dtype=np.intp)
    cut = len({int(np.searchsorted(starts, at)) for at in inside} - {0}) if len(starts) else 0
    facts: dict[str, Any] = {"pauses": len(said.pauses), "pauses_cut": cut}
    if len(inside):
        return _finding(said, "cut" if said.pauses else "talked_over", **facts)
    after = agent.heard[np.searchsorted(agent.heard, said.end) :]
    if not len(after) or after[0] >= said.until:
        return _finding(said, "unanswered", **facts)
    return _finding(said, "answered", voice_to_voice_ms=(int(after[0]) - said.end) / MS, **facts)


def _finding(said: Said, outcome: str, **facts: Any) -> Finding:  # noqa: ANN401
    return Finding(
        step=said.step, file=said.file, kind=said.kind, outcome=outcome, onset_s=round(said.onset / RATE_HZ, 3), **facts
    )


def measure(recording: Path, caller: Path, manifest: Path = MANIFEST, playout: Path | None = None) -> dict[str, Any]:
    """All findings of a call and what they come to; raises WrongInputError and OSError."""
    samples, rate_hz = soundfile.read(recording, dtype="int16", always_2d=True)
    if rate_hz != RATE_HZ or samples.shape[1] != 2:
        raise WrongInputError(f"{recording} is not a stereo recording of {RATE_HZ} Hz")
    document = json.loads(caller.read_text(encoding="utf-8"))
    said = read_said(document, manifest, len(samples))
    check_caller(samples[:, 0], said)
    agent = Agent(samples[:, 1])
    findings = []
    for each in said:
        over = agent.sounds_at(each.onset)
        if each.kind == "sentence":
            findings.append(_finding(each, "talked_over") if over else measure_sentence(agent, each))
        elif not over:
            findings.append(_finding(each, "agent_silent"))
        elif each.kind == "interruption":
            findings.append(measure_interruption(agent, each))
        else:
            findings.append(measure_false(agent, each))
    result = {
        "recording": str(recording),
        "seconds": round(len(samples) / RATE_HZ, 1),
        "finished": document["finished"],
        "late_agent_samples": document["late_agent_samples"],
        "holes_ms": agent.holes_ms(),
        "findings": [asdict(finding) for finding in findings],
        "summary": summary([asdict(finding) for finding in findings]),
    }
    if playout is not None:
        ledger = Ledger(json.loads(playout.read_text(encoding="utf-8")))
        result["findings"] = settled(result["findings"], ledger)
        result["settled"] = summary([{**each, "outcome": each["settled"]} for each in result["findings"]])
        result["missing_samples"], result["repeated_samples"] = ledger.missing_samples, ledger.repeated_samples
    return result


def settled(findings: list[dict[str, Any]], ledger: Ledger) -> list[dict[str, Any]]:
    """The findings, each with what the loudspeaker's ledger makes of it."""
    return [{**each, "settled": _settled(each, ledger)} for each in findings]


def _settled(finding: dict[str, Any], ledger: Ledger) -> str:
    outcome: str = finding["outcome"]
    if finding["gap_samples"] is None:
        return outcome
    start, end = finding["gap_samples"]
    match ledger.across(start, end):
        case Across.ENDED:
            return "ended"
        case Across.SAME:
            if finding["kind"] == "interruption":
                return "missed"
            return "resumed" if end - start <= RESUME else "silenced"
        case _:
            return "stopped" if finding["kind"] == "interruption" else "silenced"


def spread(values: list[float]) -> dict[str, float]:
    """n, p50 and p95."""
    if not values:
        return {"n": 0}
    p50, p95 = np.percentile(values, [50, 95])
    return {"n": len(values), "p50": round(float(p50), 1), "p95": round(float(p95), 1)}


def summary(findings: list[dict[str, Any]]) -> dict[str, Any]:
    """What findings, of one call or of many, come to."""

    def count(kinds: frozenset[str], *outcomes: str) -> int:
        return sum(each["kind"] in kinds and each["outcome"] in outcomes for each in findings)

    def all_of(name: str, *outcomes: str) -> list[float]:
        return [each[name] for each in findings if each[name] is not None and each["outcome"] in outcomes]

    true, sentence = frozenset({"interruption"}), frozenset({"sentence"})
    paused = [each for each in findings if each["kind"] == "sentence" and each["pauses"]]
    return {
        "interruptions": {
            "n": count(true, "stopped", "missed"),
            "missed": count(true, "missed"),
            "ended": count(true, "ended"),
            "agent_silent": count(true, "agent_silent"),
            "stop_ms": spread(all_of("stop_ms", "stopped")),
        },
        "false_interruptions": {
            "n": count(FALSE_KINDS, "resumed", "silenced", "broken", "repeated"),
            "resumed": count(FALSE_KINDS, "resumed"),
            "broken_or_repeated": count(FALSE_KINDS, "broken", "repeated"),
            "silenced": count(FALSE_KINDS, "silenced"),
            "unclear": count(FALSE_KINDS, "unclear"),
            "ended": count(FALSE_KINDS, "ended"),
            "agent_silent": count(FALSE_KINDS, "agent_silent"),
            "pause_ms": spread([ms for ms in all_of("pause_ms", "resumed") if ms]),
        },
        "sentences": {
            "n": sum(each["outcome"] in ("answered", "cut", "unanswered") for each in paused),
            "cut": sum(each["outcome"] == "cut" for each in paused),
            "pauses": sum(each["pauses"] for each in paused),
            "pauses_cut": sum(each["pauses_cut"] for each in paused),
            "unanswered": count(sentence, "unanswered"),
        },
        "voice_to_voice_ms": spread(all_of("voice_to_voice_ms", "answered")),
    }


def show(result: dict[str, Any]) -> None:
    """Prints findings and summary."""
    for each in result["findings"]:
        facts = [
            f"{name} {each[name]:.0f}"
            for name in ("stop_ms", "pause_ms", "voice_to_voice_ms", "joint_error")
            if each[name] is not None
        ]
        outcome = each["outcome"] + (f" ({each['settled']})" if each["settled"] not in (None, each["outcome"]) else "")
        print(f"{each['onset_s']:8.2f} s  {each['kind']:<13}{outcome:<22}{', '.join(facts):<50}{each['file']}")
    print(json.dumps(result.get("settled", result["summary"]), indent=2))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Measures a conversation from its recording.")
    parser.add_argument("recording", type=Path)
    parser.add_argument("caller", type=Path, help="caller.json of the same call")
    parser.add_argument("--manifest", type=Path, default=MANIFEST, help="true bounds of the caller's sounds")
    parser.add_argument("--playout", type=Path, help="playout.json of the same call, to settle what samples cannot")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    options = parser.parse_args()
    try:
        result = measure(options.recording, options.caller, options.manifest, options.playout)
    except (WrongInputError, OSError, soundfile.LibsndfileError) as error:
        sys.exit(f"error: {error}")
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
