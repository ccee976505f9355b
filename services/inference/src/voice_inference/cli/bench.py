"""`voice-inference bench`: what a placement can do on this machine."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from voice_inference.bench.run import (
    FULL_CALLERS,
    FULL_LEVEL_S,
    FULL_REPEATS,
    QUICK_CALLERS,
    QUICK_LEVEL_S,
    QUICK_REPEATS,
    BenchPlan,
)
from voice_inference.bench.run import bench as run_bench
from voice_inference.bench.table import lines_of
from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.cli.default_placement import default_placement
from voice_inference.placement.machine import ThisMachine
from voice_inference.placement.model import load_placement
from voice_inference.placement.resolve import resolve
from voice_operations.operator_error import OperatorError

CALLERS_MAX: Final = 64


def _numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    del ctx, param
    if value is None:
        return None
    words = [word.strip() for word in value.split(",")]
    if not all(word.isascii() and word.isdigit() and 1 <= int(word) <= CALLERS_MAX for word in words):
        raise click.BadParameter(f"{value!r} is not a list of numbers from 1 to {CALLERS_MAX}, as 1,2,4")
    return tuple(sorted({int(word) for word in words}))


@click.command()
@click.option("--placement", type=click.Path(path_type=Path), help="Placement file.  [default: cpu-2core.yaml]")
@click.option("--callers", callback=_numbers, metavar="N,N...", help="Callers at once.  [default: 1,2,4,8,16]")
@click.option("--seconds", type=click.FloatRange(1, 3600), help="How long each number of callers talks.  [default: 60]")
@click.option("--quick", is_flag=True, help="A look in about a minute: few repetitions, 1 and 2 callers for 12 s.")
@click.option("--speech", type=click.Path(path_type=Path), help="Folder of .wav files the callers say.")
@click.option("--keep-slots", is_flag=True, help="Refuse callers beyond the placement's session slots.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the weights.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write every figure here.")
def bench(
    placement: Path | None,
    callers: tuple[int, ...] | None,
    seconds: float | None,
    quick: bool,
    speech: Path | None,
    keep_slots: bool,
    cache: Path | None,
    json_file: Path | None,
) -> None:
    """Measure every engine alone, then callers at once on a node, and recommend a placement: about 7 minutes."""
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise OperatorError(f"--json: there is no folder {json_file.absolute().parent}; make it, or name another file")
    path = placement or default_placement()
    plan = BenchPlan(
        callers=callers or (QUICK_CALLERS if quick else FULL_CALLERS),
        level_s=seconds or (QUICK_LEVEL_S if quick else FULL_LEVEL_S),
        repeats=QUICK_REPEATS if quick else FULL_REPEATS,
        keep_slots=keep_slots,
        speech=speech,
    )
    findings = run_bench(
        resolve(load_placement(path), ThisMachine()),
        ModelStore(cache or default_cache_dir()),
        str(path),
        plan,
        lambda line: click.echo(line, err=True),
    )
    for line in lines_of(findings):
        click.echo(line)
    sys.stdout.flush()
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(asdict(findings), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise OperatorError(f"{json_file} cannot be written: {error.strerror}; name another file") from error
