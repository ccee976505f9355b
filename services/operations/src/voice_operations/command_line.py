"""How the commands of both services begin and end: subcommands on demand, one-line errors, exit codes."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from voice_contract.failures import VoiceAgentError
from voice_operations.operator_error import OperatorError

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
    """Imports a subcommand when it is used, so that `--help` answers at once.

    The subcommand NAME is the object NAME of module `package`.NAME; `summaries` has a line for each.
    """

    def __init__(self, *args: Any, package: str, summaries: Mapping[str, str], **settings: Any) -> None:  # noqa: ANN401
        """Takes what click.Group takes."""
        super().__init__(*args, **settings)
        self._package = package
        self._summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the subcommands."""
        del ctx
        return sorted(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, imported now."""
        del ctx
        if cmd_name not in self._summaries:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"{self._package}.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self._summaries.items()))


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
