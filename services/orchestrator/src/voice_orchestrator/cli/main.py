"""The voice-orchestrator command."""

import sys
from typing import Final

import click

from voice_operations.command_line import LazyGroup, run
from voice_operations.logging_setup import FORMATS, LEVELS, set_up_logging
from voice_orchestrator import __version__

COMMANDS: Final = {
    "call": "Play .wav files to an agent as a caller would.",
    "certs": "Make a private CA, certificates for planes and gateways, and tokens.",
    "chat": "Talk to an agent by typing.",
    "doctor": "Check this machine and say what to do.",
    "edge-check": "Check whether an orchestrator keeps the contract towards edges.",
    "inference-check": "Check whether an inference node keeps the contract.",
    "profiles": "List, check and show agent profiles.",
    "records": "List, export, erase and sweep what a server kept of its calls.",
    "replay": "Fold a journal again and compare every command.",
    "serve": "Take calls from edges.",
    "timeline": "Make one HTML page of a finished call.",
    "top": "Watch the sessions of a running orchestrator.",
}


@click.group(
    cls=LazyGroup,
    package="voice_orchestrator.cli",
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="voice-orchestrator")
@click.option("--log-level", type=click.Choice(LEVELS), default="warning", show_default=True, help="What is logged.")
@click.option(
    "--log-format",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="auto: coloured on a terminal, JSON elsewhere.",
)
def group(log_level: str, log_format: str) -> None:
    """The control plane of the voice agent runtime: it owns the call and touches no model."""
    set_up_logging(log_level, log_format)


def main() -> None:
    """Entry point; ends the process."""
    sys.exit(run(lambda: group(standalone_mode=False)))
