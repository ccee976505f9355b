"""`voice-orchestrator records`: what a server kept of its calls: list, export, erase, sweep."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voice_operations.command_line import EXIT_ERROR, ExitCodeError
from voice_operations.operator_error import OperatorError
from voice_orchestrator.records.entry import RecordState
from voice_orchestrator.records.export import export as export_calls
from voice_orchestrator.records.housekeeping import erase as erase_calls
from voice_orchestrator.records.housekeeping import sweep as sweep_calls
from voice_orchestrator.records.limits import GIB, MIB, RecordLimits
from voice_orchestrator.records.shelf import Shelf, StoredCall
from voice_orchestrator.runtime.clock import wall_time

DEFAULT_DATA: Final = Path("out/sessions")
DATA_VARIABLE: Final = "VOICE_AGENT_DATA"
_AGE: Final = re.compile(r"(\d{1,6})([mhd])")
_AGE_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

data_option: Final = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    envvar=DATA_VARIABLE,
    show_default=True,
    show_envvar=True,
    help="The data folder of the server.",
)
caller_option: Final = click.option("--caller", metavar="ID", required=True, help="The caller's id, exactly.")


class Age(click.ParamType[timedelta]):
    """A length of time like 90m, 12h or 30d."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:  # noqa: ANN401
        """The length; fails with a usage error."""
        if isinstance(value, timedelta):
            return value
        if (found := _AGE.fullmatch(str(value))) is None:
            self.fail(f"{value!r} is not a length of time like 90m, 12h or 30d", param, ctx)
        return int(found.group(1)) * _AGE_UNITS[found.group(2)]


@click.group()
def records() -> None:
    """List, export, erase and sweep what a server kept of its calls."""


@records.command("list")
@data_option
@click.option("--caller", metavar="ID", help="Only calls of this caller.")
@click.option("--profile", metavar="NAME", help="Only calls to this agent.")
@click.option("--newer-than", metavar="AGE", type=Age(), help="Only calls that began within 90m, 12h, 30d, ...")
@click.option("--older-than", metavar="AGE", type=Age(), help="Only calls that began before that.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_records(
    data: Path,
    caller: str | None,
    profile: str | None,
    newer_than: timedelta | None,
    older_than: timedelta | None,
    as_json: bool,
) -> None:
    """Show the calls in the data folder, the oldest first."""
    now = wall_time()

    def wanted(call: StoredCall) -> bool:
        age = now - call.entry.started_at
        return (
            (caller is None or call.entry.caller_id == caller)
            and (profile is None or call.entry.profile == profile)
            and (newer_than is None or age <= newer_than)
            and (older_than is None or age > older_than)
        )

    calls = [call for call in _calls(data) if wanted(call)]
    if as_json:
        click.echo(json.dumps([_document(call) for call in calls], indent=2, ensure_ascii=False))
    elif calls:
        _console().print(_table(calls, data))
    else:
        click.echo(f"no calls in {data}" if not any((caller, profile, newer_than, older_than)) else "no such calls")


@records.command()
@data_option
@caller_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A .zip file to make.")
def export(data: Path, caller: str, out: Path) -> None:
    """Put everything of a caller's finished calls into one ZIP file, with a manifest, and read it back."""
    try:
        manifest = export_calls(Shelf(data), caller, out, wall_time())
    except OSError as error:
        raise OperatorError(f"{error.filename or out}: {error.strerror}") from error
    size_bytes = sum(file.size_bytes for call in manifest.calls for file in call.files)
    click.echo(f"{out}: {_counted(len(manifest.calls))}, {_size(size_bytes)}, every file compared with the manifest")
    if manifest.going_on:
        click.echo(f"{_counted(manifest.going_on)} of this caller still going on: not exported")


@records.command()
@data_option
@caller_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(data: Path, caller: str, yes: bool) -> None:
    """Remove every file of a caller's calls. Exit code 1 if something could not be removed.

    A call that goes on is marked, and erased by the server when it ends.
    """
    shelf = Shelf(data)
    if not yes:
        found = sum(call.entry.caller_id == caller for call in _calls(data))
        click.confirm(f"erase {_counted(found)} of this caller in {data}? It cannot be undone", abort=True)
    try:
        done = erase_calls(shelf, caller)
    except OSError as error:
        raise OperatorError(f"{data}: {error.strerror}") from error
    click.echo(f"{_counted(done.erased)} erased")
    if done.marked:
        click.echo(f"{_counted(done.marked)} still going on: marked, the server erases each when it ends")
    for folder in done.unknown:
        click.echo(f"{folder}: damaged, does not tell whose call it was; look and remove it by hand", err=True)
    if done.failed:
        raise OperatorError(
            *(f"{folder}: could not be removed; who owns it must erase again" for folder in done.failed)
        )
    if done.unknown:
        raise ExitCodeError(EXIT_ERROR)


@records.command()
@data_option
@click.option("--max-age-days", type=click.IntRange(0), default=30, show_default=True, help="0: keep them for ever.")
@click.option("--max-total-gib", type=click.FloatRange(0), default=20, show_default=True, help="0: no limit.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def sweep(data: Path, max_age_days: int, max_total_gib: float, as_json: bool) -> None:
    """Apply the limits now: close what a killed server left, remove what is too old or too much. Open calls stay."""
    limits = RecordLimits(
        age_max=timedelta(days=max_age_days) if max_age_days else None,
        total_bytes_max=int(max_total_gib * GIB) if max_total_gib else None,
    )
    try:
        swept = sweep_calls(Shelf(data), limits, wall_time())
    except OSError as error:
        raise OperatorError(f"{data}: {error.strerror}") from error
    counts = {
        "closed": swept.closed,
        "erased": swept.erased,
        "too_old": swept.too_old,
        "too_much": swept.too_much,
        "failed": swept.failed,
        "kept": swept.kept,
        "kept_bytes": swept.kept_bytes,
    }
    if as_json:
        click.echo(json.dumps(counts, indent=2))
    else:
        removed = swept.too_old + swept.too_much + swept.erased
        click.echo(
            f"{_counted(removed)} removed: {swept.too_old} too old, {swept.too_much} too much, "
            f"{swept.erased} to be erased; {swept.closed} closed that a killed server left; "
            f"{swept.kept} kept, {_size(swept.kept_bytes)}"
        )
    if swept.failed:
        raise OperatorError(f"{data}: {_counted(swept.failed)} could not be swept, see the log above")


def _calls(data: Path) -> Iterator[StoredCall]:
    try:
        yield from Shelf(data).calls()
    except OSError as error:
        raise OperatorError(f"{data}: {error.strerror}") from error


def _document(call: StoredCall) -> dict[str, Any]:
    plain: dict[str, Any] = call.entry.model_dump(mode="json", exclude={"record", "owner"})
    return {**plain, "folder": str(call.folder), "going_on": call.going_on}


def _table(calls: list[StoredCall], data: Path) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, right in (
        ("began (UTC)", False),
        ("profile", False),
        ("caller", False),
        ("length", True),
        ("size", True),
        ("state", False),
        ("folder", False),
    ):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for call in calls:
        entry = call.entry
        table.add_row(
            f"{entry.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            Text(_shown(entry.profile)),
            Text(_shown(entry.caller_id or "")),
            _length(entry.started_at, entry.ended_at),
            "" if call.going_on else _size(entry.size_bytes),
            Text(_state(call)),
            Text(str(call.folder.relative_to(data))),
        )
    return table


def _state(call: StoredCall) -> str:
    entry = call.entry
    if call.problem is not None:
        return f"unreadable: {call.problem}"
    if call.left_open:
        return "left open by a killed server"
    state = "going on" if entry.state is RecordState.OPEN else entry.state.value
    cut = ", ".join(f"{part.value}: {reason.value}" for part, reason in entry.cut.items())
    return f"{state} ({cut})" if cut else state


def _length(started_at: datetime, ended_at: datetime | None) -> str:
    if ended_at is None:
        return ""
    minutes, seconds = divmod(int((ended_at - started_at).total_seconds()), 60)
    return f"{minutes}:{seconds:02d}"


def _shown(text: str) -> str:
    """`text` without what could move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / GIB:.1f} GiB" if size_bytes >= GIB else f"{size_bytes / MIB:.1f} MiB"


def _counted(calls: int) -> str:
    return "1 call" if calls == 1 else f"{calls} calls"


def _console() -> Console:
    """Wide enough for whole lines where nobody looks: a pipe gets them unbroken."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=400)
