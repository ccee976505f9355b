"""An inference node without models as a process: the real servicer, lanes and drain over engines that tell numbers.

    python tests/support/scripted_node_process.py --port 0 --slots 50 --ready-file FILE

SIGTERM drains it as it does a real node.
"""

import argparse
import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop
from support.node_log import NodeLog
from support.scripted_engines import LoudnessVad, ScriptedEndOfTurn
from support.telling_engines import TellingLlm, TellingStt, TellingTts

from voice_contract.failures import Stage
from voice_inference.core_turns import CoreTurns
from voice_inference.lanes import Lane
from voice_inference.server.metrics import NodeMetrics
from voice_inference.server.pipeline import EndOfTurnStage, Pipeline
from voice_inference.server.servicer import GrpcFace, InferenceServicer
from voice_inference.vad_lane import VadLane

QUEUE_MAX: Final = 1_000
TTS_THREADS: Final = 8
FINISHED: Final = 0.99
"""Every pause is the end of a turn."""


class LoggingServicer(InferenceServicer):
    """Writes down who came, and when which sound did."""

    def __init__(self, slots: int, log: NodeLog) -> None:
        super().__init__(NodeMetrics(), slots)
        self._log = log
        self._streams = itertools.count()

    async def Converse(  # type: ignore[override]
        self, request_iterator: AsyncIterator[Any], context: Any
    ) -> None:
        requests = _Logged(request_iterator, self._log, next(self._streams))
        try:
            await super().Converse(requests, context)
        finally:
            if requests.session_id:
                self._log.ended(requests.session_id, time.monotonic())


class _Logged:
    """The requests of one stream, each written down on its way."""

    def __init__(self, requests: AsyncIterator[Any], log: NodeLog, stream: int) -> None:
        self._requests = requests
        self._log = log
        self._stream = stream
        self._next = self._first
        self.session_id = ""

    def __aiter__(self) -> "_Logged":
        return self

    async def __anext__(self) -> Any:
        return await self._next()

    async def _first(self) -> Any:
        message = await anext(self._requests)
        self.session_id = message.session_id
        self._log.began(self.session_id, time.monotonic())
        self._next = self._following if self._log.keeps_sound else self._rest
        return message

    async def _rest(self) -> Any:
        return await anext(self._requests)

    async def _following(self) -> Any:
        message = await anext(self._requests)
        if message.HasField("audio"):
            sent_s = message.sender_monotonic_us / 1e6
            at, now_s = message.audio.offset_samples, time.monotonic()
            self._log.arrived(self.session_id, self._stream, at, sent_s, now_s)
        return message


def make_pipeline(options: argparse.Namespace) -> Pipeline:
    """The scripted engines behind the lanes of a real node."""
    scorer = ScriptedEndOfTurn(probability=FINISHED)
    return Pipeline(
        vad=VadLane(LoudnessVad(), asyncio.get_running_loop()),
        stt=TellingStt(),
        stt_lane=Lane("stt", threads=1, queue_max=QUEUE_MAX, stage=Stage.STT),
        llm=TellingLlm(sentences=options.sentences, token_ms=options.token_ms),
        tts=TellingTts(word_ms=options.word_ms, speed=options.tts_speed),
        tts_lane=Lane("tts", threads=TTS_THREADS, queue_max=QUEUE_MAX, stage=Stage.TTS),
        turns=CoreTurns(2),
        metrics=NodeMetrics(),
        end_of_turn=EndOfTurnStage(
            engine=scorer, lane=Lane("end_of_turn", threads=1, queue_max=QUEUE_MAX, stage=Stage.END_OF_TURN)
        ),
    )


async def serve(options: argparse.Namespace) -> None:
    """Serves until SIGTERM, then drains."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log = NodeLog(options.log, sound=options.log_sound)
    servicer = LoggingServicer(options.slots, log)
    face = GrpcFace(f"127.0.0.1:{options.port}", servicer)
    port = await face.start()
    pipeline = make_pipeline(options)
    servicer.pipeline = pipeline
    await face.set_serving()
    _write(options.ready_file, {"grpc": f"127.0.0.1:{port}", "pid": os.getpid()})
    await stop.wait()
    options.ready_file.unlink(missing_ok=True)
    await face.drain(options.drain_seconds)
    await pipeline.close()
    log.close()


def _write(path: Path, content: dict[str, Any]) -> None:
    staged = path.with_name(f".{path.name}.part")
    staged.write_text(json.dumps(content), encoding="utf-8")
    staged.replace(path)


def main() -> None:
    """Reads the settings and serves."""
    parser = argparse.ArgumentParser(description="An inference node without models.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--ready-file", type=Path, required=True, help="written with the address once it serves")
    parser.add_argument("--log", type=Path, required=True, help="folder for what is written down")
    parser.add_argument("--log-sound", action="store_true", help="write down every frame of caller sound too")
    parser.add_argument("--sentences", type=int, default=3, help="length of a reply")
    parser.add_argument("--token-ms", type=float, default=5.0, help="time for a word of a reply to be written")
    parser.add_argument("--word-ms", type=int, default=120, help="length of a spoken word")
    parser.add_argument("--tts-speed", type=float, default=20.0, help="how much faster sound is made than heard")
    parser.add_argument("--drain-seconds", type=float, default=5.0)
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
