"""`voice-orchestrator edge-check`: does an orchestrator keep the contract towards its edges?"""

from pathlib import Path

import click
import uvloop

from voice_operations.addresses import parse_address
from voice_operations.command_line import EXIT_ERROR, ExitCodeError
from voice_operations.operator_error import OperatorError
from voice_operations.security import ClientSecurity
from voice_operations.security_options import client_security_options
from voice_orchestrator.audio_files.wav_reader import read_wav
from voice_orchestrator.cli.conformance_report import check_options, progress, show, single_error
from voice_orchestrator.conformance.edge_calls import EdgePlan
from voice_orchestrator.conformance.edge_check import EDGE_RULES, NoCallError, check_edge_service
from voice_orchestrator.conformance.event_stream import Target, UnreachableError
from voice_orchestrator.conformance.findings import Verdict
from voice_orchestrator.runtime.clock import SessionClock


@click.command("edge-check")
@click.argument("address", metavar="HOST:PORT")
@click.option(
    "--profile",
    "-p",
    default="dental_receptionist",
    show_default=True,
    help="Agent to call, as the orchestrator names it.",
)
@check_options(EDGE_RULES)
@client_security_options("edge")
def edge_check(
    address: str,
    profile: str,
    speech: Path | None,
    only: tuple[str, ...],
    as_json: bool,
    edge_security: ClientSecurity,
) -> None:
    """Act as an edge against the orchestrator at HOST:PORT and say, rule by rule, whether it keeps the contract.

    It calls the agent a few times, one call beside another, for up to two minutes: talks, interrupts, hangs up, and
    breaks the contract in every way to see itself cut. What needs understood speech is checked with --speech only.
    Exit code: 0 no rule is broken, 1 one is, or nothing could be checked.
    """
    where = parse_address(address)
    edge_security.require_for(where)
    pcm = b"" if speech is None else read_wav(speech).samples.tobytes()
    target = Target(address=str(where), security=edge_security, clock=SessionClock())
    plan = EdgePlan(target=target, profile=profile, speech=pcm)
    try:
        findings = uvloop.run(check_edge_service(plan, progress(as_json), frozenset(only)))
    except* UnreachableError as errors:
        raise OperatorError(f"{single_error(errors)}; start one with `voice-orchestrator serve`") from errors
    except* NoCallError as errors:
        raise OperatorError(f"{where} takes no call: {single_error(errors)}; name a profile with --profile") from errors
    show(findings, str(where), as_json=as_json)
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise ExitCodeError(EXIT_ERROR)
