"""One caller of the bench: speaks in real time over one stream, listens, and notes how long answers took."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from voice_contract.audio import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE_HZ
from voice_contract.channel_options import HEARTBEAT_INTERVAL_MS
from voice_contract.failures import VoiceAgentError
from voice_contract.messages import Audio, Heartbeat, SessionClose
from voice_inference.bench.node_stream import NodeStream
from voice_inference.bench.turns import Command, Turn, Turns
from voice_inference.clock import monotonic_s
from voice_inference.engines.base import IntSamples

FRAME_S: Final = FRAME_SAMPLES / SAMPLE_RATE_HZ
SILENCE: Final = bytes(FRAME_BYTES)
PAUSE_S: Final = (0.4, 1.6)
"""From the end of an answer to the next turn."""

PATIENCE_S: Final = 20.0
"""A caller who has heard nothing for so long after the last word goes on to the next turn."""


@dataclass(slots=True)
class CallerLog:
    """What became of a caller's turns. `latencies_ms`: from the last speech sample to the first agent sound."""

    latencies_ms: list[float] = field(default_factory=list)
    stt_ms: list[float] = field(default_factory=list)
    first_text_ms: list[float] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    """Why, for every turn that was not."""


class Caller:
    """Speaks turns until `stop_s` has come and the open one is over; the first begins `delay_s` after the start."""

    def __init__(
        self, stream: NodeStream, turns: Turns, clips: Sequence[IntSamples], random: Random, *, delay_s: float
    ) -> None:
        self.log = CallerLog()
        self._stream = stream
        self._turns = turns
        self._clips = clips
        self._random = random
        self._next_clip = random.randrange(len(clips))
        self._began_s = 0.0
        self._sent_frames = 0
        self._clip = b""
        self._clip_at = 0
        self._clip_over_s: float | None = None
        self._speak_at_s = delay_s

    async def run(self, stop_s: float) -> None:
        """The whole call, until `stop_s` seconds after its start; never raises for what the node does."""
        self._began_s = monotonic_s()
        try:
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(self._listen())
                beating = group.create_task(self._beat())
                await self._send(self._turns.prime())
                await self._talk(stop_s)
                await self._stream.send(SessionClose())
                listening.cancel()
                beating.cancel()
        except* VoiceAgentError as errors:
            self.log.unanswered.append(str(errors.exceptions[0]))

    async def _listen(self) -> None:
        while True:
            event = await self._stream.receive()
            await self._send(self._turns.accept(event, self._now_s()))

    async def _beat(self) -> None:
        while True:
            await self._stream.send(Heartbeat())
            await asyncio.sleep(HEARTBEAT_INTERVAL_MS / 1_000)

    async def _talk(self, stop_s: float) -> None:
        """Sends a frame whenever its last sample was spoken."""
        while self._turns.turn is not None or self._now_s() < stop_s:
            due_s = (self._sent_frames + 1) * FRAME_S
            await asyncio.sleep(max(0.0, due_s - self._now_s()))
            frame = Audio(pcm=self._frame(), offset_samples=self._sent_frames * FRAME_SAMPLES)
            self._sent_frames += 1
            await self._stream.send(frame)
            await self._send(self._turns.tick(self._now_s()))
            await self._look_at_turn()

    async def _send(self, commands: Sequence[Command]) -> None:
        for payload, run_id in commands:
            await self._stream.send(payload, run_id)

    def _now_s(self) -> float:
        return monotonic_s() - self._began_s

    def _frame(self) -> bytes:
        """The next 20 ms of the turn that is spoken, or silence."""
        turn = self._turns.turn
        if turn is None and self._now_s() >= self._speak_at_s:
            self._turns.begin()
            self._clip, self._clip_at, self._clip_over_s = self._clips[self._next_clip].tobytes(), 0, None
            self._next_clip = (self._next_clip + 1) % len(self._clips)
        elif turn is None or self._clip_over_s is not None:
            return SILENCE
        frame = self._clip[self._clip_at : self._clip_at + FRAME_BYTES]
        self._clip_at += FRAME_BYTES
        if self._clip_at >= len(self._clip):
            self._clip_over_s = self._now_s()
        return frame.ljust(FRAME_BYTES, b"\0")

    async def _look_at_turn(self) -> None:
        """Notes what became of the turn when it is over."""
        turn, now_s = self._turns.turn, self._now_s()
        if turn is None or self._clip_over_s is None or turn.speaking:
            return
        late = turn.sounded_s is None and now_s - self._clip_over_s > PATIENCE_S
        if not late and not turn.is_over(now_s):
            return
        self._note(turn)
        await self._send(self._turns.end())
        self._speak_at_s = now_s + self._random.uniform(*PAUSE_S)

    def _note(self, turn: Turn) -> None:
        if turn.sounded_s is None or turn.failure:
            self.log.unanswered.append(turn.failure or f"no answer within {PATIENCE_S:g} s")
            return
        self.log.latencies_ms.append((turn.sounded_s - turn.end_samples / SAMPLE_RATE_HZ) * 1_000)
        self.log.stt_ms.append(turn.stt_us / 1_000)
        self.log.first_text_ms.append(turn.first_text_us / 1_000)
