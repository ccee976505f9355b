"""Waits for what another thread or task brings about."""

import asyncio
from collections.abc import Callable
from typing import Final

WAIT_S: Final = 20.0
"""Longer than any machine needs; only a broken program waits this long."""


async def eventually(condition: Callable[[], bool]) -> None:
    """Returns as soon as `condition` holds; raises TimeoutError when it never does."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0)
