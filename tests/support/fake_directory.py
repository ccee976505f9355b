"""A directory of sessions that a test fills: implements SessionDirectory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from voice_contract.messages import Phase
from voice_orchestrator.service.directory import NodeInfo, ProfileInfo, SessionInfo

NOON = datetime(2025, 1, 2, 12, 0, 0, tzinfo=UTC)


def session_info(session_id: str = "abc123", **changes: Any) -> SessionInfo:
    """A session of a clinic, 90 s old at noon."""
    plain = SessionInfo(
        session_id=session_id,
        profile="clinic",
        peer="127.0.0.1:40000",
        started_at=NOON - timedelta(seconds=90),
        phase=Phase.ACTIVE,
        turns=3,
        interruptions=1,
        inference="127.0.0.1:50061",
        last_voice_to_voice_ms=640,
    )
    return replace(plain, **changes)


CLINIC = ProfileInfo(
    name="clinic", description="A dentist's desk", language="en-US", voice="", tools=("slots",), sha256="0" * 64
)
NODE = NodeInfo(address="127.0.0.1:50061", healthy=True, sessions=1, free_slots=3)


class FakeDirectory:
    """Implements SessionDirectory; what is hung up is gone at once and kept in `hung_up`."""

    def __init__(self, *sessions: SessionInfo, slots: int = 4, nodes: tuple[NodeInfo, ...] = (NODE,)) -> None:
        self.running = {info.session_id: info for info in sessions}
        self.known_nodes = nodes
        self.accepting = True
        self.slots = slots
        self.hung_up: list[str] = []

    def sessions(self) -> tuple[SessionInfo, ...]:
        return tuple(sorted(self.running.values(), key=lambda info: info.started_at))

    def find(self, session_id: str) -> SessionInfo | None:
        return self.running.get(session_id)

    def hang_up(self, session_id: str) -> bool:
        if self.running.pop(session_id, None) is None:
            return False
        self.hung_up.append(session_id)
        return True

    def profiles(self) -> tuple[ProfileInfo, ...]:
        return (CLINIC,)

    def nodes(self) -> tuple[NodeInfo, ...]:
        return self.known_nodes
