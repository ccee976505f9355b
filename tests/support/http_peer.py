"""A peer of an HTTP face that sends what it likes and reads strictly what comes back."""

import asyncio

from support.http_fuzz import Batch
from support.raw_http import read_answer

LAST = b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def statuses_of(port: int, batch: Batch) -> list[int]:
    """Statuses of what is answered until the connection is closed; raises NotHttpError for anything else."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    statuses: list[int] = []
    heads = iter(batch.heads)
    try:
        for piece in (*batch.pieces, LAST):
            if writer.transport.is_closing():
                break
            writer.write(piece)
            if batch.waits:
                answer = await read_answer(reader)
                if answer is None:
                    return statuses
                statuses.append(answer.status)
        while (answer := await read_answer(reader, to_head=next(heads, False))) is not None:
            statuses.append(answer.status)
        return statuses
    finally:
        writer.close()
