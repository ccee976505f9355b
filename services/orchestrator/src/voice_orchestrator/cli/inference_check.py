"""`voice-orchestrator inference-check`: does an inference node keep the contract towards orchestrators?"""

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
from voice_orchestrator.conformance.event_stream import Target, UnreachableError
from voice_orchestrator.conformance.findings import Verdict
from voice_orchestrator.conformance.node_check import NODE_RULES, NoSessionError, check_node
from voice_orchestrator.conformance.node_session import NodePlan
from voice_orchestrator.runtime.clock import SessionClock


@click.command("inference-check")
@click.argument("address", metavar="HOST:PORT")
@check_options(NODE_RULES)
@client_security_options("inference")
def inference_check(
    address: str,
    speech: Path | None,
    only: tuple[str, ...],
    as_json: bool,
    inference_security: ClientSecurity,
) -> None:
    """Act as an orchestrator against the node at HOST:PORT and say, rule by rule, whether it keeps the contract.

    It has sound transcribed, replies written and spoken, cancels them, takes every free slot, and breaks the contract
    in every way to see itself let go: not for a node that has calls. What needs speech is checked with --speech only.
    Exit code: 0 no rule is broken, 1 one is, or nothing could be checked.
    """
    where = parse_address(address)
    inference_security.require_for(where)
    pcm = b"" if speech is None else read_wav(speech).samples.tobytes()
    target = Target(address=str(where), security=inference_security, clock=SessionClock())
    plan = NodePlan(target=target, speech=pcm)
    try:
        findings = uvloop.run(check_node(plan, progress(as_json), frozenset(only)))
    except* UnreachableError as errors:
        raise OperatorError(f"{single_error(errors)}; start one with `voice-inference serve`") from errors
    except* NoSessionError as errors:
        raise OperatorError(f"{where} takes no session: {single_error(errors)}") from errors
    show(findings, str(where), as_json=as_json)
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise ExitCodeError(EXIT_ERROR)
