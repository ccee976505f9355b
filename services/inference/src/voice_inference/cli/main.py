"""The voice-inference command: subcommands, and how errors and Ctrl-C end it."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Final

import click

from voice_contract.failures import VoiceAgentError
from voice_inference import __version__
from voice_inference.logging_setup import FORMATS, LEVELS, set_up_logging
from voice_inference.operator_error import OperatorError

COMMANDS: Final = {
    "models": "Pull, list and verify model weights.",
    "placement": "Check what a placement file asks of this machine.",
    "serve": "Load the models and serve sessions.",
}

EXIT_ERROR: Final = 1
EXIT_INTERRUPTED: Final = 130


class LazyGroup(click.Group):
    """Imports a subcommand when it is used, so that `--help` and `models` do not wait for engines."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the subcommands."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand in cli/<name>.py."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"voice_inference.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
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
    sys.exit(run(lambda: group(standalone_mode=False)))


def run(command: Callable[[], object]) -> int:
    """Exit code of `command`; what a person can mend is one line per problem on stderr, never a traceback."""
    try:
        command()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (OperatorError, VoiceAgentError) as error:
        for line in str(error).splitlines():
            click.echo(f"error: {line}", err=True)
        return EXIT_ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has left; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except SystemExit as end:
        return int(end.code or 0)
    return 0
