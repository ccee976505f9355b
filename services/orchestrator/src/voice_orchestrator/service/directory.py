"""What the service can say about itself to operators: its sessions, its profiles, its inference nodes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from voice_contract.messages import Phase
from voice_orchestrator.profiles.loader import LoadedProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A session at this moment.

    inference: address of the node it is on, empty while it has none. last_voice_to_voice_ms: of its newest spoken turn
    that was answered, None before the first.
    """

    session_id: str
    profile: str
    peer: str
    started_at: datetime
    phase: Phase
    turns: int
    interruptions: int
    inference: str
    last_voice_to_voice_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileInfo:
    """An agent that can be called. `sha256` is of the profile's canonical content; tools: names."""

    name: str
    description: str
    language: str
    voice: str
    tools: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """An inference node. sessions: of this orchestrator; free_slots: as the node last said, None before that."""

    address: str
    healthy: bool
    sessions: int
    free_slots: int | None


class SessionDirectory(Protocol):
    """Answers at once, on the event loop; nothing it gives changes afterwards."""

    @property
    def accepting(self) -> bool:
        """Whether a session would be taken now, room provided: False while draining or without a node."""

    @property
    def slots(self) -> int:
        """Sessions that may run at the same time."""

    def sessions(self) -> tuple[SessionInfo, ...]:
        """The running sessions, oldest first."""

    def find(self, session_id: str) -> SessionInfo | None:
        """The running session of that id."""

    def hang_up(self, session_id: str) -> bool:
        """Ends a session politely, soon; False when there is no such session."""

    def profiles(self) -> tuple[ProfileInfo, ...]:
        """The agents that can be called, by name."""

    def nodes(self) -> tuple[NodeInfo, ...]:
        """The inference nodes that are known."""


def profile_info(loaded: LoadedProfile) -> ProfileInfo:
    """What operators are told of a profile: nothing of its prompts."""
    profile = loaded.profile
    return ProfileInfo(
        name=loaded.name,
        description=profile.description,
        language=profile.language,
        voice=profile.voice,
        tools=tuple(tool.name for tool in profile.tools),
        sha256=loaded.sha256,
    )
