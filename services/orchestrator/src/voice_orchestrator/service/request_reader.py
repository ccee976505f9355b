"""Reads what comes on an RPC, so that whoever waits for it may be cancelled.

gRPC never frees a read that is cancelled while it works on it, nor the message it reads: about a kilobyte for every
call that ends while its edge still speaks. Here a read ends when its RPC does, and nobody cancels it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError


class RequestReader:
    """`run` in a task of its own, which ends with the RPC; `read` by one task at a time; `close` when the RPC ends.

    One message is read ahead; until it is taken the next one stays where flow control sees it.
    """

    def __init__(self, requests: AsyncIterator[Any]) -> None:
        """`requests` as gRPC gives it to a servicer."""
        self._requests = requests
        self._waiter: asyncio.Future[Any] | None = None
        self._ahead: Any = None
        self._taken = asyncio.Event()
        self._closed = False
        self._ended = False

    async def run(self) -> None:
        """Reads until there is no more."""
        while not self._ended:
            try:
                message = await anext(self._requests)
            except (StopAsyncIteration, asyncio.InvalidStateError, grpc.aio.BaseError):
                message = None
            except DecodeError as error:
                message = error
            self._ended = message is None or self._closed
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(message)
            elif not self._ended:
                self._ahead = message
                self._taken.clear()
                await self._taken.wait()

    async def read(self) -> Any:  # noqa: ANN401 - a message of the contract, known to the codec only
        """The next message, None when there is no more; raises VoiceAgentError for what is no message."""
        if self._ahead is not None:
            message, self._ahead = self._ahead, None
            self._taken.set()
            return _readable(message)
        if self._ended:
            return None
        self._waiter = asyncio.get_running_loop().create_future()
        return _readable(await self._waiter)

    def close(self) -> None:
        """The RPC is over: nothing is waited for but the end of its last read."""
        self._closed = self._ended = True
        self._taken.set()


def _readable(message: Any) -> Any:  # noqa: ANN401
    if isinstance(message, DecodeError):
        detail = "event: not a protobuf message"
        raise VoiceAgentError(Failure(stage=Stage.EDGE, reason=FailureReason.INVALID_MESSAGE, detail=detail))
    return message
