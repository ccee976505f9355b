"""A whole call on virtual time: the real runtime and edges, a scripted node, no sleep."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.scripted_inference import ScriptedInference
from support.virtual_time import virtual_clock

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_contract.codec import Peer, decode, encode
from voice_contract.messages import Audio, Event, Heartbeat
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.audio_files.wav_reader import CallerSound
from voice_orchestrator.edges.wav_edge import WavEdge, WavScript
from voice_orchestrator.reports.call_log import CallLog
from voice_orchestrator.runtime.accept import receive_open
from voice_orchestrator.runtime.edge_pair import edge_pair
from voice_orchestrator.runtime.journal import NoJournal
from voice_orchestrator.runtime.ports import JournalSink
from voice_orchestrator.runtime.session_runtime import SessionOutcome, SessionRuntime
from voice_orchestrator.session.policy import SessionPolicy

CALLER_LEVEL = 6_000


def speech(*spans_s: float) -> CallerSound:
    """Loud and silent stretches in turn, beginning loud, seconds."""
    parts: list[NDArray[np.int16]] = []
    for index, span_s in enumerate(spans_s):
        level = 0 if index % 2 else CALLER_LEVEL
        square = np.tile([level, -level], int(span_s * SAMPLE_RATE_HZ) // 2).astype(np.int16)
        parts.append(square)
    return CallerSound(
        path=Path("caller.wav"),
        samples=np.concatenate(parts),
        source_rate_hz=SAMPLE_RATE_HZ,
        source_channels=1,
        source_subtype="PCM_16",
    )


class KeepingListener:
    """Keeps everything an edge was told, having checked that it may travel over the wire."""

    def __init__(self) -> None:
        self.events: list[tuple[int, Event]] = []

    def on_event(self, event: Event, at_ms: int) -> None:
        assert decode(encode(event), Peer.ORCHESTRATOR_TO_EDGE) == event
        if not isinstance(event.payload, Audio | Heartbeat):
            self.events.append((at_ms, event))

    def names(self) -> list[str]:
        return [type(event.payload).__name__ for _, event in self.events]


@dataclass(slots=True, kw_only=True)
class VirtualCall:
    """A call that is being made."""

    runtime: SessionRuntime
    edge: WavEdge
    node: ScriptedInference
    recording: StereoRecording
    log: CallLog
    heard: KeepingListener
    outcome: SessionOutcome | None = None

    @property
    def agent(self) -> NDArray[np.int16]:
        """The agent's side of the recording."""
        samples: NDArray[np.int16] = self.recording.samples()[:, 1]
        return samples


async def make_call(
    policy: SessionPolicy,
    sounds: tuple[CallerSound, ...],
    node: ScriptedInference | None = None,
    *,
    overlap_s: float | None = None,
    answer_wait_s: float = 20.0,
    journal: JournalSink | None = None,
    during: Coroutine[Any, Any, None] | None = None,
    call_box: "list[VirtualCall] | None" = None,
) -> VirtualCall:
    """Makes the call; `during` runs beside it, `call_box` is given the call before it begins."""
    clock = virtual_clock()
    node = node or ScriptedInference()
    recording, log, heard = StereoRecording(), CallLog(), KeepingListener()
    session_end, edge_end = edge_pair("test", clock.monotonic_us)
    runtime = SessionRuntime("test", policy, session_end, node, clock, journal or NoJournal(), [log])
    script = WavScript(
        sounds=sounds,
        greets=bool(policy.greeting),
        settle_s=policy.turn_taking.min_delay_ms / 1_000 + 0.5,
        answer_wait_s=answer_wait_s,
        overlap_s=overlap_s,
    )
    edge = WavEdge(edge_end, clock, script, recording, "test", [heard])
    call = VirtualCall(runtime=runtime, edge=edge, node=node, recording=recording, log=log, heard=heard)
    if call_box is not None:
        call_box.append(call)

    async def serve() -> SessionOutcome:
        return await runtime.run(await receive_open(session_end))

    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve())
        group.create_task(edge.run())
        beside = group.create_task(during) if during is not None else None
        await asyncio.wait((serving,))
        if beside is not None:
            beside.cancel()
    call.outcome = serving.result()
    return call
