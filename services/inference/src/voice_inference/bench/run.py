"""The whole bench, in the order in which it disturbs itself least."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvloop

from voice_contract.failures import Stage
from voice_inference.bench.advice import advise
from voice_inference.bench.crowd import level
from voice_inference.bench.engine_parts import EngineParts
from voice_inference.bench.findings import EngineTimes, Findings, LevelTimes, LlmTime, StartUp
from voice_inference.bench.node_process import import_s, node_process
from voice_inference.bench.process_usage import has_loaded, rss_mb
from voice_inference.bench.speech import Speech, speech_of_folder, speech_of_voice
from voice_inference.bench.stage_times import end_of_turn_ms, llm_time, stt_times, tts_time, vad_times
from voice_inference.bench.this_machine import machine_facts
from voice_inference.bench.thread_counts import thread_times
from voice_inference.catalogue.store import ModelStore
from voice_inference.placement.resolve import ResolvedPlacement

Say = Callable[[str], None]
"""Told about progress, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchPlan:
    """How much is measured. `level_s`: how long each number of callers goes on. `repeats`: of every engine's work.

    keep_slots: the node takes as many sessions as the placement says, and refuses the other callers; otherwise it takes
    all of them.
    """

    callers: tuple[int, ...]
    level_s: float
    repeats: int
    keep_slots: bool = False
    speech: Path | None = None


FULL_CALLERS: Final = (1, 2, 4, 8, 16)
QUICK_CALLERS: Final = (1, 2)
FULL_LEVEL_S: Final = 60.0
QUICK_LEVEL_S: Final = 12.0
FULL_REPEATS: Final = 7
QUICK_REPEATS: Final = 2


def bench(resolved: ResolvedPlacement, store: ModelStore, named: str, plan: BenchPlan, say: Say) -> Findings:
    """Everything, measured; `named` is the placement for people.

    Raises OperatorError or VoiceAgentError when something is missing.
    """
    machine = machine_facts()
    speech = None if plan.speech is None else speech_of_folder(plan.speech)
    parts = EngineParts(resolved, store)
    engines, speech = _engines_alone(parts, speech, plan.repeats, say)
    threads = thread_times(parts, speech, machine.cores, plan.repeats, say)
    gc.collect()
    say("import")
    imported_s = import_s()
    placement = resolved.placement
    slots = placement.limits.sessions if plan.keep_slots else max(placement.limits.sessions, *plan.callers)
    limits = placement.limits.model_copy(update={"sessions": slots})
    say("starting a node")
    levels: list[LevelTimes] = []
    with (
        TemporaryDirectory(prefix="voice-inference-bench-") as folder,
        node_process(placement.model_copy(update={"limits": limits}), store.cache_dir, Path(folder)) as node,
    ):
        start_up = StartUp(
            import_s=imported_s,
            serving_s=node.serving_s,
            rss_mb=rss_mb(node.pid),
            torch_loaded=has_loaded(node.pid, "libtorch"),
        )
        for callers in plan.callers:
            say(f"{callers} caller{'s' if callers > 1 else ''} at once, {plan.level_s:g} s")
            levels.append(uvloop.run(level(node.address, node.pid, callers, plan.level_s, speech)))
    return Findings(
        machine=machine,
        placement=named,
        speech=speech.source,
        engines=engines,
        threads=threads,
        start_up=start_up,
        session_slots=slots,
        levels=tuple(levels),
        advice=advise(placement, threads, levels),
    )


def _engines_alone(parts: EngineParts, speech: Speech | None, repeats: int, say: Say) -> tuple[EngineTimes, Speech]:
    say(f"{Stage.TTS.value} alone")
    voice = parts.tts()
    speech = speech_of_voice(voice) if speech is None else speech
    tts = tts_time(voice, repeats)
    del voice
    say(f"{Stage.VAD.value} alone")
    vad = vad_times(parts.vad(), speech, repeats)
    say(f"{Stage.STT.value} alone")
    stt = stt_times(parts.stt(), speech, repeats)
    scorer = parts.end_of_turn()
    score_ms = None
    if scorer is not None:
        say(f"{Stage.END_OF_TURN.value} alone")
        score_ms = end_of_turn_ms(scorer, speech, repeats)
    say(f"{Stage.LLM.value} alone")
    llm = uvloop.run(_llm_alone(parts, repeats))
    return EngineTimes(vad=vad, stt=stt, end_of_turn_ms=score_ms, llm=llm, tts=tts), speech


async def _llm_alone(parts: EngineParts, repeats: int) -> LlmTime:
    engine = parts.llm()
    await engine.start()
    try:
        return await llm_time(engine, repeats)
    finally:
        await engine.close()
