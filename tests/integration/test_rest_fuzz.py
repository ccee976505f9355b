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
from support.http_peer import statuses_of
from support.operator_face import OPEN, SECURED, served_face

from voice_operations.http_connection import HttpLimits

ANSWERS = 10_000
CONNECTIONS = 32
REACHED = {200, 202, 400, 403, 404, 405}


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
                answered = await statuses_of(served.port, batch)
                statuses.update(answered)
                left -= len(answered)
                if batch.whole:
                    assert len(answered) == len(batch.pieces) + 1, batch

        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(caller())
        assert await statuses_of(patient.port, Batch(pieces=())) == [200]
        while await statuses_of(hasty.port, Batch(pieces=())) != [200]:
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
