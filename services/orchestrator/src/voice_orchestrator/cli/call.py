"""`voice-orchestrator call`: .wav files as a caller."""

import json
from pathlib import Path

import click
import uvloop
from rich.console import Console
from rich.text import Text

from voice_operations.addresses import parse_address
from voice_operations.command_line import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_UNANSWERED, ExitCodeError
from voice_operations.operator_error import OperatorError
from voice_operations.security import ClientSecurity
from voice_operations.security_options import client_security_options
from voice_orchestrator.audio_files.wav_reader import read_wav
from voice_orchestrator.cli.call_session import CallResult, CallSettings, run_call
from voice_orchestrator.cli.inference_option import inference_option
from voice_orchestrator.console.conversation import ConversationView, describe_failure
from voice_orchestrator.console.summary import summary_lines
from voice_orchestrator.edges.scenario_file import read_scenario
from voice_orchestrator.profiles.loader import find_profile


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[A.wav B.wav ...]")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    metavar="FILE.yaml",
    help="Play what this file says, when it says, instead of .wav files one after the other.",
)
@click.option("--profile", "-p", required=True, help="Agent profile: a name or a file.")
@inference_option
@click.option(
    "--connect",
    metavar="HOST:PORT",
    envvar="VOICE_AGENT_CONNECT",
    default="",
    help="Bring the call to this orchestrator instead of hosting it here.",
)
@client_security_options("edge")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out/calls"),
    show_default=True,
    help="Where calls are kept.",
)
@click.option(
    "--overlap",
    type=click.FloatRange(0.0, 60.0),
    metavar="SECONDS",
    help="Begin the next file this long after the agent began to speak, to interrupt it.",
)
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON document on stdout, nothing else.")
@click.option("--quiet", "-q", is_flag=True, help="Say only where the recording is.")
def call(
    files: tuple[Path, ...],
    scenario: Path | None,
    profile: str,
    inference: str,
    inference_security: ClientSecurity,
    connect: str,
    edge_security: ClientSecurity,
    out: Path,
    overlap: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Play .wav files to an agent as a caller would: in real time, each when the one before has been answered.

    Prints the conversation and the latency of every turn, and writes a folder with the recording (caller left, agent
    right), transcript, report and journal. Any PCM .wav is taken. With --scenario the folder also has caller.json, what
    the caller did and when, and playout.json, what was heard of the agent. Exit code: 0 every file was answered, or
    every step of the scenario taken, 3 not every one, 1 error, 130 interrupted.
    """
    if bool(files) == (scenario is not None):
        raise click.UsageError("name .wav files, or a scenario with --scenario, one of the two")
    if scenario is not None and overlap is not None:
        raise click.UsageError("--overlap is for .wav files; a scenario says over_agent_ms itself")
    if connect:
        edge_security.require_for(parse_address(connect))
    loaded = find_profile(profile)
    story = read_scenario(scenario) if scenario is not None else None
    sounds = tuple(read_wav(path) for path in files)
    console = Console(stderr=as_json, highlight=False)
    view = None if as_json or quiet else ConversationView(console)
    settings = CallSettings(
        profile=loaded,
        sounds=sounds,
        scenario=story,
        inference=inference,
        inference_security=inference_security,
        connect=connect,
        edge_security=edge_security,
        out=out,
        overlap_s=overlap,
    )
    try:
        result = uvloop.run(run_call(settings, view, lambda line: click.echo(line, err=True)))
    except OSError as error:
        raise OperatorError(f"{error.filename or out}: {error.strerror}; choose another folder with --out") from error
    if as_json:
        click.echo(json.dumps(result.report, indent=2, ensure_ascii=False))
    else:
        _print_summary(console, result, quiet=quiet)
    raise ExitCodeError(_exit_code(result))


def _exit_code(result: CallResult) -> int:
    if result.interrupted:
        return EXIT_INTERRUPTED
    if result.failure is not None:
        return EXIT_ERROR
    return 0 if result.whole else EXIT_UNANSWERED


def _print_summary(console: Console, result: CallResult, *, quiet: bool) -> None:
    if not quiet:
        medians = result.report["medians"]
        for file in result.report["files"]:
            if not file["answered"]:
                console.print(Text(f"not answered: {file['path']}", style="yellow"))
        if "voice_to_voice_ms" in medians:
            console.print(
                Text(f"voice-to-voice latency, median of {len(result.report['turns'])} turns: ", style="bold"),
                f"{medians['voice_to_voice_ms']:.0f} ms",
                sep="",
            )
        for line in summary_lines(result.report):
            console.print(Text(line), soft_wrap=True)
    if result.failure is not None:
        click.echo(f"error: the call ended early: {describe_failure(result.failure)}", err=True)
    console.print(f"recording: {result.folder / 'recording.wav'}", soft_wrap=True)
