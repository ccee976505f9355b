"""`voice-inference placement`: what a placement file asks of this machine, without loading a model."""

from pathlib import Path

import click

from voice_inference.cli.default_placement import default_placement
from voice_inference.placement.machine import ThisMachine
from voice_inference.placement.model import load_placement
from voice_inference.placement.resolve import resolve


@click.group()
def placement() -> None:
    """Check what a placement file asks of this machine."""


@placement.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
def check(file: Path | None) -> None:
    """Say where FILE puts every engine, or what this machine lacks for it."""
    path = file or default_placement()
    resolved = resolve(load_placement(path), ThisMachine())
    click.echo(f"{path}: fits this machine")
    for line in resolved.describe_lines():
        click.echo(f"  {line}")
    for line in resolved.warnings:
        click.echo(f"  warning: {line}")
