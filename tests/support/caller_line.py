"""A session on virtual time whose edge is in the test's hands, frame by frame."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import numpy as np
from support.memory_edge import MemoryEdge
from support.scripted_inference import ScriptedInference
from support.virtual_call import CALLER_LEVEL
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.audio import FRAME_SAMPLES
from voice_contract.messages import Audio, AudioFormat, CallOpen, PlayoutFlush, PlayoutPosition, RunAudioEnd
from voice_orchestrator.runtime.ports import JournalSink
from voice_orchestrator.runtime.session_runtime import SessionOutcome, SessionRuntime
from voice_orchestrator.session import events
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.reducer import Transition

FRAME_S = 0.02


class KeepingJournal:
    """Implements JournalSink: keeps what entered the reducer."""

    def __init__(self) -> None:
        self.records: list[tuple[events.SessionEvent, Transition]] = []

    def record(self, event: events.SessionEvent, transition: Transition) -> None:
        self.records.append((event, transition))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(slots=True, kw_only=True)
class Line:
    """A call, seen from the caller's edge."""

    edge: MemoryEdge
    node: ScriptedInference
    runtime: SessionRuntime
    journal: KeepingJournal
    at_samples: int = 0

    def frame(self, level: int = 0, *, again: bool = False) -> None:
        """Sends 20 ms of the caller's sound, or the last of it `again`."""
        if again:
            self.at_samples -= FRAME_SAMPLES
        pcm = np.full(FRAME_SAMPLES, level, dtype=np.int16).tobytes()
        self.edge.say(Audio(pcm=pcm, offset_samples=self.at_samples))
        self.at_samples += FRAME_SAMPLES

    async def speak(self, seconds: float, *, pace_s: float = FRAME_S, twice: bool = False) -> None:
        """The caller speaks; every frame comes `twice`, a frame every `pace_s` of our clock."""
        await self._send(CALLER_LEVEL, seconds, pace_s, twice=twice)

    async def keep_silent(self, seconds: float, *, pace_s: float = FRAME_S, twice: bool = False) -> None:
        """The caller's sound is silence."""
        await self._send(0, seconds, pace_s, twice=twice)

    async def edge_is_mute(self, seconds: float) -> None:
        """No sound of the caller comes; the edge itself is well."""
        await elapse(seconds)

    async def _send(self, level: int, seconds: float, pace_s: float, *, twice: bool) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.frame(level)
            if twice:
                self.frame(level, again=True)
            await elapse(pace_s)

    def report(self, run_id: int, played_samples: int) -> None:
        """The edge says how much it played."""
        self.edge.say(PlayoutPosition(played_samples=played_samples), run_id)

    def samples_of(self, run_id: int) -> int:
        """How much sound of a run was sent to the edge."""
        sent = (s.payload for s in self.edge.sent if s.run_id == run_id)
        return sum(len(audio.pcm) // 2 for audio in sent if isinstance(audio, Audio))

    async def listen(self, seconds: float) -> None:
        """Keeps silent and, as an edge does, reports at once on every run that is flushed or over."""
        answered = 0
        for _ in range(round(seconds / FRAME_S)):
            for sent in self.edge.sent[answered:]:
                if isinstance(sent.payload, PlayoutFlush | RunAudioEnd):
                    self.report(sent.run_id, self.samples_of(sent.run_id))
            answered = len(self.edge.sent)
            self.frame()
            await elapse(FRAME_S)


def on_the_line(
    policy: SessionPolicy,
    story: Callable[[Line], Coroutine[None, None, None]],
    node: ScriptedInference | None = None,
) -> tuple[Line, SessionOutcome]:
    """Tells a story on a line; a call it leaves open is shut down. Fails when a task is left behind."""

    async def told() -> tuple[Line, SessionOutcome]:
        clock = virtual_clock()
        edge, journal = MemoryEdge(clock), KeepingJournal()
        sink: JournalSink = journal
        scripted = node or ScriptedInference()
        runtime = SessionRuntime("test", policy, edge, scripted, clock, sink)
        line = Line(edge=edge, node=scripted, runtime=runtime, journal=journal)
        opened = CallOpen(profile="test", caller_format=AudioFormat(), agent_format=AudioFormat())
        serving = asyncio.create_task(runtime.run(opened))
        await elapse(0.02)
        await story(line)
        if not serving.done():
            runtime.request_shutdown()
        outcome = await serving
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task is left behind"
        return line, outcome

    return run_virtual(told())
