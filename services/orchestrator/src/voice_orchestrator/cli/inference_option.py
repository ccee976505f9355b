"""The --inference option, and the first look at the node behind it."""

import asyncio
import functools
import os
from collections.abc import Callable
from typing import Any, Final

import click

from voice_contract.messages import NodeDescription
from voice_operations.addresses import parse_address
from voice_operations.operator_error import OperatorError
from voice_operations.security import ClientSecurity
from voice_operations.security_options import client_security_options
from voice_orchestrator.runtime.grpc_inference import describe
from voice_orchestrator.runtime.ports import StreamLostError

DEFAULT_ADDRESS: Final = "127.0.0.1:50061"
LOOK_S: Final = 2.0
READY_WAIT_S: Final = 60.0


def inference_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --inference and what is shown to the node; the command gets `inference` and `inference_security`."""

    @functools.wraps(command)
    def checked(*args: Any, inference: str, inference_security: ClientSecurity, **rest: Any) -> Any:  # noqa: ANN401
        inference_security.require_for(parse_address(inference))
        return command(*args, inference=inference, inference_security=inference_security, **rest)

    return click.option(
        "--inference",
        metavar="HOST:PORT",
        default=lambda: os.environ.get("VOICE_AGENT_INFERENCE", DEFAULT_ADDRESS),
        callback=_check,
        show_default=f"$VOICE_AGENT_INFERENCE or {DEFAULT_ADDRESS}",
        help="Inference node.",
    )(client_security_options("inference")(checked))


def _check(ctx: click.Context, param: click.Parameter, value: str) -> str:
    del ctx, param
    try:
        return str(parse_address(value))
    except OperatorError as error:
        raise click.BadParameter(str(error)) from error


async def reach(address: str, security: ClientSecurity, say: Callable[[str], None]) -> NodeDescription:
    """The node at `address`, waited for while it loads its models; raises OperatorError when there is none."""
    waited = False
    try:
        async with asyncio.timeout(READY_WAIT_S):
            while True:
                node = await describe(address, LOOK_S, security)
                if node.ready:
                    return node
                if not waited:
                    say(f"the inference node at {address} is loading its models, waiting")
                    waited = True
                await asyncio.sleep(0.25)
    except TimeoutError as error:
        raise OperatorError(
            f"the inference node at {address} was not ready within {READY_WAIT_S:.0f} s; look at its output"
        ) from error
    except StreamLostError as error:
        raise OperatorError(
            f"{error.detail}; start one with `voice-inference serve`, or name one with --inference"
        ) from error
