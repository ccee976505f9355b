"""An edge that only remembers: implements EdgePort for the parts that talk to one."""

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from voice_contract.messages import Audio, Event, Payload
from voice_contract.sequencing import EventSequencer
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import EdgeGoneError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Something the session sent, and when on the session's clock."""

    at_s: float
    payload: Payload
    run_id: int


class MemoryEdge:
    """Implements EdgePort. `taking` is cleared to have sends wait, `gone` is set to have everything fail."""

    def __init__(self, clock: SessionClock) -> None:
        self._clock = clock
        self._sequencer = EventSequencer("test", clock.monotonic_us)
        self._incoming: asyncio.Queue[Event | None] = asyncio.Queue(10_000)
        self.sent: list[Sent] = []
        self.taking = asyncio.Event()
        self.taking.set()
        self.gone: str | None = None
        self.closed = False

    # --- EdgePort

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        if self.gone is not None:
            raise EdgeGoneError(self.gone)
        self.sent.append(Sent(at_s=self._clock.now_s(), payload=payload, run_id=run_id))
        await self.taking.wait()

    async def receive(self) -> Event:
        event = await self._incoming.get()
        if event is None:
            raise EdgeGoneError(self.gone or "the edge left")
        return event

    def close(self) -> None:
        self.closed = True

    # --- what tests do to it

    def say(self, payload: Payload, run_id: int = 0) -> None:
        """Has the session receive an event."""
        self._incoming.put_nowait(self._sequencer.make(payload, run_id))

    def leave(self) -> None:
        """Ends what the session receives."""
        self._incoming.put_nowait(None)

    # --- what tests ask it

    def all(self, kind: type[T]) -> list[T]:
        """What was sent of a kind."""
        return [sent.payload for sent in self.sent if isinstance(sent.payload, kind)]

    def frames(self) -> list[tuple[float, Audio]]:
        """The sound that was sent, with its times."""
        return [(sent.at_s, sent.payload) for sent in self.sent if isinstance(sent.payload, Audio)]

    def names(self) -> list[str]:
        """What was sent, by name."""
        return [type(sent.payload).__name__ for sent in self.sent]
