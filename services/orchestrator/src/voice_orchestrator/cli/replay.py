"""`voice-orchestrator replay`: a finished call, decided again."""

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from voice_operations.command_line import EXIT_ERROR, ExitCodeError
from voice_orchestrator.console.command_text import difference_lines
from voice_orchestrator.profiles.loader import LoadedProfile, find_profile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.runtime.journal_codec import canonical, commands_to_plain, event_to_plain
from voice_orchestrator.runtime.other_policy import Comparison, compare
from voice_orchestrator.runtime.replay import ReplayStep
from voice_orchestrator.runtime.replay import replay as replay_journal

SHOWN_CHARS_MAX: Final = 400


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--step", "stepwise", is_flag=True, help="Walk the journal: Enter for the next event, q to stop.")
@click.option(
    "--against",
    metavar="PROFILE",
    help="Show the first decision that this profile, a name or a file, would have made differently.",
)
@click.option("--json", "as_json", is_flag=True, help="The verdict as one JSON document on stdout.")
def replay(file: Path, stepwise: bool, against: str | None, as_json: bool) -> None:
    """Fold the journal FILE again and say whether every command comes out byte for byte as it did.

    With --against, say whether another profile would have commanded the same. Exit code: 0 identical, 1 different or
    not a journal.
    """
    if against is not None:
        if stepwise:
            raise click.UsageError("--step walks the recorded call; it cannot be combined with --against")
        _compare(file, find_profile(against), as_json=as_json)
        return
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


def _compare(file: Path, profile: LoadedProfile, *, as_json: bool) -> None:
    """Shows the first difference another profile makes; raises ExitCodeError when there is one."""
    found = compare(file, policy_of(profile.profile))
    if as_json:
        click.echo(json.dumps(_comparison_document(found, profile), indent=2, ensure_ascii=False))
    else:
        click.echo(f"session {found.session_id}, profile {found.profile}, against profile {profile.name}")
        if found.divergence is None:
            click.echo(f"the same: all {found.events} events are answered with the same commands")
        else:
            _show_divergence(found)
    if found.divergence is not None:
        raise ExitCodeError(EXIT_ERROR)


def _comparison_document(found: Comparison, profile: LoadedProfile) -> dict[str, Any]:
    divergence = found.divergence
    return {
        "session_id": found.session_id,
        "profile": found.profile,
        "against": profile.name,
        "events": found.events,
        "identical": divergence is None,
        "first_difference": None
        if divergence is None
        else {
            "at_ms": divergence.event.at_ms,
            "line": divergence.line,
            "event": event_to_plain(divergence.event),
            "was": list(divergence.recorded),
            "is": list(divergence.now),
        },
    }


def _show_divergence(found: Comparison) -> None:
    divergence = found.divergence
    assert divergence is not None, "shown only when there is one"
    where = "a deadline the recorded call does not have" if divergence.line is None else f"line {divergence.line}"
    click.echo(f"different at {divergence.event.at_ms / 1_000:.3f} s, {where}:")
    click.echo(f"  event {_short(canonical(event_to_plain(divergence.event)))}")
    click.echo("  commands: - recorded, + now, ~ both with other values, = the same")
    for line in difference_lines(divergence.recorded, divergence.now):
        click.echo(f"  {line}")


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
