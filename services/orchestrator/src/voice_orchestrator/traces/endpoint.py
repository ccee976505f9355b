"""Where traces go, and the way there: the only one to the part that needs OpenTelemetry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from voice_operations.addresses import Address, parse_address
from voice_operations.operator_error import OperatorError
from voice_orchestrator.traces.spans import TraceSink

REMEDY: Final = "pip install -r requirements/traces.txt"

CountSpans = Callable[[str, int], None]
"""Is told what became of how many spans, from any thread: EXPORTED, REFUSED or DROPPED."""

EXPORTED: Final = "exported"
REFUSED: Final = "refused"
DROPPED: Final = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEndpoint:
    """An OTLP receiver over gRPC; as text a URL."""

    address: Address
    tls: bool

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.address}"


class TraceExporter(TraceSink, Protocol):
    """Sends traces away."""

    async def close(self, limit_s: float) -> None:
        """Sends what waits, for at most `limit_s`; nothing is taken after it."""


def parse_endpoint(text: str) -> TraceEndpoint:
    """The receiver at [http://|https://]HOST:PORT; in the clear this machine only. Raises OperatorError."""
    scheme, mark, rest = text.rpartition("://")
    if mark and scheme not in ("http", "https"):
        raise OperatorError(f"{text}: traces go to http:// or https://, the OTLP port for gRPC is usually 4317")
    endpoint = TraceEndpoint(address=parse_address(rest.removesuffix("/")), tls=scheme == "https")
    if not endpoint.tls and not endpoint.address.is_loopback:
        raise OperatorError(f"{endpoint.address}: not this machine, so traces go there over https:// only")
    return endpoint


def open_exporter(endpoint: TraceEndpoint, version: str, count: CountSpans) -> TraceExporter:
    """The way to `endpoint`, whether anybody is there or not. Raises OperatorError without the packages for it."""
    try:
        from voice_orchestrator.traces.otlp import OtlpExporter
    except ImportError as error:
        missing = (error.name or str(error)).partition(".")[0]
        raise OperatorError(f"--traces needs OpenTelemetry ({missing} is not installed): {REMEDY}") from error
    return OtlpExporter(endpoint, version, count)
