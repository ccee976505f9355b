"""A call whose caller is moved by hand on virtual time: real runtime and loudspeaker, a microphone while it is used."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from support.scripted_inference import ScriptedInference
from support.virtual_call import CALLER_LEVEL
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.audio import FRAME_MS, FRAME_SAMPLES
from voice_contract.codec import Peer, decode, encode
from voice_contract.messages import (
    Audio,
    AudioFormat,
    CallOpen,
    Dtmf,
    Event,
    HangUp,
    Heartbeat,
    Phase,
    PhaseChanged,
    Speaker,
    TalkPressed,
    TalkReleased,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.edges.playout import Playout
from voice_orchestrator.edges.speaker import Speaker as Loudspeaker
from voice_orchestrator.reports.call_log import CallLog
from voice_orchestrator.runtime.accept import receive_open
from voice_orchestrator.runtime.edge_pair import EdgeEnd, edge_pair
from voice_orchestrator.runtime.journal import NoJournal
from voice_orchestrator.runtime.ports import EdgeGoneError, InferenceConnector, ToolPort
from voice_orchestrator.runtime.session_runtime import SessionOutcome, SessionRuntime
from voice_orchestrator.session.policy import SessionPolicy

T = TypeVar("T")
FRAME_S = FRAME_MS / 1_000


@dataclass(slots=True, kw_only=True)
class HandCall:
    """What the caller does, and what the edge was told."""

    end: EdgeEnd
    playout: Playout
    log: CallLog
    serving: asyncio.Task[SessionOutcome]
    told: list[Event] = field(default_factory=list)
    offset_samples: int = 0

    # --- what the caller does

    async def speak(self, seconds: float) -> None:
        """Frames of a loud sound, in real time."""
        await self._send_sound(seconds, CALLER_LEVEL)

    async def be_silent(self, seconds: float) -> None:
        """Frames without sound, in real time."""
        await self._send_sound(seconds, 0)

    async def send_nothing(self, seconds: float) -> None:
        """No frames at all; the line's timeline goes on."""
        for _ in range(int(seconds / FRAME_S)):
            self.offset_samples += FRAME_SAMPLES
            await elapse(FRAME_S)
            await self.playout.tick()

    async def _send_sound(self, seconds: float, level: int) -> None:
        pcm = np.tile([level, -level], FRAME_SAMPLES // 2).astype(np.int16).tobytes()
        for _ in range(int(seconds / FRAME_S)):
            await elapse(FRAME_S)
            await self.end.send(Audio(pcm=pcm, offset_samples=self.offset_samples))
            self.offset_samples += FRAME_SAMPLES
            await self.playout.tick()

    async def press_keys(self, keys: str) -> None:
        """Keys of the telephone, one after the other."""
        for key in keys:
            await self.end.send(Dtmf(key=key))
            await self.be_silent(0.1)

    async def press(self) -> None:
        """Presses the button to talk."""
        await self.end.send(TalkPressed(offset_samples=self.offset_samples))

    async def let_go(self) -> None:
        """Lets the button go."""
        await self.end.send(TalkReleased(offset_samples=self.offset_samples))

    async def hang_up(self) -> None:
        """Ends the call."""
        await self.end.send(HangUp())
        await asyncio.wait((self.serving,))

    async def until(self, condition: Callable[[], bool], at_most_s: float = 20.0) -> None:
        """Is silent until something holds; fails when it never does."""
        for _ in range(int(at_most_s / FRAME_S)):
            if condition():
                return
            await self.be_silent(FRAME_S)
        raise AssertionError(f"did not come about within {at_most_s} s")

    # --- what the edge was told

    def all(self, kind: type[T]) -> list[T]:
        """Everything of a kind."""
        return [event.payload for event in self.told if isinstance(event.payload, kind)]

    def caller_said(self) -> list[str]:
        """What the caller is understood to have said."""
        return self._said(Speaker.CALLER)

    def agent_said(self) -> list[str]:
        """What began to be heard of the agent."""
        return self._said(Speaker.AGENT)

    def _said(self, speaker: Speaker) -> list[str]:
        words = self.all(Transcript)
        return [each.text for each in words if each.speaker is speaker and each.kind is TranscriptKind.FINAL]

    @property
    def phase(self) -> Phase:
        """Where the session stands."""
        return self.all(PhaseChanged)[-1].to_phase

    def responded(self) -> int:
        """How often the agent began to be heard."""
        return sum(1 for change in self.all(PhaseChanged) if change.to_phase is Phase.RESPONDING)


@asynccontextmanager
async def calling(
    policy: SessionPolicy, node: InferenceConnector | None = None, tools: ToolPort | None = None
) -> AsyncIterator[HandCall]:
    """A call that is open and served by a node; it is hung up at the end."""
    clock, log = virtual_clock(), CallLog()
    session_end, edge_end = edge_pair("test", clock.monotonic_us)
    runtime = SessionRuntime("test", policy, session_end, node or ScriptedInference(), clock, NoJournal(), [log], tools)

    async def serve() -> SessionOutcome:
        return await runtime.run(await receive_open(session_end))

    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve())
        playout = Playout(edge_end, Loudspeaker(None), clock.now_s)
        call = HandCall(end=edge_end, playout=playout, log=log, serving=serving)
        await edge_end.send(CallOpen(profile="test", caller_format=AudioFormat(), agent_format=AudioFormat()))
        listening = group.create_task(_listen(call))
        await call.until(lambda: bool(call.all(PhaseChanged)) and call.phase is not Phase.CONNECTING)
        yield call
        if not serving.done():
            await call.hang_up()
        listening.cancel()


async def _listen(call: HandCall) -> None:
    while True:
        try:
            event = await call.end.receive()
        except EdgeGoneError:
            return
        assert decode(encode(event), Peer.ORCHESTRATOR_TO_EDGE) == event
        await call.playout.accept(event)
        if not isinstance(event.payload, Audio | Heartbeat):
            call.told.append(event)


def with_call(
    story: Callable[[HandCall], Coroutine[None, None, None]],
    policy: SessionPolicy,
    node: InferenceConnector | None = None,
) -> None:
    """Tells the story of a call."""

    async def told() -> None:
        async with calling(policy, node) as call:
            await story(call)

    run_virtual(told())
