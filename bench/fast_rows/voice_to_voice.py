"""From the caller's last speech sample to the agent's first: measured in recordings, beside what was reported."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import soundfile
from fast_rows.clips import Clip
from fast_rows.naive import NaiveTurn
from fast_rows.product import Made
from fast_rows.row import Row
from many_callers.figures import percentile
from numpy.typing import NDArray

LOUD: Final = 200
"""An agent sample counts from here on, of 32,768: what comes before it nobody hears."""

MS_PER_S: Final = 1_000
STAGES: Final = ("endpointing", "transcription", "first_token", "first_clause", "synthesis", "delivery")
ENGINES: Final = ("stt", "llm", "tts")
RATIO_P50_MAX: Final = 0.35
RATIO_P95_MAX: Final = 0.6
REST_P50_MAX_MS: Final = 100.0
CROWD_MAX: Final = 2.0


@dataclass(slots=True)
class Answers:
    """What came of the turns of some calls, ms. `cut`: answered before the caller had finished; no latency is taken."""

    latencies_ms: list[float] = field(default_factory=list)
    reported_ms: list[float] = field(default_factory=list)
    stages_ms: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})
    queued_ms: dict[str, list[float]] = field(default_factory=lambda: {engine: [] for engine in ENGINES})
    cut: int = 0
    unanswered: int = 0

    @property
    def rest_ms(self) -> list[float]:
        """Of every reported turn, everything but the wait for the end of the turn."""
        return [total - waited for total, waited in zip(self.reported_ms, self.stages_ms["endpointing"], strict=True)]

    def take(self, call: Made, clips: Sequence[Clip]) -> None:
        """Adds a call in which `clips` were said."""
        samples, rate_hz = soundfile.read(call.folder / "recording.wav", dtype="int16", always_2d=True)
        agent = samples[:, 1]
        starts_ms = [file["start_ms"] for file in call.report["files"]]
        for index, (clip, start_ms) in enumerate(zip(clips, starts_ms, strict=True)):
            if start_ms is None:
                self.unanswered += 1
                continue
            following = [ms for ms in starts_ms[index + 1 :] if ms is not None]
            until = following[0] * rate_hz // MS_PER_S if following else len(agent)
            self.take_turn(agent, rate_hz, start_ms, clip, until)
        for turn in call.report["turns"]:
            if "stages_ms" in turn:
                self.reported_ms.append(turn["total_ms"])
                for stage in STAGES:
                    self.stages_ms[stage].append(turn["stages_ms"][stage])

        record = json.loads((call.record / "report.json").read_text(encoding="utf-8"))
        for turn in record["turns"]:
            for engine in ENGINES:
                if found := turn.get("engines", {}).get(engine):
                    # Of the voice, the segment that was waited for.
                    first = found[0] if isinstance(found, list) else found
                    self.queued_ms[engine].append(first["queued_ms"])

    def take_turn(self, agent: NDArray[np.int16], rate_hz: int, start_ms: int, clip: Clip, until: int) -> None:
        """Adds one turn: `clip` was played from `start_ms` on, and the caller's next sound begins at sample `until`."""
        begin = round(start_ms * rate_hz / MS_PER_S + clip.speech_start_s * rate_hz)
        end = round(start_ms * rate_hz / MS_PER_S + clip.speech_end_s * rate_hz)
        loud = np.abs(agent[begin:until].astype(np.int32)) > LOUD
        if loud[: end - begin].any():
            self.cut += 1
        elif not (found := np.flatnonzero(loud[end - begin :])).size:
            self.unanswered += 1
        else:
            self.latencies_ms.append(float(found[0]) * MS_PER_S / rate_hz)


def one_caller_rows(answers: Answers, naive: Sequence[NaiveTurn]) -> list[Row]:
    """One caller of the product against the naive sequence on the same clips."""
    ours, theirs = answers.latencies_ms, [turn.total_ms for turn in naive]
    rows = [
        Row(what="voice-to-voice, one caller, p50", value=_at(ours, 50), unit="ms", note=_turns(answers)),
        Row(what="voice-to-voice, one caller, p95", value=_at(ours, 95), unit="ms"),
        Row(what="naive sequence, p50", value=_at(theirs, 50), unit="ms", note=_parts(naive)),
        Row(what="naive sequence, p95", value=_at(theirs, 95), unit="ms", note=f"{len(theirs)} turns"),
    ]
    for share, bar in ((50, RATIO_P50_MAX), (95, RATIO_P95_MAX)):
        ratio = ratio_of(_at(ours, share), _at(theirs, share))
        rows.append(Row(what=f"one caller : naive, p{share}", value=ratio, unit="x", bar_max=bar))
    rest = Row(
        what="everything except the endpointing wait, p50",
        value=_at(answers.rest_ms, 50),
        unit="ms",
        bar_max=REST_P50_MAX_MS,
        note=f"reported, {len(answers.rest_ms)} turns; p95 {percentile(answers.rest_ms, 95):.0f} ms",
    )
    return [*rows, rest, *stage_rows(answers)]


def stage_rows(answers: Answers) -> list[Row]:
    """Where the time of the turns went, as the orchestrator reported it, and how much of it was waiting for engines."""
    told = Row(what="  as reported, from VAD's end of speech, p50", value=_at(answers.reported_ms, 50), unit="ms")
    stages = [
        Row(
            what=f"    {stage.replace('_', ' ')}, p50",
            value=_at(values, 50),
            unit="ms",
            note=f"p95 {percentile(values, 95):.0f} ms",
        )
        for stage, values in answers.stages_ms.items()
    ]
    queues = [
        Row(
            what=f"    waited for the {engine} engine, p50",
            value=_at(values, 50),
            unit="ms",
            note=f"p95 {percentile(values, 95):.0f} ms",
        )
        for engine, values in answers.queued_ms.items()
    ]
    return [told, *stages, *queues]


def crowd_rows(one: Answers, crowd: Answers, callers: int) -> list[Row]:
    """Several callers at once against one."""
    many, what = crowd.latencies_ms, f"voice-to-voice, {callers} callers"
    return [
        Row(what=f"{what}, p50", value=_at(many, 50), unit="ms", note=_turns(crowd)),
        Row(what=f"{what}, p95", value=_at(many, 95), unit="ms"),
        Row(
            what=f"{callers} callers : one caller, p95",
            value=ratio_of(_at(many, 95), _at(one.latencies_ms, 95)),
            unit="x",
            bar_max=CROWD_MAX,
        ),
        *stage_rows(crowd),
    ]


def ratio_of(some: float | None, whole: float | None) -> float | None:
    """None where either is missing."""
    return some / whole if some is not None and whole else None


def raw(answers: Answers) -> dict[str, Any]:
    """Every figure, for a file."""
    return {
        "latencies_ms": answers.latencies_ms,
        "reported_ms": answers.reported_ms,
        "stages_ms": answers.stages_ms,
        "queued_ms": answers.queued_ms,
        "cut": answers.cut,
        "unanswered": answers.unanswered,
    }


def _at(values: Sequence[float], share: float) -> float | None:
    return percentile(values, share) if values else None


def _turns(answers: Answers) -> str:
    lost = f", {answers.cut} cut in, {answers.unanswered} unanswered" if answers.cut or answers.unanswered else ""
    return f"{len(answers.latencies_ms)} turns{lost}"


def _parts(naive: Sequence[NaiveTurn]) -> str:
    if not naive:
        return ""
    parts = zip(*((turn.stt_ms, turn.llm_ms, turn.tts_ms) for turn in naive), strict=True)
    stt, llm, tts = (percentile(part, 50) for part in parts)
    return f"silence 200, STT {stt:.0f}, LLM {llm:.0f}, TTS {tts:.0f} ms"
