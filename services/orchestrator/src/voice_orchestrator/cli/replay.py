"""`voice-orchestrator replay`: a finished call, decided again."""

import json
import sys
import time
from pathlib import Path
from typing import Final

import click

from voice_operations.command_line import EXIT_ERROR, ExitCodeError
from voice_orchestrator.runtime.journal_codec import canonical, commands_to_plain, event_to_plain
from voice_orchestrator.runtime.replay import ReplayStep
from voice_orchestrator.runtime.replay import replay as replay_journal

SHOWN_CHARS_MAX: Final = 400


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--step", "stepwise", is_flag=True, help="Walk the journal: Enter for the next event, q to stop.")
@click.option("--json", "as_json", is_flag=True, help="The verdict as one JSON document on stdout.")
def replay(file: Path, stepwise: bool, as_json: bool) -> None:
    """Fold the journal FILE again and say whether every command comes out byte for byte as it did.

    Exit code: 0 identical, 1 different or not a journal.
    """
    began_s = time.perf_counter()
    result = replay_journal(file, _walk if stepwise else None)
    took_s = max(time.perf_counter() - began_s, 1e-6)
    different = result.first_difference
    if as_json:
        click.echo(
            json.dumps(
                {
                    "session_id": result.session_id,
                    "profile": result.profile,
                    "events": result.events,
                    "call_ms": result.call_ms,
                    "whole": result.whole,
                    "identical": result.identical,
                    "times_real_time": round(result.call_ms / 1_000 / took_s, 1),
                    "first_difference": None
                    if different is None
                    else {"line": different.line, "was": different.recorded, "is": different.folded},
                },
                indent=2,
                ensure_ascii=False,
            )
        )
    else:
        speed = f"{result.call_ms / 1_000 / took_s:.0f} times real time"
        click.echo(f"session {result.session_id}, profile {result.profile}: {result.events} events, {speed}")
        if not result.whole and not stepwise:
            click.echo("the journal was not closed: the call may have gone on after its last line")
        if different is None:
            click.echo("identical: every command is byte for byte what it was")
        else:
            click.echo(f"different at line {different.line}, event {different.number}:")
            click.echo(f"  event {canonical(event_to_plain(different.event))}")
            click.echo(f"  was   {different.recorded}")
            click.echo(f"  is    {different.folded}")
    if different is not None:
        raise ExitCodeError(EXIT_ERROR)


def _walk(step: ReplayStep) -> bool:
    """Shows one step; False when the person has seen enough."""
    after = step.transition.state.phase
    phase = after.name if after is step.phase_before else f"{step.phase_before.name} → {after.name}"
    click.echo(f"{step.number:>5} {step.event.at_ms / 1_000:9.3f} s  {phase}")
    click.echo(f"        event   {_short(canonical(event_to_plain(step.event)))}")
    for command in commands_to_plain(step.transition.commands):
        click.echo(f"        command {_short(canonical(command))}")
    if step.transition.ignored is not None:
        click.echo(f"        ignored {step.transition.ignored}")
    if not sys.stdin.isatty():
        return True
    return click.getchar(echo=False) not in ("q", "Q")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}…"
