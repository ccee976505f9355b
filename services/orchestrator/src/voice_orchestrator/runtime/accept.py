"""How a session's stream begins."""

import asyncio
from typing import Final

from voice_contract.messages import CallOpen
from voice_orchestrator.runtime.ports import EdgeGoneError, EdgePort

OPEN_DEADLINE_S: Final = 5.0


async def receive_open(edge: EdgePort) -> CallOpen:
    """The edge's first event; raises EdgeGoneError when it is not call_open or does not come in time."""
    try:
        async with asyncio.timeout(OPEN_DEADLINE_S):
            first = await edge.receive()
    except TimeoutError as error:
        raise EdgeGoneError(f"no call_open within {OPEN_DEADLINE_S:.0f} s") from error
    if not isinstance(first.payload, CallOpen):
        raise EdgeGoneError(f"the first event is {type(first.payload).__name__}, not call_open")
    return first.payload
