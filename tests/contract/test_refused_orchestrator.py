"""An orchestrator whose token a node refuses is told so, even while it writes, over real sockets."""

import pytest
from support.secured_node import secured_node
from support.served_node import CONFIGURE

from voice_contract.messages import Heartbeat
from voice_operations.bearer_tokens import BearerTokens, new_token
from voice_operations.security import ServerSecurity
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.grpc_inference import GrpcStream
from voice_orchestrator.runtime.ports import StreamLostError

TRIES = 20


async def write_on(stream: GrpcStream) -> None:
    """Writes until that fails."""
    await stream.send(CONFIGURE)
    while True:
        await stream.send(Heartbeat())


async def test_an_orchestrator_that_writes_on_is_told_that_its_token_was_refused() -> None:
    async with secured_node(ServerSecurity(tokens=BearerTokens([new_token("orchestrator")]))) as node:
        for _ in range(TRIES):
            stream = GrpcStream(node.address, "s", SessionClock())
            try:
                with pytest.raises(StreamLostError, match="it refuses a call without a token"):
                    await write_on(stream)
                with pytest.raises(StreamLostError, match="it refuses a call without a token"):
                    await stream.receive()
            finally:
                await stream.close()
