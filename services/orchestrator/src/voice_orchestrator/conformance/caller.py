"""A well-behaved edge with one caller: a microphone that never stops, and sound that is played and acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import cycle
from typing import Final

from voice_contract.codec import Peer
from voice_contract.messages import (
    Audio,
    AudioEncoding,
    CallAccepted,
    CallEnded,
    CallOpen,
    Event,
    HangUp,
    Phase,
    PhaseChanged,
    PlayoutFlush,
    PlayoutPause,
    PlayoutPosition,
    PlayoutResume,
    RunAudioEnd,
    RunHeard,
    Speaker,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.conformance.event_stream import EventStream, Target, open_events
from voice_orchestrator.conformance.player import Player

METHOD: Final = "/voice_agent.v1.Edge/Call"
SILENCE: Final = {AudioEncoding.S16LE: b"\0\0", AudioEncoding.MULAW: b"\xff", AudioEncoding.ALAW: b"\xd5"}
"""One sample of it."""

FRAME_MS: Final = 20
TICK_S: Final = 0.02
ACCEPT_S: Final = 5.0
ACTIVE_S: Final = 15.0
STALLED_S: Final = 6.0
"""A run of which nothing comes for so long is not waited for."""

PLAYED_S: Final = 0.5
"""What of a run is still to be heard when all of it came, and more."""

HEARD_WITHIN_S: Final = 2.0
SPEECH_BYTES_PER_S_MIN: Final = 8_000


class Caller:
    """One call. `keep_line` and `play` are to run beside whoever uses it; `call_of` does so."""

    def __init__(self, stream: EventStream, target: Target, opened: CallOpen, frames_ms: Sequence[int]) -> None:
        self.stream = stream
        self.opened = opened
        self._clock = target.clock
        self._frames_ms = cycle(frames_ms)
        self._speech = b""
        self._sent_samples = 0
        self._looked_at = 0
        self._ending: dict[int, int] = {}
        self._flushed_run_id = 0
        self._player = Player(opened.agent_format.sample_rate_hz if opened.agent_format else 16_000)
        self._sample_bytes = len(SILENCE[opened.agent_format.encoding]) if opened.agent_format else 1
        self._heard: set[int] = set()
        self._ended: set[int] = set()
        self._quiet = asyncio.Event()
        self.phase = Phase.CREATED
        """Where the session stands, as far as it told."""
        self.latest_run_id = 0
        """The newest run that anything was told of."""
        self.received: dict[int, int] = {}
        """Samples of every run that sounded."""
        stream.observe = self._note

    def _note(self, event: Event) -> None:
        self.latest_run_id = max(self.latest_run_id, event.run_id)
        match event.payload:
            case PhaseChanged(to_phase=phase):
                self.phase = phase
            case Audio(pcm=pcm):
                samples = len(pcm) // self._sample_bytes
                self.received[event.run_id] = self.received.get(event.run_id, 0) + samples
            case RunHeard():
                self._heard.add(event.run_id)
            case RunAudioEnd() | PlayoutFlush():
                self._ended.add(event.run_id)
            case _:
                return

    # --- what the caller does

    async def say(self, sound: bytes) -> None:
        """Speaks `sound`, of the caller's format, from the next frame on; returns when it was said."""
        self._speech = sound
        self._quiet.clear()
        try:
            async with asyncio.timeout(len(sound) / SPEECH_BYTES_PER_S_MIN + ACCEPT_S):
                await self._quiet.wait()
        except TimeoutError:
            return

    async def type(self, text: str) -> None:
        """Types a turn."""
        await self.stream.send(Transcript(speaker=Speaker.CALLER, kind=TranscriptKind.FINAL, text=text))

    async def hang_up(self) -> None:
        """Ends the call."""
        await self.stream.send(HangUp())

    # --- what it waits for

    async def accepted(self) -> bool:
        """Waits until the call is taken; False when it is not."""
        log = self.stream.log
        await self.stream.until(lambda: bool(log.first(CallAccepted) or log.first(CallEnded)), ACCEPT_S)
        return log.first(CallAccepted) is not None

    async def active(self) -> bool:
        """Waits until the session listens, or speaks."""
        return await self.stream.until(lambda: self.phase in (Phase.ACTIVE, Phase.RESPONDING), ACTIVE_S)

    async def sounds_after(self, run_id: int, timeout_s: float) -> int:
        """Waits for sound of a run after `run_id`; gives the run, 0 when there was none in time."""
        await self.stream.until(lambda: max(self.received, default=0) > run_id, timeout_s)
        return next((run for run in self.received if run > run_id), 0)

    async def sounded_for(self, run_id: int, samples: int, timeout_s: float) -> bool:
        """Waits until so much of a run came."""
        return await self.stream.until(lambda: self.received.get(run_id, 0) >= samples, timeout_s)

    async def heard(self, run_id: int) -> bool:
        """Waits until a run has sounded to its end and the orchestrator said what was heard of it."""
        if run_id not in self.received:
            return False
        while not self.is_over(run_id):
            if not await self.stream.until(partial(self._went_on, run_id, self.received[run_id]), STALLED_S):
                return False
        return await self.stream.until(lambda: run_id in self._heard, HEARD_WITHIN_S + PLAYED_S)

    def _went_on(self, run_id: int, samples: int) -> bool:
        return self.received[run_id] > samples or self.is_over(run_id)

    def is_over(self, run_id: int) -> bool:
        """Whether nothing more of a run is to come."""
        return run_id in self._ended | self._heard

    # --- the microphone

    async def keep_line(self) -> None:
        """Sends frame after frame, each when its last sample has been spoken, until it is cancelled."""
        format_ = self.opened.caller_format
        if format_ is None or not await self.accepted():
            return
        silence = SILENCE[format_.encoding]
        origin_s = self._clock.now_s()
        while not self.stream.over:
            samples = format_.sample_rate_hz * next(self._frames_ms) // 1_000
            await self._clock.sleep_until_s(origin_s + (self._sent_samples + samples) / format_.sample_rate_hz)
            size = samples * len(silence)
            pcm, self._speech = self._speech[:size], self._speech[size:]
            pcm += silence * (samples - len(pcm) // len(silence))
            if not self._speech:
                self._quiet.set()
            offset, self._sent_samples = self._sent_samples, self._sent_samples + samples
            await self.stream.send(Audio(pcm=pcm, offset_samples=offset))

    # --- the loudspeaker

    async def play(self) -> None:
        """Plays and acknowledges what comes until it is cancelled."""
        log = self.stream.log
        while not self.stream.over:
            await self.stream.until(lambda: len(log.seen) > self._looked_at, TICK_S)
            for seen in log.seen[self._looked_at :]:
                self._looked_at += 1
                await self._accept(seen.event)
            self._player.advance(self._clock.now_s())
            for run_id, total in tuple(self._ending.items()):
                if self._player.played(run_id) >= total:
                    del self._ending[run_id]
                    await self.stream.send(PlayoutPosition(played_samples=total), run_id)

    async def _accept(self, event: Event) -> None:
        now_s, run_id = self._clock.now_s(), event.run_id
        match event.payload:
            case Audio(pcm=pcm) if run_id > self._flushed_run_id:
                self._player.push(run_id, len(pcm) // self._sample_bytes, now_s)
            case PlayoutPause():
                self._player.pause(now_s)
            case PlayoutResume():
                self._player.resume(now_s)
            case PlayoutFlush():
                played = self._player.flush(run_id, now_s)
                self._ending.pop(run_id, None)
                self._flushed_run_id = max(self._flushed_run_id, run_id)
                await self.stream.send(PlayoutPosition(played_samples=played), run_id)
            case RunAudioEnd(total_samples=total):
                # A wrong total must not keep the check waiting: that much will never be played.
                self._ending[run_id] = min(total, self.received.get(run_id, 0))
            case _:
                return


@asynccontextmanager
async def call_of(
    target: Target, opened: CallOpen, frames_ms: Sequence[int] = (FRAME_MS,), *, speaks: bool = True
) -> AsyncIterator[Caller]:
    """A caller who has asked for a call, for the length of the block; raises UnreachableError.

    `frames_ms`: lengths of the frames, in turn. `speaks` False: the microphone stays off.
    """
    async with open_events(target, METHOD, Peer.ORCHESTRATOR_TO_EDGE) as stream, asyncio.TaskGroup() as group:
        caller = Caller(stream, target, opened, frames_ms)
        tasks = [group.create_task(caller.play())]
        if speaks:
            tasks.append(group.create_task(caller.keep_line()))
        try:
            await stream.send(opened)
            yield caller
        finally:
            for task in tasks:
                task.cancel()
