"""Servers that break one rule of the contract: the real servicers, and somebody who spoils what they say or hear.

What they say is numbered and stamped again: a message left out or put in breaks the rule it is about and no other.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from support.scripted_engines import ScriptedStt
from support.served_node import ServedNode
from support.served_orchestrator import ServedOrchestrator

from voice_agent.v1 import event_pb2
from voice_inference.engines.base import CancelToken, FloatSamples, SttResult
from voice_inference.server.metrics import NodeMetrics
from voice_inference.server.servicer import GrpcFace, InferenceServicer
from voice_operations.grpc_guard import GrpcGuard
from voice_orchestrator.service.call_host import CallHost
from voice_orchestrator.service.edge_server import EdgeServer
from voice_orchestrator.service.edge_servicer import EdgeServicer

SHORT_SAMPLES: Final = 12_000
"""What is transcribed of a short sound has half a second of silence around it."""

Message = Any
"""A message of the generated code, which has no types of its own for what is done here."""


class Tamper:
    """Spoils one stream; this one spoils nothing."""

    renumbers = True

    def said(self, message: Message) -> list[Message]:
        """What goes over the wire instead of a message of the server."""
        return [message]

    def heard(self, messages: AsyncIterator[Message]) -> AsyncIterator[Message]:
        """What the server hears instead of what comes."""
        return messages


class TamperedContext:
    """Stands between a servicer and the wire."""

    def __init__(self, context: Any, tamper: Tamper) -> None:
        self._context = context
        self._tamper = tamper
        self._number = 0
        self._newest_us = 0

    async def write(self, message: Message) -> None:
        for each in self._tamper.said(message):
            sent = event_pb2.Event()
            sent.CopyFrom(each)
            self._number += 1
            if self._tamper.renumbers:
                sent.sequence = self._number
                sent.sender_monotonic_us = self._newest_us = max(self._newest_us, sent.sender_monotonic_us)
            await self._context.write(sent)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def arm_of(message: Message) -> str:
    """Name of the message's payload, of its arm when it is control."""
    payload = message.WhichOneof("payload")
    return str(message.control.WhichOneof("arm") if payload == "control" else payload)


def heartbeat(session_id: str) -> Message:
    """A heartbeat, not yet numbered."""
    made = event_pb2.Event(session_id=session_id, sender_monotonic_us=1)
    made.control.heartbeat.SetInParent()
    return made


class LeavesOut(Tamper):
    """Never says one thing."""

    def __init__(self, arm: str) -> None:
        self._arm = arm

    def said(self, message: Message) -> list[Message]:
        return [] if arm_of(message) == self._arm else [message]


class SaysTwice(Tamper):
    """Says one thing twice."""

    def __init__(self, arm: str) -> None:
        self._arm = arm

    def said(self, message: Message) -> list[Message]:
        return [message] * (2 if arm_of(message) == self._arm else 1)


class Changes(Tamper):
    """Says one thing wrongly."""

    def __init__(self, arm: str, change: Callable[[Message], None]) -> None:
        self._arm = arm
        self._change = change

    def said(self, message: Message) -> list[Message]:
        if arm_of(message) == self._arm:
            self._change(message)
        return [message]


class BeatsAfter(Tamper):
    """Is alive after it has said its last."""

    def __init__(self, arm: str) -> None:
        self._arm = arm

    def said(self, message: Message) -> list[Message]:
        if arm_of(message) != self._arm:
            return [message]
        return [message, heartbeat(message.session_id)]


class SkipsANumber(Tamper):
    """Leaves a number out after a few events."""

    renumbers = False

    def __init__(self) -> None:
        self._count = 0

    def said(self, message: Message) -> list[Message]:
        self._count += 1
        message.sequence += self._count > 5
        return [message]


class LateFrames(Tamper):
    """A frame of sound, not the first of its run, is overtaken by what should have stopped it."""

    def __init__(self, arm: str) -> None:
        self._arm = arm
        self._held: Message | None = None

    def said(self, message: Message) -> list[Message]:
        arm, held = arm_of(message), self._held
        if arm == "audio" and message.audio.offset_samples:
            self._held = message
            return [held] if held is not None else []
        if held is None or arm not in (self._arm, "segment_mark", "run_audio_end", "playout_pause", "playout_flush"):
            return [message]
        self._held = None
        return [message, held] if arm == self._arm else [held, message]


class WorksOn(Tamper):
    """Says something more of a run that it has told to be stopped."""

    def __init__(self) -> None:
        self._newest: Message | None = None

    def said(self, message: Message) -> list[Message]:
        if arm_of(message) == "transcript":
            self._newest = message
        if arm_of(message) != "run_stopped" or self._newest is None or self._newest.run_id != message.run_id:
            return [message]
        return [message, self._newest]


class DeafTo(Tamper):
    """Hears something else than what comes: `listen` says what of a message, None for a second of silence."""

    def __init__(self, listen: Callable[[Message | None, int], list[Message]]) -> None:
        self._listen = listen

    async def heard(self, messages: AsyncIterator[Message]) -> AsyncIterator[Message]:
        count, session_id, arriving = 0, "", None
        try:
            while True:
                arriving = arriving or asyncio.ensure_future(anext(messages))
                done, _ = await asyncio.wait((arriving,), timeout=0.4)
                message = None
                if done:
                    message, arriving = arriving.result(), None
                    session_id = message.session_id or session_id
                for each in self._listen(message, count + 1):
                    count += 1
                    each.sequence = count
                    if not done:
                        each.session_id = session_id
                    yield each
        except (StopAsyncIteration, asyncio.CancelledError):
            return
        finally:
            if arriving is not None:
                arriving.cancel()


def any_number(message: Message | None, number: int) -> list[Message]:
    """Does not look at sequence numbers."""
    return [message] if message is not None else []


def never_silent(message: Message | None, number: int) -> list[Message]:
    """Takes silence for heartbeats."""
    if message is not None:
        return [message]
    return [heartbeat("filled in later")]


def any_arm(message: Message | None, number: int) -> list[Message]:
    """Leaves out what it does not know."""
    if message is None or (message.WhichOneof("payload") == "control" and not message.control.WhichOneof("arm")):
        return []
    return [message]


# --- servers


class _TamperedEdge(EdgeServicer):
    """The orchestrator's servicer, spoiled."""

    def __init__(self, host: CallHost, tasks: asyncio.TaskGroup, tamper: Callable[[], Tamper]) -> None:
        super().__init__(host, tasks)
        self._tamper = tamper

    async def Call(self, request_iterator: AsyncIterator[Message], context: Any) -> None:  # type: ignore[override]
        tamper = self._tamper()
        await super().Call(tamper.heard(request_iterator), TamperedContext(context, tamper))


@asynccontextmanager
async def tampered_edge(orchestrator: ServedOrchestrator, tamper: Callable[[], Tamper] = Tamper) -> AsyncIterator[str]:
    """Another door to an orchestrator, spoiled; gives its address."""
    async with asyncio.TaskGroup() as calls:
        server = EdgeServer("127.0.0.1:0", _TamperedEdge(orchestrator.host, calls, tamper), GrpcGuard.open())
        port = await server.start()
        await server.set_serving(True)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop()


class _TamperedNode(InferenceServicer):
    """A node's servicer, spoiled."""

    def __init__(self, slots: int, tamper: Callable[[], Tamper]) -> None:
        super().__init__(NodeMetrics(), slots)
        self._tamper = tamper

    async def Converse(self, request_iterator: AsyncIterator[Message], context: Any) -> None:  # type: ignore[override]
        tamper = self._tamper()
        await super().Converse(tamper.heard(request_iterator), TamperedContext(context, tamper))


@asynccontextmanager
async def tampered_node(
    node: ServedNode, tamper: Callable[[], Tamper] = Tamper, *, slots: int = 3, told_slots: int = 0
) -> AsyncIterator[str]:
    """Another node over the engines of `node`, spoiled; gives its address. `told_slots`: what describe says instead."""
    servicer = _TamperedNode(slots, tamper)
    servicer.pipeline = node.servicer.pipeline
    if told_slots:
        describe = servicer.Describe

        async def lie(request: Any, context: Any) -> Any:
            answer = await describe(request, context)
            answer.free_session_slots += told_slots - answer.session_slots
            answer.session_slots = told_slots
            return answer

        servicer.Describe = lie  # type: ignore[method-assign]
    face = GrpcFace("127.0.0.1:0", servicer)
    port = await face.start()
    await face.set_serving()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await face.drain(0.0)


class CoughStt(ScriptedStt):
    """Finds no words in a short sound."""

    def transcribe(self, samples: FloatSamples, language: str, cancel: CancelToken, expected: str = "") -> SttResult:
        result = super().transcribe(samples, language, cancel, expected)
        return result if len(samples) > SHORT_SAMPLES else SttResult(text="", mean_log_probability=-0.2)
