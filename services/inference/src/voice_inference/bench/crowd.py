"""Several callers at once on one node: how long they wait, and what the node uses meanwhile."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from os import getpid
from random import Random
from typing import Final

from voice_contract.failures import VoiceAgentError
from voice_contract.messages import AudioFormat, SessionConfigure, VadSettings
from voice_inference.bench.caller import Caller
from voice_inference.bench.figures import median_or_none, percentile
from voice_inference.bench.findings import LevelTimes
from voice_inference.bench.node_stream import open_stream
from voice_inference.bench.process_usage import cpu_s, rss_mb
from voice_inference.bench.speech import Speech
from voice_inference.bench.stage_times import INSTRUCTIONS, LANGUAGE
from voice_inference.bench.turns import MIN_SILENCE_MS, Turns
from voice_inference.clock import monotonic_s

SPREAD_S: Final = 6.0
"""Callers begin within so long: about the time of a turn."""

LOOK_S: Final = 0.5
CONFIGURE: Final = SessionConfigure(
    caller_format=AudioFormat(),
    agent_format=AudioFormat(),
    language=LANGUAGE,
    voice="",
    vad=VadSettings(
        activation_threshold=0.5, deactivation_threshold=0.35, min_speech_ms=32, min_silence_ms=MIN_SILENCE_MS
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Used:
    """See LevelTimes."""

    peak_mb: float
    node_cores: float
    bench_cores: float


async def level(address: str, pid: int, callers: int, seconds: float, speech: Speech) -> LevelTimes:
    """`callers` talk to the node at `address`, process `pid`, for at least `seconds`; each ends its last turn."""
    random, refusals = Random(callers), []
    crowd: list[Caller] = []
    async with AsyncExitStack() as streams:
        for index in range(callers):
            try:
                stream = await open_stream(address, f"bench-{callers}-{index}", CONFIGURE)
            except VoiceAgentError as error:
                refusals.append(str(error))
                continue
            streams.push_async_callback(stream.close)
            delay_s = 0.0 if callers == 1 else random.uniform(0.0, min(SPREAD_S, seconds / 2))
            turns = Turns(INSTRUCTIONS, scores=stream.ready.scores_end_of_turn)
            crowd.append(Caller(stream, turns, speech.clips, Random(random.random()), delay_s=delay_s))
        used = await _talk(crowd, pid, seconds)
    latencies = [ms for caller in crowd for ms in caller.log.latencies_ms]
    unanswered = [why for caller in crowd for why in caller.log.unanswered]
    return LevelTimes(
        callers=callers,
        refused=len(refusals),
        answered=len(latencies),
        unanswered=len(unanswered),
        p50_ms=percentile(latencies, 50),
        p95_ms=percentile(latencies, 95),
        stt_ms=median_or_none([ms for caller in crowd for ms in caller.log.stt_ms]),
        first_text_ms=median_or_none([ms for caller in crowd for ms in caller.log.first_text_ms]),
        node_rss_mb=used.peak_mb,
        node_cores=used.node_cores,
        bench_cores=used.bench_cores,
        why=tuple(sorted({*refusals, *unanswered})),
    )


async def _talk(crowd: Sequence[Caller], pid: int, seconds: float) -> _Used:
    """Has everybody talk; what that took."""
    began_s, node_began_s, bench_began_s = monotonic_s(), cpu_s(pid), cpu_s(getpid())
    peak_mb = rss_mb(pid)

    async def look() -> None:
        nonlocal peak_mb
        with suppress(OSError):
            while True:
                await asyncio.sleep(LOOK_S)
                peak_mb = max(peak_mb, rss_mb(pid))

    async with asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        async with asyncio.TaskGroup() as talking:
            for caller in crowd:
                talking.create_task(caller.run(seconds))
        looking.cancel()
    took_s = max(monotonic_s() - began_s, 1e-3)
    node_s, bench_s = cpu_s(pid) - node_began_s, cpu_s(getpid()) - bench_began_s
    return _Used(peak_mb=peak_mb, node_cores=node_s / took_s, bench_cores=bench_s / took_s)
