"""How much an engine gains from more threads, alone on the machine."""

from collections.abc import Callable
from typing import Final

import uvloop

from voice_contract.failures import Stage
from voice_contract.messages import ChatMessage, ChatRole
from voice_inference.bench.engine_parts import EngineParts
from voice_inference.bench.findings import ThreadTimes
from voice_inference.bench.speech import Speech
from voice_inference.bench.stage_times import FIRST_CLAUSE, INSTRUCTIONS, LANGUAGE, QUESTION, median_ms, written
from voice_inference.engines.base import CancelToken

UTTERANCE_S: Final = 4.0
TRIED: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


def counts_to_try(cores: int) -> tuple[int, ...]:
    """Thread counts from 1 to `cores`, every one as long as they are few."""
    return tuple(sorted({count for count in TRIED if count < cores} | {cores}))


def thread_times(
    parts: EngineParts, speech: Speech, cores: int, repeats: int, say: Callable[[str], None]
) -> tuple[ThreadTimes, ...]:
    """STT, LLM and TTS with each number of threads; engines that do not compute here are left out."""
    found = []
    for stage, measure in ((Stage.STT, _stt_ms), (Stage.LLM, _llm_ms), (Stage.TTS, _tts_ms)):
        if not parts.resolved.engine(stage).threads_here:
            continue
        took_ms = []
        for threads in counts_to_try(cores):
            say(f"{stage.value} with {threads} thread{'s' if threads > 1 else ''}")
            took_ms.append((threads, measure(parts, speech, threads, repeats)))
        placed = parts.resolved.engine(stage).placed.threads
        found.append(ThreadTimes(stage=stage.value, placed_threads=placed, took_ms=tuple(took_ms)))
    return tuple(found)


def _stt_ms(parts: EngineParts, speech: Speech, threads: int, repeats: int) -> float:
    engine, samples = parts.stt(threads), speech.lasting(UTTERANCE_S)
    return median_ms(lambda: engine.transcribe(samples, LANGUAGE, CancelToken()), repeats)


def _tts_ms(parts: EngineParts, speech: Speech, threads: int, repeats: int) -> float:
    del speech
    engine = parts.tts(threads)
    return median_ms(lambda: next(iter(engine.synthesize(FIRST_CLAUSE, "", 1.0, CancelToken()))), repeats)


def _llm_ms(parts: EngineParts, speech: Speech, threads: int, repeats: int) -> float:
    """A new conversation's prompt read and a short reply written."""
    del speech

    async def measure() -> float:
        engine = parts.llm(threads)
        await engine.start()
        try:
            took_ms = []
            for index in range(repeats):
                system = ChatMessage(role=ChatRole.SYSTEM, text=f"Call number {index + 1}. {INSTRUCTIONS}")
                took_ms.append((await written(engine, f"bench-{index}", (system, QUESTION))).total_ms)
                await engine.forget(f"bench-{index}")
            return sorted(took_ms)[len(took_ms) // 2]
        finally:
            await engine.close()

    return uvloop.run(measure())
