"""`make bench-end-of-turn`: what tells an end from a pause, and what waiting for it costs, on human speech.

Every recording is heard as a node hears it: VAD finds the pauses; at each the end-of-turn model judges the voice, the
language model the words that were transcribed up to there, and the transcription says how likely a comma follows them.
Pauses inside a recording are held against its end: area under the ROC curve (how often a random end is judged higher
than a random pause) for the voice, the words, the mark and all of them; then, for the product's rule and for two
others, how long ends are waited for and how many pauses are taken for ends.
"""

# ruff: noqa: E402 - the environment is made before the libraries that read it are loaded

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from voice_inference.native_threads import keep_native_threads_calm

# As `voice-inference` does.
keep_native_threads_calm()

import numpy as np
import soundfile
from first_call import ROOT, SPEECH
from many_callers.figures import percentile

from voice_contract.audio import SAMPLE_RATE_HZ, samples_from_ms
from voice_contract.messages import ChatMessage, ChatRole, SpeechEnded, SpeechStarted
from voice_inference.bench.engine_parts import EngineParts
from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.cli.default_placement import default_placement
from voice_inference.engines.base import CancelToken, EndOfTurnEngine, FloatSamples, LlmEngine, SttEngine, VadEngine
from voice_inference.placement.machine import ThisMachine
from voice_inference.placement.model import load_placement
from voice_inference.placement.resolve import resolve
from voice_inference.server.speech_segmenter import SpeechSegmenter
from voice_orchestrator.session.endpointing import delay_ms, finished_likelihood
from voice_orchestrator.session.policy import VAD_DEFAULT, TurnTakingPolicy
from voice_orchestrator.session.speech import LEAD_IN_SAMPLES
from voice_orchestrator.session.state import Origin, Turn

FOLDERS: Final = (SPEECH, ROOT / "test_data" / "conversation")
QUIET_BEFORE_S: Final = 0.5
QUIET_AFTER_S: Final = 1.5
QUIET: Final = 1e-4
PERSONA: Final = (
    "You are Joe, the friendly receptionist of a dental practice. Answer in one or two short spoken sentences."
)
GREETING: Final = "Bright Smile Dental, this is Joe. How can I help you?"
PEER_SILENCE_MS: Final = 200
PEER_LONGEST_MS: Final = 3_000
PEER_SCORE: Final = 0.5
FIXED_MS: Final = 700
SILENCE: Final = samples_from_ms(VAD_DEFAULT.min_silence_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A sentence with quiet around it."""

    name: str
    samples: FloatSamples


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A silence VAD heard, and what was made of it. `length_ms` None: it is the end."""

    name: str
    length_ms: float | None
    turn: Turn

    @property
    def voice(self) -> float:
        """What the end-of-turn model says."""
        return self.turn.score or 0.0

    @property
    def words(self) -> float:
        """What the language model says."""
        return self.turn.words_score or 0.0


def recordings(folder: Path) -> Iterator[Recording]:
    """The sentences of a folder's manifest.jsonl."""
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        sys.exit(f"error: there is no {manifest}; name a folder of clips with --speech")
    noise = np.random.default_rng(0)
    for row in map(json.loads, manifest.read_text(encoding="utf-8").splitlines()):
        if not row["text"] or row.get("kind") in ("backchannel", "interruption"):
            continue
        end_s = row["speech_end_s"] if "speech_end_s" in row else row["speech_end_samples"] / SAMPLE_RATE_HZ
        samples, _ = soundfile.read(folder / row["file"], dtype="float32")
        before, after = (
            noise.normal(0, QUIET, round(length_s * SAMPLE_RATE_HZ)).astype(np.float32)
            for length_s in (QUIET_BEFORE_S, QUIET_AFTER_S)
        )
        kept = samples[: round((end_s + 0.3) * SAMPLE_RATE_HZ)]
        yield Recording(name=row["file"], samples=np.concatenate([before, kept, after]))


def pauses_of(vad: VadEngine, sound: FloatSamples) -> tuple[int, list[tuple[int, float | None]]]:
    """Where the speech begins, and for every pause where it begins and how long it is, ms."""
    segmenter, states = SpeechSegmenter(VAD_DEFAULT, vad.window_samples), [vad.new_state()]
    begin: int | None = None
    found: list[tuple[int, float | None]] = []
    for start in range(0, len(sound) - vad.window_samples + 1, vad.window_samples):
        probabilities, states = vad.score(sound[None, start : start + vad.window_samples], states)
        decided = segmenter.accept(start, float(probabilities[0]))
        if isinstance(decided, SpeechStarted):
            begin = decided.start_offset_samples if begin is None else begin
            if found:
                ended = found[-1][0]
                found[-1] = (ended, (decided.start_offset_samples - ended) * 1_000 / SAMPLE_RATE_HZ)
        elif isinstance(decided, SpeechEnded):
            found.append((decided.end_offset_samples, None))
    return begin or 0, found


@dataclass(frozen=True, slots=True)
class Ear:
    """The engines that judge a pause."""

    vad: VadEngine
    stt: SttEngine
    voice: EndOfTurnEngine
    llm: LlmEngine

    async def judge(self, recording: Recording) -> list[Pause]:
        """Every pause of a recording."""
        sound = recording.samples
        begin, found = pauses_of(self.vad, sound)
        start = max(0, begin - LEAD_IN_SAMPLES)
        return [
            Pause(name=recording.name, length_ms=length_ms, turn=await self._turn(sound[start : end + SILENCE]))
            for end, length_ms in found
        ]

    async def _turn(self, heard: FloatSamples) -> Turn:
        found = self.stt.transcribe(heard, "en", CancelToken())
        text = found.text
        said = (
            ChatMessage(role=ChatRole.SYSTEM, text=PERSONA),
            ChatMessage(role=ChatRole.ASSISTANT, text=GREETING),
            ChatMessage(role=ChatRole.USER, text=text),
        )
        words = await self.llm.score_words("bench", said, CancelToken()) if text.strip(" .") else None
        score = self.voice.score(heard, CancelToken())
        return Turn(
            id=1,
            origin=Origin.SPEECH,
            text=text,
            score=score,
            words_score=words,
            continuation_probability=found.continuation_probability,
        )


def area_under_curve(ends: Sequence[float], pauses: Sequence[float]) -> float:
    """How often a random end is judged higher than a random pause; half of the ties count."""
    higher = sum((end > pause) + (end == pause) / 2 for end in ends for pause in pauses)
    return higher / (len(ends) * len(pauses))


def peers_rule(turn: Turn) -> float:
    """Answer 200 ms after speech that the voice's model takes for finished, otherwise after 3 s."""
    return PEER_SILENCE_MS if (turn.score or 0.0) >= PEER_SCORE else PEER_LONGEST_MS


def show(pauses: Sequence[Pause]) -> dict[str, Any]:
    """Prints what was found; gives the figures."""
    ends, inner = ([p for p in pauses if (p.length_ms is None) is last] for last in (True, False))
    judges: dict[str, Callable[[Pause], float]] = {
        "voice": lambda pause: pause.voice,
        "words": lambda pause: pause.words,
        "mark": lambda pause: -pause.turn.continuation_probability,
        "all": lambda pause: finished_likelihood(pause.turn),
    }
    figures: dict[str, Any] = {"ends": len(ends), "pauses": len(inner)}
    print(f"\n{len(ends)} ends, {len(inner)} pauses inside\n\narea under the ROC curve")
    for name, judge in judges.items():
        figures[name] = area_under_curve([judge(p) for p in ends], [judge(p) for p in inner])
        print(f"  {name:6} {figures[name]:.3f}")
    policy = TurnTakingPolicy()
    rules: dict[str, Callable[[Turn], float]] = {
        f"all three, {policy.min_delay_ms} to {policy.max_delay_ms} ms": lambda turn: delay_ms(policy, turn),
        "voice at 0.5: 200 ms, otherwise 3 s": peers_rule,
        f"silence of {FIXED_MS} ms": lambda turn: FIXED_MS,
    }
    print(f"\n{'rule':36} {'wait p50':>9} {'p95':>6} {'mean':>6}  pauses taken for ends")
    for name, rule in rules.items():
        waits = [rule(pause.turn) for pause in ends]
        taken = [pause for pause in inner if pause.length_ms is not None and rule(pause.turn) < pause.length_ms]
        p50, p95, mean = percentile(waits, 50), percentile(waits, 95), statistics.mean(waits)
        print(f"{name:36} {p50:9.0f} {p95:6.0f} {mean:6.0f}  {len(taken)} of {len(inner)}")
        figures[name] = {"p50_ms": p50, "p95_ms": p95, "mean_ms": mean, "taken": [pause.turn.text for pause in taken]}
    return figures


async def run(folders: Sequence[Path]) -> dict[str, Any]:
    """Judges everything."""
    parts = EngineParts(resolve(load_placement(default_placement()), ThisMachine()), ModelStore(default_cache_dir()))
    voice, llm = parts.end_of_turn(), parts.llm()
    if voice is None or not llm.describe().scores_words:
        sys.exit("error: the default placement judges no voice, or no words")
    await llm.start()
    try:
        ear, pauses = Ear(parts.vad(), parts.stt(), voice, llm), list[Pause]()
        for folder in folders:
            for recording in recordings(folder):
                print(f"  {recording.name}", file=sys.stderr)
                pauses += await ear.judge(recording)
    finally:
        await llm.close()
    return show(pauses)


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--speech", type=Path, action="append", help="folder of clips with a manifest.jsonl; repeatable"
    )
    parser.add_argument("--json", type=Path, help="also write every figure here")
    options = parser.parse_args()
    figures = asyncio.run(run(options.speech or FOLDERS))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
