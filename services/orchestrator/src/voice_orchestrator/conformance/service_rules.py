"""What surrounds the streams of either service: gRPC's own health and reflection."""

from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from voice_orchestrator.conformance.event_stream import Target, open_channel
from voice_orchestrator.conformance.findings import Ledger, Rule

ANSWER_S: Final = 3.0

HEALTH: Final = Rule(name="health", says="grpc.health.v1 says SERVING for the service while sessions are taken")
REFLECTION: Final = Rule(name="reflection", says="gRPC reflection names the service")
SERVICE_RULES: Final = (HEALTH, REFLECTION)


async def check_service(target: Target, service: str, ledger: Ledger) -> None:
    """Asks for health and for the list of services."""
    channel = open_channel(target)
    try:
        await _check_health(channel, target, service, ledger)
        await _check_reflection(channel, target, service, ledger)
    finally:
        await channel.close()


async def _check_health(channel: grpc.aio.Channel, target: Target, service: str, ledger: Ledger) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    try:
        answer = await stub.Check(request, timeout=ANSWER_S, metadata=target.security.metadata)
    except grpc.aio.AioRpcError as error:
        ledger.fail(HEALTH.name, f"{error.code().name}: {error.details()}")
        return
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    ledger.decide(HEALTH.name, status == "SERVING", status, f"{service} is {status}")


async def _check_reflection(channel: grpc.aio.Channel, target: Target, service: str, ledger: Ledger) -> None:
    # The generated class has no types for the asynchronous API.
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
    request: Any = reflection_pb2.ServerReflectionRequest(list_services="")
    try:
        call = stub.ServerReflectionInfo(iter([request]), timeout=ANSWER_S, metadata=target.security.metadata)
        answer = await call.read()
        names = {each.name for each in answer.list_services_response.service} if answer is not grpc.aio.EOF else set()
    except grpc.aio.AioRpcError as error:
        ledger.fail(REFLECTION.name, f"{error.code().name}: {error.details()}")
        return
    ledger.decide(REFLECTION.name, service in names, service, f"it names {', '.join(sorted(names)) or 'nothing'}")
