"""Traces on their way to a receiver, which may be there, gone, or silent."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from structlog.testing import capture_logs
from support.eventually import eventually
from support.otlp_receiver import otlp_receiver

from voice_operations.addresses import parse_address
from voice_operations.operator_error import OperatorError
from voice_orchestrator.traces.endpoint import (
    DROPPED,
    EXPORTED,
    REFUSED,
    TraceEndpoint,
    TraceExporter,
    open_exporter,
    parse_endpoint,
)
from voice_orchestrator.traces.otlp import QUEUE_SPANS_MAX
from voice_orchestrator.traces.spans import Span

BEGAN_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOBODY = "127.0.0.1:1"
FLUSH_S = 20.0
"""Longer than any machine needs."""

SOON_S = 0.05
"""For one that will not answer."""

TRACE = Span(
    name="invoke_agent clinic",
    start_ms=940,
    end_ms=3_570,
    attributes={"gen_ai.conversation.id": "call-1", "voice_agent.turn.id": 1, "voice_agent.turn.answered": True},
    children=(
        Span(name="endpointing", start_ms=1_800, end_ms=2_300),
        Span(
            name="unheard_run",
            start_ms=2_150,
            end_ms=2_200,
            error="engine_error",
            children=(
                Span(
                    name="chat",
                    start_ms=2_150,
                    end_ms=2_200,
                    client=True,
                    error="engine_error",
                    attributes={
                        "gen_ai.response.finish_reasons": ("stop",),
                        "gen_ai.response.time_to_first_chunk": 0.07,
                    },
                ),
            ),
        ),
    ),
)


def exporter(address: str, counted: Counter[str]) -> TraceExporter:
    return open_exporter(parse_endpoint(address), "1.2.3", lambda outcome, spans: counted.update({outcome: spans}))


async def test_a_trace_arrives_as_it_was_made() -> None:
    counted: Counter[str] = Counter()
    async with otlp_receiver() as (receiver, address):
        way = exporter(address, counted)
        way.take(TRACE, BEGAN_AT)
        await way.close(FLUSH_S)
        (trace,) = receiver.traces()
    began_ns = int(BEGAN_AT.timestamp()) * 10**9
    assert trace.name == "invoke_agent clinic"
    assert trace.span.start_time_unix_nano == began_ns + 940_000_000
    assert trace.span.end_time_unix_nano == began_ns + 3_570_000_000
    assert trace.attributes == dict(TRACE.attributes)
    assert trace.resource["service.name"] == "voice-orchestrator"
    assert trace.resource["service.version"] == "1.2.3"
    assert trace.span.status.code == Status.STATUS_CODE_UNSET
    assert trace.names() == ["endpointing", "unheard_run"]
    (chat,) = trace.find("unheard_run").children
    assert chat.span.kind == WireSpan.SPAN_KIND_CLIENT
    assert trace.span.kind == WireSpan.SPAN_KIND_INTERNAL
    assert chat.span.status.code == Status.STATUS_CODE_ERROR
    assert chat.attributes == {
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.07,
        "error.type": "engine_error",
    }
    assert {span.span.trace_id for span in receiver.spans} == {trace.span.trace_id}
    assert counted == {EXPORTED: 4}


async def test_every_turn_is_a_trace_of_its_own() -> None:
    async with otlp_receiver() as (receiver, address):
        way = exporter(address, Counter())
        for _ in range(3):
            way.take(TRACE, BEGAN_AT)
        await way.close(FLUSH_S)
        assert len({trace.span.trace_id for trace in receiver.traces()}) == 3


async def test_what_a_receiver_asks_for_is_taken_from_the_usual_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=clinic")
    async with otlp_receiver() as (receiver, address):
        way = exporter(address, Counter())
        way.take(TRACE, BEGAN_AT)
        await way.close(FLUSH_S)
        assert receiver.metadata["x-team"] == "clinic"


async def test_traces_can_be_left_out_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    counted: Counter[str] = Counter()
    async with otlp_receiver() as (receiver, address):
        way = exporter(address, counted)
        way.take(TRACE, BEGAN_AT)
        await way.close(FLUSH_S)
        assert receiver.spans == []
    assert counted == {}


async def test_nobody_there_costs_the_traces_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    counted: Counter[str] = Counter()
    with capture_logs() as logged:
        way = exporter(NOBODY, counted)
        way.take(TRACE, BEGAN_AT)
        way.take(TRACE, BEGAN_AT)
        await way.close(SOON_S)
        await eventually(lambda: counted[REFUSED] == 8)
        way.take(TRACE, BEGAN_AT)
    assert [line["event"] for line in logged if line["log_level"] == "warning"].count("traces_not_exported") == 1
    assert caplog.records == [], "the library's own lines are no events"


async def test_one_who_never_answers_is_not_waited_for() -> None:
    counted: Counter[str] = Counter()
    async with otlp_receiver() as (receiver, address):
        receiver.answers.clear()
        way = exporter(address, counted)
        way.take(TRACE, BEGAN_AT)
        with capture_logs() as logged:
            await way.close(SOON_S)
        assert "traces_not_flushed" in [line["event"] for line in logged]
        await eventually(lambda: counted[REFUSED] == 4)
        assert receiver.spans == []


async def test_a_receiver_that_takes_traces_again_is_told_of_once() -> None:
    counted: Counter[str] = Counter()
    async with otlp_receiver() as (receiver, address):
        receiver.refuses = True
        way = exporter(address, counted)
        with capture_logs() as logged:
            way.take(TRACE, BEGAN_AT)
            await eventually(lambda: counted[REFUSED] == TRACE.size)
            receiver.refuses = False
            way.take(TRACE, BEGAN_AT)
            await way.close(FLUSH_S)
    assert [line["event"] for line in logged] == ["traces_not_exported", "traces_exported_again"]
    assert counted == {REFUSED: TRACE.size, EXPORTED: TRACE.size}


async def test_what_there_is_no_room_for_is_dropped_by_whole_traces() -> None:
    counted: Counter[str] = Counter()
    async with otlp_receiver() as (receiver, address):
        receiver.answers.clear()
        way = exporter(address, counted)
        with capture_logs() as logged:
            for _ in range(QUEUE_SPANS_MAX // TRACE.size + 300):
                way.take(TRACE, BEGAN_AT)
        assert [line["event"] for line in logged].count("traces_dropped") == 1
        receiver.answers.set()
        await way.close(FLUSH_S)
        assert len(receiver.spans) == counted[EXPORTED] >= QUEUE_SPANS_MAX - TRACE.size
        assert counted[DROPPED] + counted[EXPORTED] == (QUEUE_SPANS_MAX // TRACE.size + 300) * TRACE.size
        assert counted[DROPPED] > 0
        assert all(trace.names() == ["endpointing", "unheard_run"] for trace in receiver.traces())


# --- the way there


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:4317", "http://127.0.0.1:4317"),
        ("http://localhost:4317/", "http://localhost:4317"),
        ("http://[::1]:4317", "http://[::1]:4317"),
        ("https://collector.example:4317", "https://collector.example:4317"),
    ],
)
def test_an_endpoint_is_an_address_with_or_without_scheme(text: str, url: str) -> None:
    assert str(parse_endpoint(text)) == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://collector.example:4317", "not this machine, so traces go there over https:// only"),
        ("collector.example:4317", "not this machine"),
        ("ftp://127.0.0.1:4317", "traces go to http:// or https://"),
        ("https://collector.example", "is not HOST:PORT"),
        ("https://collector.example:4317/v1/traces", "is not HOST:PORT"),
    ],
)
def test_what_is_none_is_said_in_one_line(text: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said) as error:
        parse_endpoint(text)
    assert len(error.value.problems) == 1


def test_without_the_packages_a_person_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "voice_orchestrator.traces.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    endpoint = TraceEndpoint(address=parse_address(NOBODY), tls=False)
    with pytest.raises(OperatorError) as error:
        open_exporter(endpoint, "1.2.3", lambda outcome, spans: None)
    (line,) = error.value.problems
    assert line == (
        "--traces needs OpenTelemetry (opentelemetry is not installed): pip install -r requirements/traces.txt"
    )


def test_nothing_of_opentelemetry_is_there_unless_it_is_asked_for() -> None:
    program = (
        "import sys, voice_orchestrator.cli.main, voice_orchestrator.service.server; "
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=50).returncode == 0
