"""Lines typed or piped into stdin, without ever blocking the event loop or the end of the process."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from typing import Final

LINE_BYTES_MAX: Final = 8 << 10
_STDIN: Final = 0


async def stdin_lines() -> AsyncIterator[str]:
    """Lines until the end of input, without their ends; a line longer than 8 KiB is cut.

    A thread reads the descriptor itself: a regular file cannot be watched by an event loop, and a thread inside
    Python's buffered stdin would hold up the interpreter's end. One read is asked for at a time.
    """
    loop = asyncio.get_running_loop()
    pending = b""
    while True:
        data = await _read(loop)
        pending += data
        *lines, pending = pending.split(b"\n")
        for line in lines:
            yield line[:LINE_BYTES_MAX].decode("utf-8", "replace")
        if not data or len(pending) > LINE_BYTES_MAX:
            if pending:
                yield pending[:LINE_BYTES_MAX].decode("utf-8", "replace")
            pending = b""
        if not data:
            return


async def _read(loop: asyncio.AbstractEventLoop) -> bytes:
    future: asyncio.Future[bytes] = loop.create_future()

    def deliver(data: bytes) -> None:
        if not future.done():
            future.set_result(data)

    def read() -> None:
        try:
            data = os.read(_STDIN, 4_096)
        except OSError:
            data = b""
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, data)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    return await future
