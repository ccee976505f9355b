"""What can only be measured on the way to the edge, with the real send pump on virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import pytest
from support.measured_script import Measured
from support.memory_edge import MemoryEdge
from support.session_script import Script
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.audio import FRAME_SAMPLES, SAMPLE_BYTES
from voice_contract.messages import Heartbeat, PlayoutFlush, PlayoutPause, PlayoutResume
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.output_buffer import OutputBuffer
from voice_orchestrator.runtime.send_pump import LEAD_S, SendPump
from voice_orchestrator.service.measured_edge import MeasuredEdge

RUN_ID = 1


@dataclass(slots=True, kw_only=True)
class Line:
    """A send pump whose edge is measured."""

    measured: Measured
    edge: MemoryEdge
    buffer: OutputBuffer
    pump: SendPump

    def speak(self, frames: int, *, run_id: int = RUN_ID) -> None:
        """Has so much sound ready and released."""
        self.buffer.append(run_id, 0, bytes(SAMPLE_BYTES * frames * FRAME_SAMPLES))
        self.buffer.release(run_id)
        self.pump.wake()

    @property
    def gaps_s(self) -> float:
        return self.measured.value("voice_audio_gap_seconds_sum")


def on_line(story: Callable[[Line], Coroutine[None, None, None]]) -> None:
    async def told() -> None:
        clock, mailbox, buffer = virtual_clock(), Mailbox(), OutputBuffer()
        edge, measured = MemoryEdge(clock), Measured(Script())
        pump = SendPump(MeasuredEdge(edge, measured.session, clock), buffer, mailbox, clock)
        running = asyncio.create_task(pump.run())
        await elapse(0)
        try:
            await story(Line(measured=measured, edge=edge, buffer=buffer, pump=pump))
        finally:
            running.cancel()
            await asyncio.wait((running,))

    run_virtual(told())


def test_sound_that_is_there_in_time_leaves_no_gap() -> None:
    async def story(line: Line) -> None:
        line.speak(10)
        await elapse(0.2 - LEAD_S / 2)
        line.speak(10)
        await elapse(1.0)
        assert len(line.edge.frames()) == 20
        assert line.measured.value("voice_audio_gap_seconds_count") == 0

    on_line(story)


def test_sound_that_comes_too_late_leaves_a_gap_of_its_delay() -> None:
    async def story(line: Line) -> None:
        line.speak(10)
        await elapse(0.5)
        line.speak(10)
        await elapse(1.0)
        assert line.gaps_s == pytest.approx(0.3, abs=0.001)
        assert line.measured.value("voice_audio_gap_seconds_count") == 1

    on_line(story)


def test_a_pause_that_was_ordered_and_another_run_are_no_gaps() -> None:
    async def story(line: Line) -> None:
        line.speak(10)
        await elapse(0.1)
        line.buffer.pause(RUN_ID)
        line.pump.put(PlayoutPause(), RUN_ID)
        await elapse(1.0)
        line.pump.put(PlayoutResume(), RUN_ID)
        line.speak(0)
        await elapse(1.0)
        line.buffer.end(RUN_ID)
        line.speak(10, run_id=RUN_ID + 1)
        await elapse(1.0)
        assert len(line.edge.frames()) == 20
        assert line.gaps_s == 0

    on_line(story)


@pytest.mark.parametrize("order", [PlayoutPause(), PlayoutFlush()])
def test_the_session_is_told_when_an_order_to_be_silent_left(order: PlayoutPause | PlayoutFlush) -> None:
    async def story(line: Line) -> None:
        told: list[tuple[int, float]] = []
        line.measured.session.stop_left = lambda run_id, at_ms: told.append((run_id, at_ms))  # type: ignore[method-assign]
        await elapse(0.25)
        # An edge that does not take it yet: what counts is when it left.
        line.edge.taking.clear()
        line.pump.put(order, RUN_ID)
        await elapse(0.5)
        assert told == []
        line.edge.taking.set()
        await elapse(0.1)
        ((run_id, at_ms),) = told
        assert run_id == RUN_ID
        assert at_ms == pytest.approx(750.0)

    on_line(story)


async def test_it_is_an_edge_in_every_other_way() -> None:
    clock = virtual_clock()
    edge = MemoryEdge(clock)
    measured = MeasuredEdge(edge, Measured(Script()).session, clock)
    edge.say(Heartbeat())
    assert isinstance((await measured.receive()).payload, Heartbeat)
    await measured.send(Heartbeat())
    assert edge.names() == ["Heartbeat"]
    measured.close()
    assert edge.closed
