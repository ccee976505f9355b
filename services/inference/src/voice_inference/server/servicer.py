"""The gRPC face of a node: Converse, Describe, health and reflection."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from voice_agent.v1 import inference_service_pb2_grpc
from voice_contract.channel_options import SERVER_OPTIONS
from voice_contract.codec import Peer, decode, encode, encode_description
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import Event, NodeDescription, SessionConfigure
from voice_contract.sequencing import EventSequencer
from voice_inference import __version__
from voice_inference.clock import monotonic_us
from voice_inference.server.converse import ConverseSession
from voice_inference.server.metrics import NodeMetrics
from voice_inference.server.pipeline import Pipeline
from voice_operations.grpc_guard import GrpcGuard

SERVICE_NAME: Final = "voice_agent.v1.Inference"
FIRST_EVENT_S: Final = 5.0
"""A stream that says nothing for this long after it was opened is closed."""

log = structlog.get_logger(__name__)


class InferenceServicer(inference_service_pb2_grpc.InferenceServicer):
    """Admits sessions up to `session_slots` and describes the node. `pipeline` is None while the models load."""

    def __init__(self, metrics: NodeMetrics, session_slots: int) -> None:
        self._metrics = metrics
        self._slots = session_slots
        self._sessions = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.pipeline: Pipeline | None = None
        self.draining = False
        metrics.session_slots.set(session_slots)

    @property
    def sessions(self) -> int:
        """Sessions being served."""
        return self._sessions

    @property
    def ready(self) -> bool:
        """Whether sessions are taken."""
        return self.pipeline is not None and not self.draining

    async def wait_idle(self, timeout_s: float) -> bool:
        """Waits until no session is left; whether that came within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    # The generated base class has the names of the contract and no types for the asynchronous API.
    async def Describe(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        """What the node can do and how much room it has."""
        del request, context
        return encode_description(
            NodeDescription(
                version=__version__,
                ready=self.ready,
                engines=self.pipeline.describe() if self.pipeline else (),
                session_slots=self._slots,
                free_session_slots=self._slots - self._sessions if self.ready else 0,
            )
        )

    async def Converse(  # type: ignore[override]
        self,
        request_iterator: AsyncIterator[Any],
        context: Any,  # noqa: ANN401
    ) -> None:
        """One session; see inference_service.proto."""

        async def receive() -> Event | None:
            try:
                message = await anext(request_iterator)
            except DecodeError as error:
                detail = "event: not a protobuf message"
                failure = Failure(stage=Stage.LINK, reason=FailureReason.INVALID_MESSAGE, detail=detail)
                raise VoiceAgentError(failure) from error
            except (StopAsyncIteration, asyncio.InvalidStateError, grpc.aio.UsageError):
                return None
            return decode(message, Peer.ORCHESTRATOR_TO_INFERENCE)

        async def send(event: Event) -> None:
            await context.write(encode(event))

        try:
            async with asyncio.timeout(FIRST_EVENT_S):
                first = await receive()
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "no session_configure came")
            return
        except VoiceAgentError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.failure.detail)
            return
        if first is None:
            return
        if not isinstance(first.payload, SessionConfigure):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first event must be session_configure")
            return
        admitted = self._admit()
        if isinstance(admitted, Failure):
            self._metrics.sessions_refused.labels(admitted.reason.value).inc()
            await send(EventSequencer(first.session_id, monotonic_us).make(admitted, 0))
            return
        await self._serve(ConverseSession(first, first.payload, admitted), receive, send)

    async def _serve(self, session: ConverseSession, receive: Any, send: Any) -> None:  # noqa: ANN401
        self._sessions += 1
        self._idle.clear()
        self._metrics.sessions.set(self._sessions)
        try:
            await session.serve(receive, send)
        finally:
            self._sessions -= 1
            self._metrics.sessions.set(self._sessions)
            if not self._sessions:
                self._idle.set()

    def _admit(self) -> Pipeline | Failure:
        if self.draining:
            return Failure(stage=Stage.LINK, reason=FailureReason.DRAINING, detail="the node is shutting down")
        if self.pipeline is None:
            detail = "the node is still loading its models"
            return Failure(stage=Stage.LINK, reason=FailureReason.OVERLOADED, detail=detail)
        if self._sessions >= self._slots:
            detail = f"all {self._slots} session slots are taken"
            return Failure(stage=Stage.LINK, reason=FailureReason.CAPACITY_EXHAUSTED, detail=detail)
        return self.pipeline


class GrpcFace:
    """The gRPC server of a node. Health is NOT_SERVING until `set_serving`. `guard` says who may talk to it."""

    def __init__(self, address: str, servicer: InferenceServicer, guard: GrpcGuard | None = None) -> None:
        self._address = address
        self._servicer = servicer
        self._guard = guard or GrpcGuard.open()
        self._server = self._guard.make_server(SERVER_OPTIONS)
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE_NAME, "grpc.health.v1.Health", reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        inference_service_pb2_grpc.add_InferenceServicer_to_server(servicer, self._server)

    async def start(self) -> int:
        """Takes the port and begins to answer; gives the port.

        Raises OSError when it cannot be had, OperatorError for TLS files that cannot be used.
        """
        port = self._guard.add_port(self._server, self._address)
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.start()
        return port

    async def set_serving(self) -> None:
        """Turns health to SERVING."""
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    async def drain(self, timeout_s: float) -> None:
        """Turns NOT_SERVING, takes no new session, waits for the running ones at most `timeout_s`, and stops."""
        self._servicer.draining = True
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        if not await self._servicer.wait_idle(timeout_s):
            log.warning("sessions_cut", sessions=self._servicer.sessions)
        await self._server.stop(grace=0.2)

    async def _set_health(self, status: Any) -> None:  # noqa: ANN401
        await self._health.set("", status)
        await self._health.set(SERVICE_NAME, status)
