"""`voice-orchestrator timeline`: a finished call as one HTML page."""

from pathlib import Path
from typing import Final

import click

from voice_operations.operator_error import OperatorError
from voice_orchestrator.timeline.call_files import find_call
from voice_orchestrator.timeline.make import make_page
from voice_orchestrator.timeline.page import write_page

PAGE: Final = "timeline.html"


@click.command()
@click.argument("call", type=click.Path(path_type=Path), metavar="CALL")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE.html", help=f"Where to write it.  [default: CALL/{PAGE}]"
)
@click.option("--no-sound", is_flag=True, help="Draw the sound and leave it out: a page to hand on.")
def timeline(call: Path, out: Path | None, no_sound: bool) -> None:
    """Make one HTML page of a finished call: sound, words, turns, runs, barge-ins, latency and every event.

    CALL is the folder of a call, or its journal or recording. The page opens in any browser without a network; it
    holds what was said, so it is readable by its owner only.
    """
    files = find_call(call)
    page = make_page(files, to_hear=not no_sound)
    path = out or files.folder / PAGE
    try:
        write_page(path, page.content)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}; choose another file with --out") from error
    if page.note:
        click.echo(page.note, err=True)
    click.echo(f"timeline: {path} ({len(page.content) / 1e6:.1f} MB)")
