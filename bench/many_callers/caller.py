"""One caller: an edge over gRPC that speaks, listens on its own clock, acknowledges, and keeps a log of it all."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final

from many_callers.ear import Ear, heard_in_two_runs
from many_callers.stand import PROFILE_NAME
from support.telling_engines import sentence_number
from support.told_sound import tell

from voice_contract.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from voice_contract.messages import (
    Audio,
    AudioFormat,
    CallAccepted,
    CallEnded,
    CallOpen,
    EndCause,
    Event,
    HangUp,
    Phase,
    PhaseChanged,
    TurnLatency,
)
from voice_operations.security import ClientSecurity
from voice_orchestrator.edges.edge_client import edge_client
from voice_orchestrator.edges.playout import Playout
from voice_orchestrator.edges.speaker import Speaker
from voice_orchestrator.runtime.edge_stream import EdgeStream
from voice_orchestrator.runtime.ports import EdgeGoneError

FRAME_S: Final = FRAME_SAMPLES / SAMPLE_RATE_HZ
SILENCE: Final = bytes(2 * FRAME_SAMPLES)
FORMAT: Final = AudioFormat()
END_WAIT_S: Final = 3.0
WORDS_IN_SENTENCE: Final = 6
"""Of every sentence of the scripted node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How callers behave.

    speech_s: length of a turn. pause_s: silence after an answer was heard. patience_s: when no answer came so long
    after a turn, the caller says the next one. sentences and word_ms: what an answer has, as the node is set.
    """

    speech_s: float = 1.0
    pause_s: float = 0.4
    patience_s: float = 8.0
    sentences: int = 3
    word_ms: int = 120
    keeps_frames: bool = False

    @property
    def sentence_samples(self) -> int:
        """Length of a sentence of an answer."""
        return WORDS_IN_SENTENCE * self.word_ms * SAMPLE_RATE_HZ // 1_000


class Fate(Enum):
    """How a call went."""

    RUNNING = "running"
    REFUSED = "refused"
    HUNG_UP = "hung up"
    LOST = "lost"


@dataclass(slots=True, kw_only=True)
class Spoken:
    """A turn of the caller's, seconds of CLOCK_MONOTONIC; None: not yet, or never."""

    number: int
    began_s: float
    ended_s: float | None = None
    answered_s: float | None = None
    over_s: float | None = None

    @property
    def unanswered(self) -> bool:
        """Whether the caller gave up waiting for any answer."""
        return self.over_s is not None and self.answered_s is None


@dataclass(frozen=True, slots=True)
class FrameIn:
    """A frame of the agent's: when the orchestrator stamped it and when it came."""

    run_id: int
    offset_samples: int
    sent_s: float
    came_s: float


@dataclass(slots=True, kw_only=True)
class CallLog:
    """What happened in one call, seconds of CLOCK_MONOTONIC."""

    opened_s: float = 0.0
    began_s: float = 0.0
    ended_s: float = 0.0
    session_id: str = ""
    fate: Fate = Fate.RUNNING
    why: str = ""
    ended: CallEnded | None = None
    link_lost_s: list[float] = field(default_factory=list)
    """When the orchestrator said that the session lost its inference node,"""
    link_found_s: list[float] = field(default_factory=list)
    """and that it found one, the first one included."""
    turns: list[Spoken] = field(default_factory=list)
    frames: list[FrameIn] = field(default_factory=list)
    latencies_ms: list[int] = field(default_factory=list)
    sent_s: list[float] = field(default_factory=list)
    """When each frame of the caller's left, by its number."""


class Caller:
    """Runs one call; `log`, `ear`, `speaker` and `playout` tell what became of it."""

    def __init__(self, manner: Manner, profile: str = PROFILE_NAME) -> None:
        self.log = CallLog()
        self.ear = Ear()
        self.speaker = Speaker(self.ear)
        self._manner = manner
        self._profile = profile
        self._stream: EdgeStream | None = None
        self._stop = asyncio.Event()
        self._accepted = asyncio.Event()
        self.playout: Playout | None = None
        self._heard_count = 0

    # --- what others want to know or do

    def hang_up(self) -> None:
        """Ends the call soon, politely."""
        self._stop.set()

    @property
    def turn(self) -> Spoken | None:
        """The newest turn."""
        return self.log.turns[-1] if self.log.turns else None

    def heard_twice(self) -> list[int]:
        """Sentences that came again."""
        return heard_in_two_runs(self.ear, self.speaker)

    def heard_whole(self, turn: int) -> bool:
        """Whether every sentence of the answer to a turn was heard to its end."""
        numbers = (sentence_number(turn, part) for part in range(self._manner.sentences, 0, -1))
        return all(self.ear.samples_of.get(number, 0) >= self._manner.sentence_samples for number in numbers)

    # --- the call

    async def run(self, address: str) -> None:
        """The whole call; never raises for what the other side does."""
        self.log.opened_s = time.monotonic()
        try:
            async with edge_client(address, ClientSecurity(), monotonic_us) as stream, asyncio.TaskGroup() as group:
                self._stream = stream
                self.log.opened_s = time.monotonic()
                await stream.send(CallOpen(profile=self._profile, caller_format=FORMAT, agent_format=FORMAT))
                self.playout = Playout(stream, self.speaker, self._timeline_s)
                beating = group.create_task(stream.beat())
                talking = group.create_task(self._talk(stream))
                await self._listen(stream)
                talking.cancel()
                beating.cancel()
        except* Exception as errors:
            self._over(Fate.LOST, str(errors.exceptions[0]))
        self._over(Fate.LOST, "the stream ended")

    def _timeline_s(self) -> float:
        return time.monotonic() - self.log.began_s

    def _over(self, fate: Fate, why: str) -> None:
        if self.log.fate is Fate.RUNNING:
            self.log.fate, self.log.why, self.log.ended_s = fate, why, time.monotonic()

    async def _listen(self, stream: EdgeStream) -> None:
        assert self.playout is not None
        try:
            while True:
                event = await stream.receive()
                self._note(event)
                if self.log.ended is not None:
                    return
                await self.playout.accept(event)
        except EdgeGoneError as error:
            self._over(Fate.LOST, str(error))

    def _note(self, event: Event) -> None:
        match event.payload:
            case Audio(offset_samples=offset) if self._manner.keeps_frames:
                frame = FrameIn(event.run_id, offset, event.sender_monotonic_us / 1e6, time.monotonic())
                self.log.frames.append(frame)
            case PhaseChanged(from_phase=Phase.CONNECTING, to_phase=phase) if phase is not Phase.TERMINATED:
                self.log.link_found_s.append(event.sender_monotonic_us / 1e6)
            case PhaseChanged(to_phase=Phase.CONNECTING) if self.log.link_found_s:
                self.log.link_lost_s.append(event.sender_monotonic_us / 1e6)
            case CallAccepted():
                self.log.session_id, self.log.began_s = event.session_id, time.monotonic()
                self._accepted.set()
            case TurnLatency(total_ms=total):
                self.log.latencies_ms.append(total)
            case CallEnded() as ended:
                self.log.ended = ended
                detail = f"{ended.failure.reason.value}: {ended.failure.detail}" if ended.failure else ""
                self._over(_fate_of(ended), f"{ended.cause.value} {detail}".strip())
            case _:
                pass

    # --- speaking

    async def _talk(self, stream: EdgeStream) -> None:
        """Sends a frame whenever its last sample was spoken, and lets the speaker play on."""
        assert self.playout is not None
        count = 0
        await self._accepted.wait()
        with suppress(EdgeGoneError):
            while not self._stop.is_set():
                due_s = self.log.began_s + (count + 1) * FRAME_S
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                pcm = self._frame(due_s - FRAME_S)
                if self._manner.keeps_frames:
                    self.log.sent_s.append(time.monotonic())
                await stream.send(Audio(pcm=pcm, offset_samples=count * FRAME_SAMPLES))
                await self.playout.tick()
                self._take_note_of_what_was_heard()
                count += 1
            await stream.send(HangUp())
            await asyncio.sleep(END_WAIT_S)

    def _frame(self, at_s: float) -> bytes:
        """The frame that begins at `at_s`: of the turn that is spoken, or silence."""
        turn = self.turn
        if turn is None:
            if self.ear.heard and self.speaker.idle:
                self._wait_or_speak(at_s, self._last_heard_s())
        elif turn.ended_s is None:
            if at_s - turn.began_s >= self._manner.speech_s:
                turn.ended_s = at_s
        elif turn.over_s is None:
            if self.heard_whole(turn.number) or at_s - turn.ended_s > self._manner.patience_s:
                turn.over_s = at_s
        else:
            self._wait_or_speak(at_s, turn.over_s)
        turn = self.turn
        return SILENCE if turn is None or turn.ended_s is not None else _pcm(turn.number)

    def _wait_or_speak(self, at_s: float, since_s: float) -> None:
        if at_s - since_s >= self._manner.pause_s:
            self.log.turns.append(Spoken(number=len(self.log.turns) + 1, began_s=at_s))

    def _last_heard_s(self) -> float:
        last = self.ear.heard[-1]
        return self.log.began_s + (last.start_samples + last.samples) / SAMPLE_RATE_HZ

    def _take_note_of_what_was_heard(self) -> None:
        for heard in self.ear.heard[self._heard_count :]:
            turn = self.turn
            if turn is not None and turn.answered_s is None and heard.turn == turn.number:
                turn.answered_s = self.log.began_s + heard.start_s()
        self._heard_count = len(self.ear.heard)


def _fate_of(ended: CallEnded) -> Fate:
    match ended.cause:
        case EndCause.REFUSED:
            return Fate.REFUSED
        case EndCause.CALLER_HUNG_UP:
            return Fate.HUNG_UP
        case _:
            return Fate.LOST


def monotonic_us() -> int:
    """The clock every process of the machine shares."""
    return time.monotonic_ns() // 1_000


@lru_cache(maxsize=1_024)
def _pcm(number: int) -> bytes:
    return tell(number, FRAME_SAMPLES).tobytes()
