"""The voice-inference command."""

import sys
from typing import Final

import click

from voice_inference import __version__
from voice_inference.native_threads import keep_native_threads_calm
from voice_operations.command_line import LazyGroup, run
from voice_operations.logging_setup import FORMATS, LEVELS, set_up_logging

COMMANDS: Final = {
    "bench": "Measure what a placement can do on this machine.",
    "models": "Pull, list and verify model weights.",
    "placement": "Check what a placement file asks of this machine.",
    "serve": "Load the models and serve sessions.",
}


@click.group(
    cls=LazyGroup,
    package="voice_inference.cli",
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="voice-inference")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="What is logged.")
@click.option(
    "--log-format",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="auto: coloured on a terminal, JSON elsewhere.",
)
def group(log_level: str, log_format: str) -> None:
    """The inference plane of the voice agent runtime: VAD, STT, LLM and TTS on this machine."""
    set_up_logging(log_level, log_format)


def main() -> None:
    """Entry point; ends the process."""
    keep_native_threads_calm()
    sys.exit(run(lambda: group(standalone_mode=False)))
