"""What leaves for the edge: control in order and at once, sound at the pace at which it is heard."""

import asyncio
from collections import deque
from typing import Final

import structlog

from voice_contract.audio import FRAME_MS, SAMPLE_BYTES, SAMPLE_RATE_HZ
from voice_contract.messages import Audio, Payload, RunAudioEnd, SegmentMark
from voice_orchestrator.runtime.clock import TIMER_SLACK_S, SessionClock
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.output_buffer import Frame, OutputBuffer
from voice_orchestrator.runtime.ports import EdgeGoneError, EdgePort
from voice_orchestrator.session import events

CONTROL_EVENTS_MAX: Final = 256
"""Control events waiting for the edge; an edge that lets so many wait is lost."""

LEAD_S: Final = 2 * FRAME_MS / 1_000
"""How far sound may leave ahead of its time, so that a late timer is not heard. What an interruption has to drop."""

log = structlog.get_logger(__name__)


class SendPump:
    """Sends to the edge and reports what left. `wake` after every change of the output buffer."""

    def __init__(self, edge: EdgePort, buffer: OutputBuffer, mailbox: Mailbox, clock: SessionClock) -> None:
        self._edge = edge
        self._buffer = buffer
        self._mailbox = mailbox
        self._clock = clock
        self._controls: deque[tuple[Payload, int]] = deque()
        self._wakeup = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._next_due_s = 0.0
        self._silenced = False
        self._overflowed = False
        self._edge_gone = False

    @property
    def waiting_controls(self) -> int:
        """Control events that wait for the edge."""
        return len(self._controls)

    def put(self, payload: Payload, run_id: int = 0) -> None:
        """Has a control event sent after those before it; does nothing once the edge is gone."""
        if self._edge_gone:
            return
        if len(self._controls) >= CONTROL_EVENTS_MAX:
            self._overflowed = True
        else:
            self._controls.append((payload, run_id))
        self._idle.clear()
        self._wakeup.set()

    def wake(self) -> None:
        """Something may be ready to leave."""
        self._wakeup.set()

    async def finish(self, last: Payload) -> None:
        """Has `last` sent after everything that waits, and no sound any more; returns when it was sent."""
        self._silenced = True
        self.put(last)
        await self._idle.wait()

    async def run(self) -> None:
        """Pumps until it is cancelled; an edge that is gone is reported and nothing is sent to it any more."""
        try:
            while True:
                self._wakeup.clear()
                await self._send_controls()
                wait_s = await self._send_sound()
                if self._controls:
                    continue
                await self._wait(wait_s)
        except EdgeGoneError as error:
            await self._mailbox.put(events.EdgeLost(at_ms=self._clock.now_ms(), detail=str(error)))
        finally:
            self._edge_gone = True
            self._controls.clear()
            self._idle.set()

    async def _wait(self, wait_s: float | None) -> None:
        """Until something may be ready to leave, `wait_s` at most: the next frame is due then."""
        due = None if wait_s is None else asyncio.get_running_loop().call_later(wait_s, self._wakeup.set)
        try:
            await self._wakeup.wait()
        finally:
            if due is not None:
                due.cancel()

    async def _send_controls(self) -> None:
        if self._overflowed:
            raise EdgeGoneError(f"{CONTROL_EVENTS_MAX} control events wait for the edge")
        while self._controls:
            payload, run_id = self._controls.popleft()
            await self._edge.send(payload, run_id)
        self._idle.set()

    async def _send_sound(self) -> float | None:
        """Sends what is due; gives the time until more is, None when there is nothing to wait for."""
        while not self._silenced and not self._controls:
            await self._send_marks()
            wait_s = self._next_due_s - LEAD_S - self._clock.now_s()
            if wait_s > TIMER_SLACK_S:
                return wait_s
            item = self._buffer.take()
            if item is None:
                return None
            if isinstance(item, Frame):
                await self._send_frame(item)
            else:
                await self._edge.send(RunAudioEnd(total_samples=item.total_samples), item.run_id)
        return None

    async def _send_marks(self) -> None:
        for mark in self._buffer.take_marks():
            message = SegmentMark(segment_index=mark.segment_index, end_offset_samples=mark.end_samples)
            await self._edge.send(message, mark.run_id)

    async def _send_frame(self, frame: Frame) -> None:
        now_s = self._clock.now_s()
        duration_s = len(frame.pcm) / SAMPLE_BYTES / SAMPLE_RATE_HZ
        self._next_due_s = max(self._next_due_s, now_s) + duration_s
        audio = Audio(pcm=frame.pcm, offset_samples=frame.offset_samples, segment_index=frame.segment_index)
        await self._edge.send(audio, frame.run_id)
        at_ms = self._clock.now_ms()
        for index in frame.started:
            await self._mailbox.put(events.SegmentStarted(at_ms=at_ms, run_id=frame.run_id, segment_index=index))
        for index in frame.played:
            await self._mailbox.put(events.SegmentPlayed(at_ms=at_ms, run_id=frame.run_id, segment_index=index))
