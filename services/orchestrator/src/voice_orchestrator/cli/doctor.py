"""`voice-orchestrator doctor`: is this machine able to make a call, and if not, what to do."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from voice_operations.command_line import EXIT_ERROR, ExitCodeError
from voice_operations.security import ClientSecurity
from voice_orchestrator.cli.inference_option import inference_option
from voice_orchestrator.doctor.checks import Verdict, run_checks

STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


@click.command()
@inference_option
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/calls"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def doctor(inference: str, inference_security: ClientSecurity, out: Path, as_json: bool) -> None:
    """Check models, ports, memory, CPU features and reachability, and say what to do. Exit code 1 if one fails."""
    findings = run_checks(inference, inference_security, out)
    if as_json:
        click.echo(json.dumps([{**asdict(f), "verdict": f.verdict.value} for f in findings], indent=2))
    else:
        console = Console(highlight=False)
        for finding in findings:
            line = Text(f"{finding.verdict.value:>5} ", style=STYLES[finding.verdict])
            line.append(f"{finding.name:<20} {finding.detail}", style="")
            console.print(line, soft_wrap=True)
            if finding.remedy:
                console.print(Text(f"{'':>27}{finding.remedy}", style="bold"), soft_wrap=True)
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise ExitCodeError(EXIT_ERROR)
