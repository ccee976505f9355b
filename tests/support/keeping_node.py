"""An inference node that keeps what it is sent and answers nothing: for tests of what reaches a node."""

import asyncio

from voice_contract.messages import Audio, Event, Heartbeat, Payload, SessionConfigure, SessionReady
from voice_contract.sequencing import EventSequencer


class KeepingNode:
    """Implements InferenceConnector and InferenceStream. `taking` is cleared to have sends wait."""

    def __init__(self) -> None:
        self._sequencer = EventSequencer("test", lambda: 0)
        self.ready = SessionReady(scores_end_of_turn=True)
        self.address = "keeping"
        self.sent: list[Payload] = []
        self.taking = asyncio.Event()
        self.taking.set()
        self.beat_s = 0.25

    async def open(self, session_id: str, configure: SessionConfigure) -> "KeepingNode":
        del session_id, configure
        return self

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        del run_id
        await self.taking.wait()
        self.sent.append(payload)

    async def receive(self) -> Event:
        await asyncio.sleep(self.beat_s)
        return self._sequencer.make(Heartbeat())

    async def close(self) -> None:
        pass

    def sound(self) -> list[Audio]:
        """The caller's frames, as they came."""
        return [payload for payload in self.sent if isinstance(payload, Audio)]
