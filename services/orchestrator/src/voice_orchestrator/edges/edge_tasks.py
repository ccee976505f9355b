"""The tasks of an edge, from the opened call to the end of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from voice_orchestrator.runtime.ports import EdgeGoneError

HANG_UP_WAIT_S: Final = 2.0
"""How long an edge that has hung up waits to be told that the call is over."""

Work = Coroutine[Any, Any, None]


async def run_edge_tasks(*, listen: Work, keep_time: Work, act: Work) -> None:
    """Runs the three side by side until the session ends the call or the script has hung up.

    `listen` ends with the session's stream; `keep_time` sends or plays frame by frame and never ends by itself; `act`
    is the script. A session that is gone ends all of them without an error: `listen` knows how the call ended.
    """
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(_while_there(listen), name="edge-listen")
        keeping_time = group.create_task(_while_there(keep_time), name="edge-time")
        acting = group.create_task(_while_there(act), name="edge-script")
        await asyncio.wait((listening, keeping_time, acting), return_when=asyncio.FIRST_COMPLETED)
        if acting.done() and not listening.done():
            await asyncio.wait((listening,), timeout=HANG_UP_WAIT_S)
        for task in (listening, keeping_time, acting):
            task.cancel()


async def _while_there(work: Work) -> None:
    try:
        await work
    except EdgeGoneError:
        return
