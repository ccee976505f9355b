"""Twenty thousand requests nobody should send: an answer in HTTP or a closed connection, and no exception inside."""

import asyncio
import logging
import random
from collections import Counter
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs
from support.fake_directory import session_info
from support.http_fuzz import Batch, a_batch
from support.operator_face import OPEN, SECURED, served_face
from support.raw_http import read_answer

from voice_orchestrator.service.http_connection import HttpLimits

ANSWERS = 10_000
CONNECTIONS = 32
REACHED = {200, 202, 400, 403, 404, 405}
LAST = b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def send(port: int, batch: Batch) -> list[int]:
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


async def fuzz(seed: int, *, secured: bool) -> Counter[int]:
    """Sends requests over many connections at once until so many were answered; gives the statuses."""
    chance = random.Random(seed)
    statuses: Counter[int] = Counter()
    left = ANSWERS
    security = SECURED if secured else OPEN
    async with (
        served_face(security=security) as patient,
        served_face(security=security, limits=HttpLimits(idle_s=0.1, linger_s=0.05)) as hasty,
    ):

        async def caller() -> None:
            nonlocal left
            while left > 0:
                batch = a_batch(chance)
                served = patient if batch.whole else hasty
                served.directory.running["one"] = session_info("one")
                answered = await send(served.port, batch)
                statuses.update(answered)
                left -= len(answered)
                if batch.whole:
                    assert len(answered) == len(batch.pieces) + 1, batch

        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(caller())
        assert await send(patient.port, Batch(pieces=())) == [200]
        while await send(hasty.port, Batch(pieces=())) != [200]:
            pass  # it may have been too slow itself to read the request in the time it gives
    return statuses


@pytest.mark.parametrize(("seed", "secured"), [(1, False), (2, True)])
def test_whatever_is_sent_the_face_answers_or_hangs_up(
    seed: int, secured: bool, caplog: pytest.LogCaptureFixture
) -> None:
    broken: list[dict[str, Any]] = []

    async def told() -> Counter[int]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        return await fuzz(seed, secured=secured)

    with caplog.at_level(logging.WARNING), capture_logs() as logs:
        statuses = uvloop.run(told())
    assert not broken
    assert {entry["event"] for entry in logs} <= {"session_hung_up_by_operator", "peer_refused"}
    assert not caplog.records
    assert statuses.keys() <= REACHED | {401, 413, 417}
    assert statuses.keys() >= REACHED | ({401} if secured else set())
