"""Sends traces over OTLP, in batches, on a thread of its own; the one module that knows OpenTelemetry.

Whether the receiver is there, is slow or hangs: `take` costs the same and never waits. What there is no room for is
dropped, a whole trace at a time, and counted.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from voice_orchestrator.traces import names
from voice_orchestrator.traces.endpoint import DROPPED, EXPORTED, REFUSED, CountSpans, TraceEndpoint
from voice_orchestrator.traces.spans import Span

QUEUE_SPANS_MAX: Final = 4_096
"""Spans that wait for the receiver: some hundred turns."""

BATCH_SPANS: Final = 32
"""Small: a batch is encoded in one go, 50 µs a span, which the event loop may have to wait for."""

BATCH_EVERY_MS: Final = 1_000
EXPORT_S: Final = 10.0
"""How long a batch is tried to be sent before it is given up."""

log = structlog.get_logger(__name__)


class OtlpExporter:
    """Implements TraceExporter. OpenTelemetry's variables OTEL_EXPORTER_OTLP_HEADERS and _CERTIFICATE are heeded."""

    def __init__(self, endpoint: TraceEndpoint, version: str, count: CountSpans) -> None:
        _silence_library()
        self._count = count
        self._made = 0
        self._dropping = False
        self._outlet = _Outlet(endpoint, count)
        self._provider = TracerProvider(
            resource=Resource.create({names.SERVICE_NAME: names.SERVICE, names.SERVICE_VERSION: version}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._outlet,
                max_queue_size=QUEUE_SPANS_MAX,
                schedule_delay_millis=BATCH_EVERY_MS,
                max_export_batch_size=BATCH_SPANS,
            )
        )
        self._tracer = self._provider.get_tracer("voice_orchestrator", version)

    def take(self, trace: Span, began_at: datetime) -> None:
        """See TraceSink."""
        size = trace.size
        if self._made - self._outlet.handed_over + size > QUEUE_SPANS_MAX:
            self._count(DROPPED, size)
            if not self._dropping:
                log.warning("traces_dropped", waiting=self._made - self._outlet.handed_over)
            self._dropping = True
            return
        self._dropping = False
        self._made += self._make(trace, int(began_at.timestamp() * 1_000), None)

    def _make(self, span: Span, began_ms: int, parent: OtelSpan | None) -> int:
        """Hands a span and its children over, the children first; gives how many that were."""
        made = self._tracer.start_span(
            span.name,
            context=None if parent is None else set_span_in_context(parent),
            kind=SpanKind.CLIENT if span.client else SpanKind.INTERNAL,
            attributes=dict(span.attributes),
            start_time=(began_ms + span.start_ms) * 1_000_000,
        )
        if not made.is_recording():  # left out by OTEL_TRACES_SAMPLER, and its children with it
            return 0
        if span.error:
            made.set_attribute(names.ERROR, span.error)
            made.set_status(Status(StatusCode.ERROR))
        count = 1 + sum(self._make(child, began_ms, made) for child in span.children)
        made.end((began_ms + span.end_ms) * 1_000_000)
        return count

    async def close(self, limit_s: float) -> None:
        """See TraceExporter."""
        # A thread nobody has to wait for: the library's own way to end can take half a minute.
        ending = threading.Thread(target=self._end, name="traces-end", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, limit_s)
        if ending.is_alive():
            log.warning("traces_not_flushed", waiting=self._made - self._outlet.handed_over)
            self._outlet.give_up()

    def _end(self) -> None:
        self._provider.force_flush()
        self._outlet.give_up()
        self._provider.shutdown()


class _Outlet(SpanExporter):
    """The library's exporter, counted; it is called by one thread at a time. `handed_over`: spans it was given."""

    def __init__(self, endpoint: TraceEndpoint, count: CountSpans) -> None:
        self.handed_over = 0
        self._endpoint = endpoint
        self._count = count
        self._refusing = False
        self._over = threading.Event()
        self._inner = OTLPSpanExporter(endpoint=str(endpoint), insecure=not endpoint.tls, timeout=EXPORT_S)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends a batch; never raises."""
        self.handed_over += len(spans)
        result = SpanExportResult.FAILURE
        if not self._over.is_set():
            with suppress(ValueError):  # what gRPC raises when its channel is closed meanwhile
                result = self._inner.export(spans)
        taken = result is SpanExportResult.SUCCESS
        self._count(EXPORTED if taken else REFUSED, len(spans))
        if taken and self._refusing:
            log.info("traces_exported_again", endpoint=str(self._endpoint))
        elif not taken and not self._refusing:
            log.warning("traces_not_exported", endpoint=str(self._endpoint), spans=len(spans))
        self._refusing = not taken
        return result

    def give_up(self) -> None:
        """Ends a transmission that is going on; there is none after it."""
        if not self._over.is_set():
            self._over.set()
            self._inner.shutdown()

    def shutdown(self) -> None:
        """See SpanExporter."""
        self.give_up()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        del timeout_millis
        return True


def _silence_library() -> None:
    """Says what it has to say through this module: its own lines would be neither JSON nor few."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
