"""A caller who types: lines in, words out, and the agent's speech into a recording when it is wanted.

A line `/key 42#` presses keys of the caller's telephone instead of saying something.
"""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from voice_contract.audio import FRAME_MS
from voice_contract.messages import (
    AudioFormat,
    CallEnded,
    CallOpen,
    Dtmf,
    HangUp,
    Phase,
    Speaker,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.edges.call_progress import CallProgress
from voice_orchestrator.edges.edge_tasks import run_edge_tasks
from voice_orchestrator.edges.playout import Playout
from voice_orchestrator.edges.sound_line import EdgeListener
from voice_orchestrator.edges.speaker import Speaker as Loudspeaker
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import EdgePort

GREETING_WAIT_S: Final = 15.0
REPLY_WAIT_S: Final = 60.0

KEY_COMMAND: Final = "/key"
_KEYS: Final = re.compile("[0-9A-D*#]+")


def keys_of(line: str) -> str | None:
    """The keys a line presses, None for a line that says something; raises ValueError for what is no key."""
    command, _, rest = line.strip().partition(" ")
    if command != KEY_COMMAND:
        return None
    keys = "".join(rest.split()).upper()
    if not _KEYS.fullmatch(keys):
        raise ValueError(f"{line.strip()}: keys are 0-9, A-D, * and #, for example {KEY_COMMAND} 42#")
    return keys


class TextEdge:
    """One chat. `run` once. `recording` None: no sound is asked for. `lines` that press keys are checked already."""

    def __init__(
        self,
        end: EdgePort,
        clock: SessionClock,
        lines: AsyncIterator[str],
        recording: StereoRecording | None,
        profile: str,
        *,
        greets: bool,
        listeners: Sequence[EdgeListener] = (),
    ) -> None:
        self._end = end
        self._clock = clock
        self._lines = lines
        self._recording = recording
        self._profile = profile
        self._greets = greets
        self._listeners = tuple(listeners)
        self.speaker = Loudspeaker(recording)
        self._playout = Playout(end, self.speaker, clock.now_s)
        self._progress = CallProgress(clock, lambda: not self.speaker.idle)
        self.unanswered = 0

    @property
    def ended(self) -> CallEnded | None:
        """How the call ended; None while it has not, or when the session went away without saying."""
        return self._progress.ended

    async def run(self) -> CallEnded | None:
        """Chats until the lines end; gives how the call ended, None when the session went away without saying."""
        wanted = AudioFormat() if self._recording is not None else None
        await self._end.send(CallOpen(profile=self._profile, caller_format=None, agent_format=wanted))
        await run_edge_tasks(listen=self._listen(), keep_time=self._tick(), act=self._act())
        self._end.close()
        return self._progress.ended

    async def _listen(self) -> None:
        while self._progress.ended is None:
            event = await self._end.receive()
            await self._playout.accept(event)
            self._progress.accept(event)
            for listener in self._listeners:
                listener.on_event(event, self._clock.now_ms())

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep_until_s(self._clock.now_s() + FRAME_MS / 1_000)
            await self._playout.tick()

    async def _act(self) -> None:
        await self._until_listening(GREETING_WAIT_S)
        if self._greets and await self._until_responding(0.0, GREETING_WAIT_S):
            await self._until_listening(GREETING_WAIT_S)
        async for line in self._lines:
            text = line.strip()
            if not text:
                continue
            asked_s = self._clock.now_s()
            await self._say(text)
            answered = await self._until_responding(asked_s, REPLY_WAIT_S)
            if not (answered and await self._until_listening(REPLY_WAIT_S)):
                self.unanswered += 1
        await self._end.send(HangUp())

    async def _say(self, text: str) -> None:
        keys = keys_of(text)
        if keys is None:
            await self._end.send(Transcript(speaker=Speaker.CALLER, kind=TranscriptKind.FINAL, text=text))
            return
        for key in keys:
            await self._end.send(Dtmf(key=key))

    async def _until_responding(self, since_s: float, timeout_s: float) -> bool:
        return await self._progress.until(lambda: self._progress.responded_since(since_s), timeout_s)

    async def _until_listening(self, timeout_s: float) -> bool:
        return await self._progress.until(lambda: self._progress.phase is Phase.ACTIVE and self.speaker.idle, timeout_s)
