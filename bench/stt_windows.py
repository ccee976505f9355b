"""Final transcripts as the node makes them against stock Whisper with its window of 30 s, on human speech.

In turn on every clip, in one process with nothing else going on: `FasterWhisper` as the node makes it, and the same
with the full window and CTranslate2's encoder and decoder, on the same weights. Both are greedy. Prints time, word
error rate and loops for clean sound, at 10 dB of noise, and through a mu-law telephone. Exit code 1 when a bar is
missed.
"""

# ruff: noqa: E402 - the environment is made before the libraries that read it are loaded

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from voice_inference.native_threads import keep_native_threads_calm

# As `voice-inference` does.
keep_native_threads_calm()

from speech_clips import Condition, Utterance, carried, load_noises, load_utterances
from word_errors import repeats_a_phrase, word_errors, words_of

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.engines.base import CancelToken, FloatSamples
from voice_inference.engines.stt.faster_whisper import FasterWhisper

SPEECH: Final = Path(__file__).resolve().parent.parent / "test_data" / "speech"
TIME_RATIO_MAX: Final = 0.33
WER_RISE_MAX: Final = {Condition.CLEAN: 0.5, Condition.NOISE: 1.5, Condition.TELEPHONE: 1.5}
"""Percentage points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One clip transcribed with one kind of window."""

    text: str
    took_s: float
    errors: int
    loops: bool
    rerun: bool
    log_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One clip with the stock window and with the cut one."""

    name: str
    condition: Condition
    length_s: float
    words: int
    stock: Heard
    cut: Heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the pairs of one condition come to; WERs in percent, times in seconds."""

    condition: Condition
    clips: int
    words: int
    wer_stock: float
    wer_cut: float
    stock_s: float
    cut_s: float
    cut_p95_s: float
    ratio: float
    """Median over the clips of the cut window's time by the stock window's."""
    reruns: int
    loops_stock: int
    loops_cut: int

    @property
    def missed(self) -> list[str]:
        """The bars this condition misses."""
        rise_max = WER_RISE_MAX[self.condition]
        bars = (
            (self.ratio > TIME_RATIO_MAX, f"time ratio over {TIME_RATIO_MAX}"),
            (self.wer_cut - self.wer_stock > rise_max, f"word error rate more than {rise_max} points higher"),
            (self.loops_cut > 0, "a loop was not caught"),
        )
        return [what for missed, what in bars if missed]


def row_of(condition: Condition, pairs: Sequence[Pair]) -> Row:
    """Sums up the pairs of one condition, at least one."""
    words = sum(pair.words for pair in pairs)
    return Row(
        condition=condition,
        clips=len(pairs),
        words=words,
        wer_stock=100 * sum(pair.stock.errors for pair in pairs) / words,
        wer_cut=100 * sum(pair.cut.errors for pair in pairs) / words,
        stock_s=statistics.median(pair.stock.took_s for pair in pairs),
        cut_s=statistics.median(pair.cut.took_s for pair in pairs),
        cut_p95_s=sorted(pair.cut.took_s for pair in pairs)[max(0, -(-95 * len(pairs) // 100) - 1)],
        ratio=statistics.median(pair.cut.took_s / pair.stock.took_s for pair in pairs),
        reruns=sum(pair.cut.rerun for pair in pairs),
        loops_stock=sum(pair.stock.loops for pair in pairs),
        loops_cut=sum(pair.cut.loops for pair in pairs),
    )


def hear(engine: FasterWhisper, said: list[str], samples: FloatSamples) -> Heard:
    """Transcribes once, with the time it took."""
    loops_before, began_s = engine.loops_seen, time.perf_counter()
    result = engine.transcribe(samples, "en-US", CancelToken())
    took_s = time.perf_counter() - began_s
    heard = words_of(result.text)
    return Heard(
        text=result.text,
        took_s=took_s,
        errors=word_errors(said, heard),
        loops=repeats_a_phrase(said, heard),
        rerun=engine.loops_seen > loops_before,
        log_probability=result.mean_log_probability,
    )


def measure(
    utterances: Sequence[Utterance],
    noises: Sequence[FloatSamples],
    conditions: Sequence[Condition],
    stock: FasterWhisper,
    cut: FasterWhisper,
) -> list[Pair]:
    """Every clip under every condition with both windows."""
    pairs = []
    for condition in conditions:
        print(f"{condition.value}: {len(utterances)} clips", file=sys.stderr)
        for index, utterance in enumerate(utterances):
            samples = carried(utterance, condition, noises[index % len(noises)])
            said = words_of(utterance.said)
            # Which goes first takes turns: a stall of the machine favours neither.
            first, second = (stock, cut) if index % 2 else (cut, stock)
            found = {engine: hear(engine, said, samples) for engine in (first, second)}
            pairs.append(
                Pair(
                    name=utterance.name,
                    condition=condition,
                    length_s=len(samples) / SAMPLE_RATE_HZ,
                    words=len(said),
                    stock=found[stock],
                    cut=found[cut],
                )
            )
    return pairs


def show(rows: Sequence[Row], threads: int) -> bool:
    """Prints the table; whether every bar was kept."""
    print(f"\n{rows[0].clips} utterances, {rows[0].words} words, {threads} thread(s); 30 s window | cut and guarded")
    print(
        f"  {'':<16}{'median s':>15}{'p95 s':>8}{'ratio':>7}{'WER %':>14}{'points':>8}{'loops':>8}{'reruns':>8}  missed"
    )
    for row in rows:
        print(
            f"  {row.condition.value:<16}{f'{row.stock_s:.3f} | {row.cut_s:.3f}':>15}{row.cut_p95_s:>8.3f}"
            f"{row.ratio:>7.2f}"
            f"{f'{row.wer_stock:.1f} | {row.wer_cut:.1f}':>14}{row.wer_cut - row.wer_stock:>+8.1f}"
            f"{f'{row.loops_stock} | {row.loops_cut}':>8}{row.reruns:>8}  {', '.join(row.missed) or '-'}"
        )
    return not any(row.missed for row in rows)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speech", type=Path, default=SPEECH, help="folder of clips with a manifest.jsonl")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--half", choices=("both", "even", "odd"), default="both", help="which clips: tune on one half")
    parser.add_argument("--json", type=Path, help="also write every transcript here")
    options = parser.parse_args()
    utterances = load_utterances(options.speech)
    chosen = {"both": utterances, "even": utterances[::2], "odd": utterances[1::2]}[options.half]
    folder = ModelStore(default_cache_dir()).verified_dir(options.model)
    stock, cut = (
        FasterWhisper(
            folder, model=options.model, device="cpu", threads=options.threads, precision="int8", stock=as_it_comes
        )
        for as_it_comes in (True, False)
    )
    for engine in (stock, cut):
        engine.warm_up()
        hear(engine, [], chosen[0].samples)
    pairs = measure(chosen, load_noises(options.speech), tuple(Condition), stock, cut)
    rows = [row_of(c, [pair for pair in pairs if pair.condition is c]) for c in Condition]
    kept = show(rows, options.threads)
    if options.json:
        figures = [{**asdict(pair), "condition": pair.condition.value} for pair in pairs]
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
