"""`voice-orchestrator chat`: a call without a microphone."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import click
import uvloop
from rich.console import Console

from voice_contract.messages import CallEnded
from voice_operations.command_line import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_UNANSWERED, ExitCodeError
from voice_operations.operator_error import OperatorError
from voice_operations.security import ClientSecurity
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.cli.inference_option import inference_option, reach
from voice_orchestrator.cli.interrupts import Interrupts
from voice_orchestrator.cli.stdin_lines import stdin_lines
from voice_orchestrator.console.conversation import ChatView
from voice_orchestrator.edges.text_edge import TextEdge, keys_of
from voice_orchestrator.profiles.loader import LoadedProfile, find_profile
from voice_orchestrator.service.local_call import LocalCall

QUIT: Final = "/quit"


@click.command()
@click.option("--profile", "-p", required=True, help="Agent profile: a name or a file.")
@inference_option
@click.option("--speech", type=click.Path(path_type=Path), metavar="FILE.wav", help="Keep the agent's speech.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("out/chats"), show_default=True, help="For journals."
)
def chat(profile: str, inference: str, inference_security: ClientSecurity, speech: Path | None, out: Path) -> None:
    """Talk to an agent by typing; /quit or Ctrl-D ends. Piped input is answered line by line.

    /key 42# presses keys of a telephone.

    Exit code: 0 every line was answered, 3 not every one, 1 error, 130 interrupted.
    """
    loaded = find_profile(profile)
    if speech is not None and not speech.parent.is_dir():
        raise OperatorError(f"{speech}: the folder {speech.parent} is not there")
    try:
        code = uvloop.run(_chat(loaded, inference, inference_security, speech, out))
    except OSError as error:
        raise OperatorError(f"{error.filename or out}: {error.strerror}; choose another folder with --out") from error
    raise ExitCodeError(code)


async def _chat(
    profile: LoadedProfile, inference: str, security: ClientSecurity, speech: Path | None, out: Path
) -> int:
    await reach(inference, security, lambda line: click.echo(line, err=True))
    call = LocalCall(profile, inference, security, out)
    recording = StereoRecording() if speech is not None else None
    interactive = sys.stdin.isatty()
    view = ChatView(Console(highlight=False))
    edge = TextEdge(
        call.edge,
        call.clock,
        _lines(interactive),
        recording,
        profile.name,
        greets=bool(profile.profile.greeting),
        listeners=[view],
    )

    interrupts = Interrupts(call.end)
    try:
        with interrupts:
            await call.make(edge.run())
    finally:
        if speech is not None and recording is not None:
            await asyncio.to_thread(recording.save, speech)
    if interactive:
        click.echo()
    return _exit_code(interrupts.count, edge.ended, edge.unanswered)


def _exit_code(interrupts: int, ended: CallEnded | None, unanswered: int) -> int:
    if interrupts:
        return EXIT_INTERRUPTED
    if ended is None or ended.failure is not None:
        return EXIT_ERROR
    return EXIT_UNANSWERED if unanswered else 0


async def _lines(interactive: bool) -> AsyncIterator[str]:
    if interactive:
        click.echo("you: ", nl=False)
    async for line in stdin_lines():
        if line.strip() == QUIT:
            return
        try:
            keys_of(line)
        except ValueError as error:
            click.echo(f"error: {error}", err=True)
        else:
            yield line
        if interactive:
            click.echo("you: ", nl=False)
