"""A receiver of traces that speaks OTLP over gRPC on a real socket and keeps what it is sent."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(slots=True)
class ReceivedSpan:
    """A span as it came, with the spans in it by the time they began."""

    span: Span
    resource: Mapping[str, Any]
    children: list["ReceivedSpan"] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def attributes(self) -> dict[str, Any]:
        return plain(self.span.attributes)

    @property
    def length_ms(self) -> float:
        return (self.span.end_time_unix_nano - self.span.start_time_unix_nano) / 1e6

    def names(self) -> list[str]:
        return [child.name for child in self.children]

    def find(self, name: str) -> "ReceivedSpan":
        return next(child for child in self.children if child.name == name)


class OtlpReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """`answers` unset: it takes requests and leaves them without an answer. `refuses`: it answers that it will not."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.metadata: dict[str, str | bytes] = {}
        self.answers = asyncio.Event()
        self.answers.set()
        self.refuses = False

    # The generated base class has the names of the protocol and no types for the asynchronous API.
    async def Export(self, request: Any, context: Any) -> Any:
        self.metadata = dict(context.invocation_metadata())
        await self.answers.wait()
        if self.refuses:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
        for of_resource in request.resource_spans:
            resource = plain(of_resource.resource.attributes)
            for scope in of_resource.scope_spans:
                self.spans += [ReceivedSpan(span, resource) for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def traces(self) -> list[ReceivedSpan]:
        """The outermost spans in the order in which they began, with everything in them; raises KeyError for holes."""
        known = {span.span.span_id: span for span in self.spans}
        for span in known.values():
            span.children.clear()
        for span in sorted(known.values(), key=lambda each: each.span.start_time_unix_nano):
            if span.span.parent_span_id:
                known[span.span.parent_span_id].children.append(span)
        roots = [span for span in known.values() if not span.span.parent_span_id]
        return sorted(roots, key=lambda each: each.span.start_time_unix_nano)


def plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as plain values."""
    found = {}
    for pair in attributes:
        kind = str(pair.value.WhichOneof("value"))
        value = getattr(pair.value, kind)
        found[pair.key] = [each.string_value for each in value.values] if kind == "array_value" else value
    return found


@asynccontextmanager
async def otlp_receiver() -> AsyncIterator[tuple[OtlpReceiver, str]]:
    """A receiver for the length of the block, and its HOST:PORT."""
    receiver, server = OtlpReceiver(), grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield receiver, f"127.0.0.1:{port}"
    finally:
        receiver.answers.set()
        await server.stop(grace=None)
