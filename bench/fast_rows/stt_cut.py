"""Final transcripts as the node makes them against stock Whisper with its window of 30 s, on a few clips."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fast_rows.row import Row
from speech_clips import Condition, load_noises, load_utterances
from stt_windows import TIME_RATIO_MAX, Pair, hear, measure, row_of

from voice_contract.failures import Stage
from voice_inference.bench.engine_parts import EngineParts
from voice_inference.engines.stt.faster_whisper import FasterWhisper


def measure_pairs(parts: EngineParts, speech: Path, clips: int) -> list[Pair]:
    """The first `clips` clips of the folder, both ways."""
    placed = parts.resolved.engine(Stage.STT).placed
    folder = parts.store.verified_dir(placed.model)
    stock, cut = (
        FasterWhisper(
            folder,
            model=placed.model,
            device="cpu",
            threads=placed.threads,
            precision=placed.precision,
            stock=as_it_comes,
        )
        for as_it_comes in (True, False)
    )
    chosen = load_utterances(speech)[:clips]
    for engine in (stock, cut):
        engine.warm_up()
        hear(engine, [], chosen[0].samples)
    return measure(chosen, load_noises(speech), (Condition.CLEAN,), stock, cut)


def rows_of(pairs: Sequence[Pair]) -> list[Row]:
    """The line of the table."""
    found = row_of(Condition.CLEAN, pairs)
    note = (
        f"{found.clips} clips: {found.cut_s:.2f} s against {found.stock_s:.2f} s; "
        f"WER {found.wer_cut:.1f} against {found.wer_stock:.1f} %; loops {found.loops_cut}"
    )
    what = "STT final, cut and guarded : stock 30 s window, median"
    return [Row(what=what, value=found.ratio, unit="x", bar_max=TIME_RATIO_MAX, note=note)]


def raw(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Every figure, for a file."""
    return [
        {"clip": pair.name, "length_s": pair.length_s, "stock_s": pair.stock.took_s, "cut_s": pair.cut.took_s}
        for pair in pairs
    ]
