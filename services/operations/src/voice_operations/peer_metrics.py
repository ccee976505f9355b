"""What a server counts about who may talk to it; the same in both services, each under its own prefix."""

from collections import Counter as Tally
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from voice_operations.bearer_tokens import TokenProblem

GRPC: Final = "grpc"
HTTP: Final = "http"

log = structlog.get_logger(__name__)


class PeerMetrics:
    """Counters in `registry`; `prefix` is the service's, for example voice_inference."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        self.refused = Counter(
            f"{prefix}_peers_refused",
            "Requests refused for want of a known token",
            ["face", "reason"],
            registry=registry,
        )
        self.handshakes = Counter(
            f"{prefix}_tls_handshakes",
            "TLS handshakes begun; which of them failed is not told",
            ["face"],
            registry=registry,
        )
        self.certificate_expiry = Gauge(
            f"{prefix}_certificate_expiry_timestamp_seconds",
            "When the server's certificate expires, in seconds since 1970",
            ["face"],
            registry=registry,
        )
        self._refused: Tally[tuple[str, str]] = Tally()
        for face in (GRPC, HTTP):
            self.handshakes.labels(face)
            for problem in TokenProblem:
                self.refused.labels(face, problem.value)

    def refuse(self, face: str, reason: str, peer: str) -> None:
        """Counts a refusal. Of each kind the 1st, 2nd, 4th, 8th ... is logged: a flood of them fills no disk."""
        self.refused.labels(face, reason).inc()
        self._refused[face, reason] += 1
        count = self._refused[face, reason]
        if count & (count - 1) == 0:
            log.warning("peer_refused", face=face, reason=reason, peer=peer, count=count)
