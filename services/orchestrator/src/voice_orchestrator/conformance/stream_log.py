"""Everything that crossed one stream, for the rules to look at when it is over."""

from dataclasses import dataclass, field
from typing import TypeVar

from voice_contract.messages import Event, Payload

P = TypeVar("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An event that came; `at_s` on the clock of the check."""

    event: Event
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the check sent."""

    payload: Payload
    run_id: int
    at_s: float


@dataclass(slots=True, kw_only=True)
class StreamLog:
    """One stream from its first event to its end.

    numbers: sequence numbers as they came, None for a message that has none that can be read.
    refused: what the codec says of messages that break the contract.
    ended_at_s: when the peer ended the stream, None: the check did, or it still runs.
    status: gRPC's code at the end, `details` what came with it.
    """

    opened_at_s: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    numbers: list[int | None] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    ended_at_s: float | None = None
    status: str = ""
    details: str = ""

    def all(self, kind: type[P]) -> list[tuple[P, Seen]]:
        """Payloads of a kind, in order."""
        return [(each.event.payload, each) for each in self.seen if isinstance(each.event.payload, kind)]

    def first(self, kind: type[P], since: int = 0) -> tuple[P, Seen] | None:
        """The first payload of a kind among the events from number `since` of the log on."""
        for each in self.seen[since:]:
            if isinstance(each.event.payload, kind):
                return each.event.payload, each
        return None

    def sent_of(self, kind: type[P]) -> list[tuple[P, Sent]]:
        """What the check sent of a kind, in order."""
        return [(each.payload, each) for each in self.sent if isinstance(each.payload, kind)]
