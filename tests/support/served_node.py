"""The real servicer on a real socket, over scripted engines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from support.scripted_engines import LoudnessVad, ScriptedEndOfTurn, ScriptedLlm, ScriptedStt, ScriptedTts

from voice_contract import messages as m
from voice_contract.failures import Stage
from voice_contract.messages import Event, Payload, SessionConfigure, VadSettings
from voice_inference.core_turns import CoreTurns
from voice_inference.engines.base import VadEngine
from voice_inference.lanes import Lane
from voice_inference.server.metrics import NodeMetrics
from voice_inference.server.pipeline import EndOfTurnStage, Pipeline
from voice_inference.server.servicer import GrpcFace, InferenceServicer
from voice_inference.vad_lane import VadLane
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.grpc_inference import GrpcConnector, GrpcStream

P = TypeVar("P")

WINDOWS_WAITING_MAX = 1_000
"""Tests send seconds of sound at once; what a slow machine has not judged yet is not to be lost."""

CONFIGURE = SessionConfigure(
    caller_format=m.AudioFormat(),
    agent_format=m.AudioFormat(),
    language="en-US",
    voice="",
    vad=VadSettings(activation_threshold=0.5, deactivation_threshold=0.35, min_speech_ms=64, min_silence_ms=200),
)


@dataclass(slots=True, kw_only=True)
class ServedNode:
    """A node that listens."""

    address: str
    servicer: InferenceServicer
    face: GrpcFace
    metrics: NodeMetrics
    stt: ScriptedStt
    llm: ScriptedLlm
    tts: ScriptedTts
    end_of_turn: ScriptedEndOfTurn


@asynccontextmanager
async def served_node(
    *,
    slots: int = 4,
    queue: int = 8,
    loaded: bool = True,
    scores: bool = True,
    llm: ScriptedLlm | None = None,
    vad: VadEngine | None = None,
    address: str = "127.0.0.1:0",
) -> AsyncIterator[ServedNode]:
    """A node for the length of the block; everything of it is gone after. It scores pauses when `scores`."""
    metrics = NodeMetrics()
    stt, llm, tts, end_of_turn = ScriptedStt(), llm or ScriptedLlm(), ScriptedTts(), ScriptedEndOfTurn()
    score_lane = Lane("end_of_turn", threads=1, queue_max=queue, stage=Stage.END_OF_TURN)
    pipeline = Pipeline(
        vad=VadLane(vad or LoudnessVad(), asyncio.get_running_loop(), waiting_max=WINDOWS_WAITING_MAX),
        stt=stt,
        stt_lane=Lane("stt", threads=1, queue_max=queue, stage=Stage.STT),
        llm=llm,
        tts=tts,
        tts_lane=Lane("tts", threads=1, queue_max=queue, stage=Stage.TTS),
        turns=CoreTurns(2),
        metrics=metrics,
        end_of_turn=EndOfTurnStage(engine=end_of_turn, lane=score_lane) if scores else None,
    )
    servicer = InferenceServicer(metrics, slots)
    face = GrpcFace(address, servicer)
    port = await face.start()
    if loaded:
        servicer.pipeline = pipeline
        await face.set_serving()
    try:
        yield ServedNode(
            address=f"127.0.0.1:{port}",
            servicer=servicer,
            face=face,
            metrics=metrics,
            stt=stt,
            llm=llm,
            tts=tts,
            end_of_turn=end_of_turn,
        )
    finally:
        stt.gate.set()
        tts.gate.set()
        end_of_turn.gate.set()
        await face.drain(0.0)
        await pipeline.close()
        score_lane.close()


@dataclass(slots=True)
class Session:
    """An orchestrator's end of a stream, for tests."""

    stream: GrpcStream
    seen: list[Event] = field(default_factory=list)

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        await self.stream.send(payload, run_id)

    async def until(self, kind: type[P], timeout_s: float = 5.0) -> tuple[P, int]:
        """The next payload of `kind` and its run id; what comes before is kept in `seen`."""
        async with asyncio.timeout(timeout_s):
            while True:
                event = await self.stream.receive()
                self.seen.append(event)
                if isinstance(event.payload, kind):
                    return event.payload, event.run_id

    async def speak(self, seconds: float, *, offset_s: float = 0.0, level: int = 6_000) -> None:
        """Sends caller sound at once."""
        start = int(offset_s * 16_000)
        for at in range(start, start + int(seconds * 16_000), 320):
            pcm = level.to_bytes(2, "little", signed=True) * 320
            await self.send(m.Audio(pcm=pcm, offset_samples=at))


@asynccontextmanager
async def session_with(node: ServedNode, configure: SessionConfigure = CONFIGURE) -> AsyncIterator[Session]:
    """A session the node took."""
    stream = await GrpcConnector(node.address, SessionClock()).open("test-session", configure)
    try:
        yield Session(stream)
    finally:
        await stream.close()
