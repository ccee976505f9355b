"""The voice-orchestrator command: subcommands, and how errors and Ctrl-C end it."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Final

import click

from voice_orchestrator import __version__
from voice_orchestrator.logging_setup import FORMATS, LEVELS, set_up_logging
from voice_orchestrator.operator_error import OperatorError

COMMANDS: Final = {
    "call": "Play .wav files to an agent as a caller would.",
    "chat": "Talk to an agent by typing.",
    "doctor": "Check this machine and say what to do.",
    "profiles": "List, check and show agent profiles.",
    "replay": "Fold a journal again and compare every command.",
}

EXIT_ERROR: Final = 1
EXIT_UNANSWERED: Final = 3
EXIT_INTERRUPTED: Final = 130


class ExitCodeError(Exception):
    """Ends the command with `code` after everything was said."""

    def __init__(self, code: int) -> None:
        """Takes the process's exit code."""
        super().__init__(code)
        self.code = code


class LazyGroup(click.Group):
    """Imports a subcommand when it is used, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the subcommands."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand in cli/<name>.py."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"voice_orchestrator.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
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


def run(command: Callable[[], object]) -> int:
    """Exit code of `command`; what a person can mend is one line per problem on stderr, never a traceback."""
    try:
        command()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except OperatorError as error:
        for line in str(error).splitlines():
            click.echo(f"error: {line}", err=True)
        return EXIT_ERROR
    except ExitCodeError as error:
        return error.code
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
