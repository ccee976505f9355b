"""What `edge-check` and `inference-check` share: their options, and how findings are shown."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voice_orchestrator.conformance.findings import Finding, Rule, Verdict

STYLES: Final = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.NOT_CHECKED: "yellow"}
PIPE_COLUMNS: Final = 200
"""Where there is no terminal nothing needs to be cut to its width."""

Command = Callable[..., Any]


def check_options(rules: Sequence[Rule]) -> Callable[[Command], Command]:
    """Adds --speech, --only and --json; the command gets `speech`, `only` and `as_json`."""

    def add(command: Command) -> Command:
        for option in (
            click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else."),
            click.option(
                "--only",
                multiple=True,
                type=click.Choice([rule.name for rule in rules]),
                metavar="RULE",
                help="Check this rule alone; may be repeated.",
            ),
            click.option(
                "--speech",
                type=click.Path(path_type=Path),
                metavar="FILE.wav",
                help="A sentence somebody says, for what needs understood speech.",
            ),
        ):
            command = option(command)
        return command

    return add


def progress(as_json: bool) -> Callable[[str], None]:
    """Says on stderr what is being done; nothing where a program reads."""

    def say(line: str) -> None:
        if not as_json:
            click.echo(f"... {line}", err=True)

    return say


def show(findings: Sequence[Finding], address: str, *, as_json: bool) -> None:
    """Prints every finding and how many there are of each kind."""
    counts = Counter(finding.verdict for finding in findings)
    if as_json:
        document = {
            "address": address,
            "kept": not counts[Verdict.FAIL],
            "rules": [
                {"rule": each.rule.name, "says": each.rule.says, "verdict": each.verdict.value, "detail": each.detail}
                for each in findings
            ],
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    for title in ("verdict", "rule", "what it says, and what was seen"):
        table.add_column(title, no_wrap=title != "what it says, and what was seen")
    for each in findings:
        seen = Text(each.rule.says)
        seen.append(f"\n{each.detail}", style="bold" if each.verdict is Verdict.FAIL else "dim")
        table.add_row(Text(each.verdict.value, style=STYLES[each.verdict]), each.rule.name, seen)
    console.print(table)
    console.print(", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict))


def single_error(errors: BaseExceptionGroup[Exception]) -> BaseException:
    """The first error inside groups of them."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
