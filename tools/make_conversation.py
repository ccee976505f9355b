"""Makes test_data/conversation from a folder of clips with a manifest and licences: `make_conversation.py SOURCE_DIR`.

Sentences with pauses inside, coughs, clicks, backchannels and interruptions, each with the true samples at which speech
begins, ends and pauses, and the scenarios that play them to an agent. What it is made of stands in
conversation_plan.yaml. Backchannels of which there is no recording are spoken by the voice in VOICE_DIR (the folder of
en_US-joe-medium) at another pitch; without it the ones that are there are kept.

Onset and end of speech are by energy: the first of three 10 ms windows (every 5 ms), and the last, that are louder than
30 dB below the 99th percentile of the clip's windows and than 6 dB above its first 40 ms. Where the source's manifest
has marks set by hand and energy disagrees by more than 60 ms (breaths, reverberation, weak last sounds), the marks are
taken. Natural pauses are the source manifest's, marked by hand; inserted ones are exact.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import soxr
import yaml
from conversation_scenarios import scenarios
from numpy.typing import NDArray

ROOT: Final = Path(__file__).resolve().parent.parent
TARGET: Final = ROOT / "test_data" / "conversation"
SPEECH: Final = ROOT / "test_data" / "speech"
RATE_HZ: Final = 16_000
HOP: Final = RATE_HZ // 200
WINDOW: Final = 2 * HOP
LEAD: Final = RATE_HZ * 3 // 20
TAIL: Final = RATE_HZ // 5
FADE: Final = RATE_HZ // 100
EVENT_FADE: Final = RATE_HZ // 50
AGREE_SAMPLES: Final = RATE_HZ * 60 // 1_000
PAUSE_MIN_S: Final = 0.4
PAUSE_MAX_S: Final = 1.2
VOICE: Final = "en_US-joe-medium"
SPOKEN_PEAK: Final = 0.35

Sound = NDArray[np.float64]


def read(path: Path) -> Sound:
    """A clip, one channel at RATE_HZ."""
    samples, rate_hz = soundfile.read(path, dtype="float64")
    if rate_hz != RATE_HZ or samples.ndim != 1:
        sys.exit(f"error: {path} is not one channel of {RATE_HZ} Hz")
    return np.asarray(samples)


def levels_db(sound: Sound) -> Sound:
    """Level of every 10 ms window, 5 ms apart, dBFS."""
    energy = np.concatenate([[0.0], np.cumsum(sound**2)])
    at = np.arange(max(1, (len(sound) - WINDOW) // HOP + 1)) * HOP
    ends = np.minimum(at + WINDOW, len(sound))
    level: Sound = 10 * np.log10((energy[ends] - energy[at]) / WINDOW + 1e-12)
    return level


def speech_bounds(sound: Sound) -> tuple[int, int, float]:
    """First sample of speech, one past the last, and the threshold used, dBFS."""
    level = levels_db(sound)
    threshold = max(float(np.percentile(level, 99)) - 30.0, float(np.median(level[:7])) + 6.0)
    loud = level >= threshold
    three = np.flatnonzero(loud[:-2] & loud[1:-1] & loud[2:])
    if not len(three):  # a click is shorter than three windows
        three = np.flatnonzero(loud)
        return int(three[0]) * HOP, int(three[-1]) * HOP + WINDOW, threshold
    return int(three[0]) * HOP, min(len(sound), (int(three[-1]) + 2) * HOP + WINDOW), threshold


def faded(sound: Sound, samples: int) -> Sound:
    """`sound` with its first and last `samples` faded."""
    ramp = np.linspace(0.0, 1.0, samples)
    out = sound.copy()
    out[:samples] *= ramp
    out[-samples:] *= ramp[::-1]
    return out


def room(sound: Sound, samples: int) -> Sound:
    """So many samples of the clip's own background: its quietest 100 ms, forwards and backwards in turn."""
    length = RATE_HZ // 10
    energy = np.concatenate([[0.0], np.cumsum(sound**2)])
    starts = np.arange(0, len(sound) - length, HOP)
    at = int(starts[np.argmin(energy[starts + length] - energy[starts])])
    piece = sound[at : at + length]
    there_and_back = np.concatenate([piece, piece[::-1]])
    return np.resize(there_and_back, samples)


def insert_pause(sound: Sound, at: int, samples: int) -> Sound:
    """`sound` with `samples` of its background between `at` and what followed, faded over 10 ms at both joints."""
    fill = room(sound, samples + 2 * FADE)
    ramp = np.linspace(0.0, 1.0, FADE)
    fill[:FADE] = sound[at : at + FADE] * ramp[::-1] + fill[:FADE] * ramp
    fill[-FADE:] = fill[-FADE:] * ramp[::-1] + sound[at - FADE : at] * ramp
    return np.concatenate([sound[:at], fill[:FADE], fill[FADE:-FADE], fill[-FADE:], sound[at:]])


def write(name: str, sound: Sound) -> None:
    """Writes a FLAC under TARGET."""
    path = TARGET / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = np.clip(np.round(sound * 32_768), -32_768, 32_767).astype(np.int16)
    soundfile.write(path, pcm, RATE_HZ, subtype="PCM_16", format="FLAC")


def entry(
    name: str,
    kind: str,
    sound: Sound,
    marks: tuple[int | None, int | None] = (None, None),
    **more: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """The manifest's row of a file; `marks`: onset and end of speech set by hand, samples of `sound`, where known."""
    start, end, threshold = speech_bounds(sound)
    by = ["energy", "energy"]
    if marks[0] is not None and abs(start - marks[0]) > AGREE_SAMPLES:
        start, by[0] = marks[0], "hand"
    if marks[1] is not None and abs(end - marks[1]) > AGREE_SAMPLES:
        end, by[1] = marks[1], "hand"
    return {
        "file": name,
        "kind": kind,
        "samples": len(sound),
        "speech_start_samples": start,
        "speech_end_samples": end,
        "bounds_by": by,
        "threshold_dbfs": round(threshold, 1),
        **more,
    }


def sentence(plan: dict[str, Any], row: dict[str, Any], source: Path) -> dict[str, Any]:
    """Cuts a sentence, opens its pauses, writes it; gives its row."""
    clip = read(source / plan["clip"])
    cut = plan.get("cut") or [row["speech_start_s"] - LEAD / RATE_HZ, row["speech_end_s"] + TAIL / RATE_HZ]
    begin, end = max(0, round(cut[0] * RATE_HZ)), min(len(clip), round(cut[1] * RATE_HZ))
    sound = clip[begin:end]
    pauses = [
        [round(a * RATE_HZ) - begin, round(b * RATE_HZ) - begin]
        for a, b in row["pauses_s"]
        if PAUSE_MIN_S <= b - a <= PAUSE_MAX_S and b * RATE_HZ < end
    ]
    for where_s, length_s in sorted(plan.get("insert", ()), reverse=True):
        at = round(where_s * RATE_HZ) - begin
        length = round(length_s * RATE_HZ)
        sound = insert_pause(sound, at, length)
        pauses = [[a + length + 2 * FADE, b + length + 2 * FADE] if a >= at else [a, b] for a, b in pauses]
        pauses.append([at + FADE, at + FADE + length])
    added = sum(round(length_s * RATE_HZ) + 2 * FADE for _, length_s in plan.get("insert", ()))
    last = None if "cut" in plan else round(row["speech_end_s"] * RATE_HZ) - begin + added
    marks = (round(row["speech_start_s"] * RATE_HZ) - begin, last)
    name = f"sentences/{Path(plan['clip']).stem}.flac"
    write(name, faded(sound, FADE))
    made = "pauses inserted" if "insert" in plan else "natural pauses"
    text = plan.get("text", row["text"])
    facts = {"text": text, "pauses_samples": sorted(pauses), "made": made, **origin([row])}
    return entry(name, "sentence", faded(sound, FADE), marks, **facts)


def origin(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Where sound came from."""
    return {
        "speaker": " + ".join(dict.fromkeys(str(row.get("speaker") or row["kind"]) for row in rows)),
        "source": " + ".join(dict.fromkeys(row["file"] for row in rows)),
        "licence": " + ".join(dict.fromkeys(row["licence"] for row in rows)),
    }


def recorded_event(plan: dict[str, Any], rows: dict[str, dict[str, Any]], source: Path) -> dict[str, Any]:
    """Joins the parts of an event; gives its row."""
    parts: list[Sound] = []
    for part in plan["parts"]:
        if isinstance(part, float):
            parts.append(np.zeros(round(part * RATE_HZ)))
        else:
            clip = read(source / part[0])
            parts.append(faded(clip[round(part[1] * RATE_HZ) : round(part[2] * RATE_HZ)], EVENT_FADE // 4))
    sound = np.concatenate(parts)
    name = f"events/{plan['name']}.flac"
    write(name, sound)
    used = [rows[part[0]] for part in plan["parts"] if not isinstance(part, float)]
    marks: tuple[int | None, int | None] = (None, None)
    if "text" in plan and plan["text"] == used[0].get("text"):  # all that the clip says
        begin = round(plan["parts"][0][1] * RATE_HZ)
        marks = (round(used[0]["speech_start_s"] * RATE_HZ) - begin, round(used[0]["speech_end_s"] * RATE_HZ) - begin)
    made = "recording" if len(plan["parts"]) == 1 else "recordings joined"
    return entry(name, plan["kind"], sound, marks, text=plan.get("text", ""), made=made, **origin(used))


def spoken_event(plan: dict[str, Any], voice_dir: Path | None) -> dict[str, Any]:
    """Speaks a backchannel at another pitch, or takes the one that is there; gives its row."""
    name = f"events/{plan['name']}.flac"
    if voice_dir is not None:
        from piper import PiperVoice

        chunk = next(iter(PiperVoice.load(str(voice_dir / f"{VOICE}.onnx")).synthesize(plan["say"])))
        sound = soxr.resample(chunk.audio_float_array, chunk.sample_rate * plan["pitch"], RATE_HZ, quality="VHQ")
        sound = sound / np.abs(sound).max() * SPOKEN_PEAK
        start, end, _ = speech_bounds(sound)
        cut = sound[max(0, start - RATE_HZ // 12) : end + RATE_HZ // 10]
        write(name, faded(np.asarray(cut, dtype=np.float64), EVENT_FADE))
    elif not (TARGET / name).is_file():
        sys.exit(f"error: {TARGET / name} is not there; name the folder of {VOICE} with --voice")
    return entry(
        name, plan["kind"], read(TARGET / name), text=plan["text"], made=f"synthetic, pitch x {plan['pitch']}",
        speaker=f"{VOICE} at another pitch", source=VOICE, licence="CC0-1.0 (synthesised)",
    )  # fmt: skip


def plain(file: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row of a clip of test_data/speech that is played as it is; its bounds are searched near the hand's marks."""
    sound = read(SPEECH / file)
    marks = (round(row["speech_start_s"] * RATE_HZ), round(row["speech_end_s"] * RATE_HZ))
    begin = max(0, marks[0] - LEAD)
    near = (marks[0] - begin, marks[1] - begin)
    facts = {"text": row["text"], "pauses_samples": [], "made": "recording as it is", **origin([row])}
    made = entry(f"../speech/{file}", "sentence", sound[begin : marks[1] + TAIL], near, **facts)
    made["samples"] = len(sound)
    made["speech_start_samples"] += begin
    made["speech_end_samples"] += begin
    return made


def licences(source: Path, used: set[str]) -> str:
    """The source's licence page with its table cut to the clips that were used."""
    kept = ["# Licences and attribution of the sounds in this folder", ""]
    kept += [
        "Cut, joined, given pauses and converted to FLAC from the clips named below; `manifest.jsonl` says how each was"
    ]
    kept += ["made. Synthetic backchannels are CC0-1.0.", ""]
    for line in (source / "LICENSES.md").read_text().splitlines()[1:]:
        row = re.fullmatch(r"\| (.+) \| (.+) \| (.+\.wav.*) \|", line)
        if row is None:
            kept.append(line)
        elif files := [name for name in row[3].split(", ") if name in used]:
            kept.append(f"| {row[1]} | {row[2]} | {', '.join(files)} |")
    return "\n".join(kept) + "\n"


def main() -> None:
    """Writes the folder anew and says what is in it."""
    parser = argparse.ArgumentParser(description="Makes test_data/conversation.")
    parser.add_argument("source", type=Path, help="folder of clips with manifest.jsonl and LICENSES.md")
    parser.add_argument("--voice", type=Path, help=f"folder of {VOICE}, to speak the backchannels anew")
    options = parser.parse_args()
    source: Path = options.source
    plan = yaml.safe_load(Path(__file__).with_name("conversation_plan.yaml").read_text())
    rows = {row["file"]: row for row in map(json.loads, (source / "manifest.jsonl").read_text().splitlines())}
    made = [sentence(each, rows[each["clip"]], source) for each in plan["sentences"]]
    made += [plain(file, rows[file]) for file in plan["plain"]]
    made += [
        spoken_event(each, options.voice) if "say" in each else recorded_event(each, rows, source)
        for each in plan["events"]
    ]
    (TARGET / "manifest.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made))
    used = {name for row in made for name in row["source"].split(" + ")}
    (TARGET / "LICENSES.md").write_text(licences(source, used))
    for name, story in scenarios(made).items():
        (TARGET / name).write_text(yaml.safe_dump(story, sort_keys=False, allow_unicode=True, width=120))
    size_kb = sum(path.stat().st_size for path in TARGET.rglob("*") if path.is_file()) // 1_000
    pauses = sum(len(row.get("pauses_samples", ())) for row in made)
    print(f"{len(made)} sounds, {pauses} pauses inside sentences, {size_kb} kB in {TARGET}")


if __name__ == "__main__":
    main()
