"""An edge's own audio format and pace, turned into the runtime's: 16,000 Hz s16le in frames of at most 20 ms.

What an edge sends faster than it can have been spoken, or without measure, ends its stream with a reason.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, NoReturn

from voice_contract.audio import FRAME_BYTES, SAMPLE_BYTES, SAMPLE_RATE_HZ
from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import (
    Audio,
    CallOpen,
    Event,
    Payload,
    PlayoutPosition,
    RunAudioEnd,
    SegmentMark,
    TalkPressed,
    TalkReleased,
)
from voice_orchestrator.line.agent_line import AgentLine
from voice_orchestrator.line.caller_line import CallerLine
from voice_orchestrator.line.edge_format import EdgeFormat
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import EdgeGoneError, EdgePort

SOUND_AHEAD_S: Final = 2.0
"""Sound that may come ahead of its time, after a hiccup of the network for example."""

EVENTS_PER_S: Final = 250
"""Sound in frames of 10 ms, heartbeats, a report now and then, and twice that."""

EVENTS_AHEAD: Final = 500


class LineEdge:
    """Implements EdgePort around the stream of an edge; the session inside sees the runtime's format only."""

    def __init__(
        self, edge: EdgePort, clock: SessionClock, cut: Callable[[FailureReason], None] = lambda reason: None
    ) -> None:
        """Tells `cut` why a stream is ended."""
        self._edge = edge
        self._cut = cut
        self._clock = clock
        self._caller: CallerLine | None = None
        self._caller_format: EdgeFormat | None = None
        self._agent: AgentLine | None = None
        self._arrived: deque[Event] = deque()
        self._next_edge_samples: int | None = None
        self._next_samples = 0
        self._began_s: float | None = None
        self._sound_samples = 0
        self._events = 0
        self._segment_index = 0

    # --- from the edge

    async def receive(self) -> Event:
        """See EdgePort."""
        while not self._arrived:
            event = await self._edge.receive()
            await self._check_pace()
            try:
                self._take(event)
            except ValueError as error:
                await self._refuse(FailureReason.INVALID_MESSAGE, str(error))
            await self._check_sound()
        return self._arrived.popleft()

    def _take(self, event: Event) -> None:
        """Puts what `event` means inside into the queue; raises ValueError for what breaks the contract."""
        match event.payload:
            case Audio() as sound:
                self._take_sound(event, sound)
                return
            case CallOpen() as opened:
                if opened.caller_format is not None:
                    self._caller_format = EdgeFormat.of(opened.caller_format)
                    self._caller = CallerLine(opened.caller_format)
                self._agent = AgentLine(opened.agent_format) if opened.agent_format is not None else None
            case PlayoutPosition(played_samples=played) if self._agent is not None:
                inner = self._agent.inner_samples(event.run_id, played)
                event = replace(event, payload=PlayoutPosition(played_samples=inner))
            case TalkPressed(offset_samples=offset) if self._caller is not None:
                event = replace(event, payload=TalkPressed(offset_samples=self._caller.inner_samples(offset)))
            case TalkReleased(offset_samples=offset) if self._caller is not None:
                event = replace(event, payload=TalkReleased(offset_samples=self._caller.inner_samples(offset)))
            case _:
                pass
        self._arrived.append(event)

    def _take_sound(self, event: Event, sound: Audio) -> None:
        if self._caller is None or self._caller_format is None:
            raise ValueError("audio: the call was opened without caller sound")
        if self._next_edge_samples is None or sound.offset_samples > self._next_edge_samples:
            # The first sound, or the edge lost some: what was held back belongs before the gap.
            self._give(event, self._caller.finish())
            self._next_edge_samples = sound.offset_samples
            self._next_samples = self._caller.inner_samples(sound.offset_samples)
        elif sound.offset_samples < self._next_edge_samples:
            raise ValueError(f"audio.offset_samples: {sound.offset_samples} lies before {self._next_edge_samples}")
        self._next_edge_samples += self._caller_format.samples_of(sound.pcm)
        self._give(event, self._caller.feed(sound.pcm))

    def _give(self, event: Event, pcm: bytes) -> None:
        for at in range(0, len(pcm), FRAME_BYTES):
            piece = pcm[at : at + FRAME_BYTES]
            sound = event.payload
            if isinstance(sound, Audio) and (sound.pcm, sound.offset_samples) == (piece, self._next_samples):
                # A frame of the inner format, as nearly all are: it passes as it is.
                self._arrived.append(event)
            else:
                self._arrived.append(replace(event, payload=Audio(pcm=piece, offset_samples=self._next_samples)))
            self._next_samples += len(piece) // SAMPLE_BYTES
            self._sound_samples += len(piece) // SAMPLE_BYTES

    async def _check_pace(self) -> None:
        if self._began_s is None:
            self._began_s = self._clock.now_s()
        self._events += 1
        if self._events > EVENTS_AHEAD + EVENTS_PER_S * (self._clock.now_s() - self._began_s):
            await self._refuse(FailureReason.RATE_EXCEEDED, f"more than {EVENTS_PER_S} events a second")

    async def _check_sound(self) -> None:
        spoken_s = self._clock.now_s() - (self._began_s or 0.0)
        if self._sound_samples > SAMPLE_RATE_HZ * (spoken_s + SOUND_AHEAD_S):
            await self._refuse(FailureReason.RATE_EXCEEDED, "sound comes faster than it can have been spoken")

    async def _refuse(self, reason: FailureReason, detail: str) -> NoReturn:
        self._cut(reason)
        with suppress(EdgeGoneError):
            await self._edge.send(Failure(stage=Stage.EDGE, reason=reason, detail=detail))
        raise EdgeGoneError(f"the edge breaks the contract: {detail}")

    # --- to the edge

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        """See EdgePort."""
        line = self._agent
        if line is None or not isinstance(payload, Audio | RunAudioEnd | SegmentMark):
            await self._edge.send(payload, run_id)
            return
        match payload:
            case Audio(pcm=pcm, segment_index=index):
                at = line.sent_samples(run_id)
                self._segment_index = index
                await self._send_sound(line.feed(run_id, pcm), at, index, run_id)
            case SegmentMark(segment_index=index, end_offset_samples=end):
                mark = SegmentMark(segment_index=index, end_offset_samples=line.edge_samples(end))
                await self._edge.send(mark, run_id)
            case RunAudioEnd():
                at = line.sent_samples(run_id)
                await self._send_sound(line.finish(run_id), at, self._segment_index, run_id)
                await self._edge.send(RunAudioEnd(total_samples=line.sent_samples(run_id)), run_id)

    async def _send_sound(self, pcm: bytes, at: int, index: int, run_id: int) -> None:
        if pcm:
            await self._edge.send(Audio(pcm=pcm, offset_samples=at, segment_index=index), run_id)

    def close(self) -> None:
        """See EdgePort."""
        self._edge.close()
