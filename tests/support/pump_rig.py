"""A send pump that runs on virtual time, and everything it is connected to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

from support.memory_edge import MemoryEdge
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.audio import FRAME_SAMPLES
from voice_contract.messages import PlayoutPause, PlayoutResume
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.output_buffer import OutputBuffer
from voice_orchestrator.runtime.send_pump import SendPump


@dataclass(slots=True, kw_only=True)
class Rig:
    """A pump, what it takes from and what it sends to."""

    clock: SessionClock
    edge: MemoryEdge
    buffer: OutputBuffer
    mailbox: Mailbox
    pump: SendPump
    running: asyncio.Task[None]

    def speak(self, frames: int, *, run_id: int = 1, extra_samples: int = 0, closes: bool = False) -> None:
        """Has sound of a run ready and released."""
        self.buffer.append(run_id, 0, bytes(2 * (frames * FRAME_SAMPLES + extra_samples)))
        self.buffer.release(run_id)
        if closes:
            self.buffer.end_segment(run_id, 0)
            self.buffer.close(run_id)
        self.pump.wake()

    def pause(self) -> None:
        self.buffer.pause(1)
        self.pump.put(PlayoutPause(), 1)

    def resume(self) -> None:
        self.pump.put(PlayoutResume(), 1)
        self.buffer.release(1)
        self.pump.wake()

    def times(self) -> list[float]:
        return [at_s for at_s, _ in self.edge.frames()]


@asynccontextmanager
async def rigged() -> AsyncIterator[Rig]:
    clock, mailbox, buffer = virtual_clock(), Mailbox(), OutputBuffer()
    edge = MemoryEdge(clock)
    pump = SendPump(edge, buffer, mailbox, clock)
    running = asyncio.create_task(pump.run())
    await elapse(0)
    try:
        yield Rig(clock=clock, edge=edge, buffer=buffer, mailbox=mailbox, pump=pump, running=running)
    finally:
        running.cancel()
        await asyncio.wait((running,))


def with_rig(story: Callable[[Rig], Coroutine[None, None, None]]) -> None:
    """Tells a story on virtual time."""

    async def told() -> None:
        async with rigged() as rig:
            await story(rig)

    run_virtual(told())
