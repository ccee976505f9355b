"""Composition root of the node: engines, lanes and servers put together, started, drained and stopped."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final, TypeVar

import structlog

from voice_contract.failures import Stage
from voice_inference.catalogue.store import ModelStore
from voice_inference.clock import monotonic_s
from voice_inference.core_turns import CoreTurns
from voice_inference.engines.base import CancelToken, EndOfTurnEngine, LlmEngine, SttEngine, TtsEngine, VadEngine
from voice_inference.engines.registry import (
    EngineSpec,
    make_end_of_turn,
    make_llm,
    make_stt,
    make_tts,
    make_vad,
)
from voice_inference.lanes import Lane
from voice_inference.placement.engine_spec import engine_spec
from voice_inference.placement.machine import ThisMachine
from voice_inference.placement.resolve import ResolvedPlacement
from voice_inference.server.abilities import missing_abilities
from voice_inference.server.http import HttpFace
from voice_inference.server.metrics import NodeMetrics
from voice_inference.server.pipeline import EndOfTurnStage, Pipeline
from voice_inference.server.servicer import GrpcFace, InferenceServicer
from voice_inference.vad_lane import VadLane
from voice_operations.addresses import parse_address
from voice_operations.grpc_guard import GrpcGuard
from voice_operations.http_guard import HttpGuard
from voice_operations.native_memory import give_back_memory
from voice_operations.operator_error import OperatorError
from voice_operations.peer_metrics import PeerMetrics
from voice_operations.security import ServerSecurity

LAG_PERIOD_S: Final = 0.5
LOADING_THREADS: Final = 2
"""Engines that are loaded at the same time, besides the language model."""

Say = Callable[[str], None]
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Node:
    """One inference node. `say` is told about progress, for people; `security` says who may talk to it."""

    def __init__(self, resolved: ResolvedPlacement, store: ModelStore, say: Say, security: ServerSecurity) -> None:
        self._resolved = resolved
        self._store = store
        self._say = say
        self._security = security
        self._metrics = NodeMetrics()
        self._peers = PeerMetrics("voice_inference", self._metrics.registry)
        self._servicer = InferenceServicer(self._metrics, resolved.placement.limits.sessions)

    async def run(
        self, *, grpc_address: str, http_address: str, ready_file: Path | None, stop: asyncio.Event, drain_s: float
    ) -> bool:
        """Serves until `stop` is set, then drains for at most `drain_s`.

        False when it was stopped while the models were loading: a thread is still inside a library then.
        Raises OperatorError or VoiceAgentError when the node cannot start.
        """
        http_on = parse_address(http_address, listening=True)
        self._security.require_for(http_on, mutual=False)
        self._security.require_for(parse_address(grpc_address, listening=True), mutual=True)
        face = GrpcFace(grpc_address, self._servicer, GrpcGuard(self._security, self._peers))
        guard = HttpGuard(self._security, self._peers)
        http = HttpFace(http_on, self._metrics, lambda: self._servicer.ready, guard)
        try:
            try:
                http_port = await http.start()
                grpc_port = await face.start()
            except OSError as error:
                raise OperatorError(
                    f"cannot listen on {grpc_address} and {http_address} ({error.strerror or error}): end the process "
                    "that uses the port, or choose others with --grpc and --http"
                ) from error
            addresses = {
                "grpc": f"{grpc_address.rpartition(':')[0]}:{grpc_port}",
                "http": f"{http_address.rpartition(':')[0]}:{http_port}",
            }
            return await self._serve(face, addresses, ready_file, stop, drain_s)
        finally:
            await face.drain(0.0)
            await http.stop()
            if ready_file is not None:
                await asyncio.to_thread(ready_file.unlink, missing_ok=True)

    async def _serve(
        self,
        face: GrpcFace,
        addresses: dict[str, str],
        ready_file: Path | None,
        stop: asyncio.Event,
        drain_s: float,
    ) -> bool:
        began_s = perf_counter()
        for line in self._resolved.warnings:
            self._say(f"warning: {line}")
        loading = asyncio.create_task(self._load(), name="load")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not loading.done():
            # A model being read cannot be interrupted; nobody waits for it.
            loading.cancel()
            await asyncio.wait((loading,))
            return False
        stopping.cancel()
        pipeline = loading.result()
        try:
            self._servicer.pipeline = pipeline
            await face.set_serving()
            self._say(
                f"serving on {addresses['grpc']} (metrics on {addresses['http']}), ready after "
                f"{perf_counter() - began_s:.1f} s"
            )
            if ready_file is not None:
                _write_ready_file(ready_file, addresses)
            lag = asyncio.create_task(self._measure_lag(), name="loop-lag")
            await stop.wait()
            lag.cancel()
            self._say(f"draining, {self._servicer.sessions} sessions left")
            await face.drain(drain_s)
        finally:
            await pipeline.close()
        return True

    async def _load(self) -> Pipeline:
        """Verifies, loads and warms every engine, telling about each."""
        queue = self._resolved.placement.limits.queue
        # Not the loop's own executor: the process may end while a model is being read.
        lane = Lane("load", threads=LOADING_THREADS, queue_max=LOADING_THREADS, stage=Stage.SESSION)
        turns = CoreTurns(ThisMachine().cores())
        llm = await lane.run(
            lambda: make_llm(self._spec(Stage.LLM), turns), deadline_s=monotonic_s(), cancel=CancelToken()
        )
        # It loads on a thread of its own, or in another process: the others are loaded meanwhile, the voice beside
        # those that hear.
        starting = asyncio.create_task(self._start_llm(llm), name="start-llm")
        voice = asyncio.create_task(self._step(lane, Stage.TTS, _warm_tts), name="load-tts")
        try:
            vad = await self._step(lane, Stage.VAD, _warm_vad)
            stt = await self._step(lane, Stage.STT, _warm_stt)
            end_of_turn = None
            if self._resolved.has(Stage.END_OF_TURN):
                scorer = await self._step(lane, Stage.END_OF_TURN, _warm_end_of_turn)
                score_lane = Lane("end_of_turn", threads=1, queue_max=queue, stage=Stage.END_OF_TURN)
                end_of_turn = EndOfTurnStage(engine=scorer, lane=score_lane)
            tts = await voice
            await starting
        except BaseException:
            starting.cancel()
            voice.cancel()
            await asyncio.gather(starting, voice, return_exceptions=True)
            await llm.close()
            raise
        lane.close()
        await asyncio.to_thread(give_back_memory)  # loading takes more than what is loaded
        pipeline = Pipeline(
            vad=VadLane(vad, asyncio.get_running_loop()),
            stt=stt,
            stt_lane=Lane("stt", threads=1, queue_max=queue, stage=Stage.STT),
            llm=llm,
            tts=tts,
            tts_lane=Lane("tts", threads=1, queue_max=queue, stage=Stage.TTS, on_queued=turns.look_again),
            turns=turns,
            threads={engine.stage: engine.threads_here for engine in self._resolved.engines},
            metrics=self._metrics,
            end_of_turn=end_of_turn,
        )
        for line in missing_abilities(pipeline.describe()):
            self._say(f"note: {line}")
        self._metrics.lane_depth.labels(Stage.VAD.value).set_function(lambda: pipeline.vad.depth)
        self._metrics.lane_depth.labels(Stage.STT.value).set_function(lambda: pipeline.stt_lane.depth)
        self._metrics.lane_depth.labels(Stage.TTS.value).set_function(lambda: pipeline.tts_lane.depth)
        if end_of_turn is not None:
            self._metrics.lane_depth.labels(Stage.END_OF_TURN.value).set_function(lambda: end_of_turn.lane.depth)
        return pipeline

    async def _step(self, lane: Lane, stage: Stage, make: Callable[[EngineSpec], T]) -> T:
        began_s = perf_counter()
        engine = await lane.run(lambda: make(self._spec(stage)), deadline_s=monotonic_s(), cancel=CancelToken())
        self._told(stage, began_s)
        return engine

    async def _start_llm(self, llm: LlmEngine) -> None:
        began_s = perf_counter()
        await llm.start()
        self._told(Stage.LLM, began_s)

    def _told(self, stage: Stage, began_s: float) -> None:
        placed = self._resolved.engine(stage).placed
        self._say(f"{stage.value}: {placed.engine} {placed.model} ready after {perf_counter() - began_s:.2f} s")

    def _spec(self, stage: Stage) -> EngineSpec:
        return engine_spec(self._resolved, self._store, stage)

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LAG_PERIOD_S
            await asyncio.sleep(LAG_PERIOD_S)
            self._metrics.loop_lag_seconds.set(max(0.0, loop.time() - due_s))


def _warm_vad(spec: EngineSpec) -> VadEngine:
    engine = make_vad(spec)
    engine.warm_up()
    return engine


def _warm_stt(spec: EngineSpec) -> SttEngine:
    engine = make_stt(spec)
    engine.warm_up()
    return engine


def _warm_end_of_turn(spec: EngineSpec) -> EndOfTurnEngine:
    engine = make_end_of_turn(spec)
    engine.warm_up()
    return engine


def _warm_tts(spec: EngineSpec) -> TtsEngine:
    engine = make_tts(spec)
    engine.warm_up()
    return engine


def _write_ready_file(path: Path, addresses: dict[str, str]) -> None:
    """Tells whoever started the node where it listens; the file appears whole."""
    staged = path.with_name(f".{path.name}.part")
    staged.write_text(json.dumps({**addresses, "pid": os.getpid()}) + "\n", encoding="utf-8")
    staged.replace(path)
