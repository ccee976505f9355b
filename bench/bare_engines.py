"""The engine calls of finished calls, made again through the same adapters with nothing else going on.

`bare_engines.py CALL_FOLDER...` prints milliseconds by stage as JSON, one value per answered turn. The input of each
call is taken from the journal: the stretch of sound that was transcribed, the messages that were answered, the segment
that was spoken first.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

from voice_inference.native_threads import keep_native_threads_calm

keep_native_threads_calm()  # read when the libraries below are loaded

import numpy as np
import soundfile

from voice_contract.failures import Stage
from voice_contract.messages import ChatMessage, ChatRole
from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.cli.default_placement import default_placement
from voice_inference.core_turns import CoreTurns
from voice_inference.engines.base import CancelToken, LlmEngine, LlmRequest, LlmText
from voice_inference.engines.registry import EngineSpec, make_llm, make_stt, make_tts
from voice_inference.placement.engine_spec import engine_spec
from voice_inference.placement.machine import ThisMachine
from voice_inference.placement.model import load_placement
from voice_inference.placement.resolve import resolve
from voice_orchestrator.session.segmentation import split_ready

PCM_SCALE: Final = 32_768.0


def specs() -> dict[Stage, EngineSpec]:
    """What the default placement says of every engine."""
    resolved = resolve(load_placement(default_placement()), ThisMachine())
    store = ModelStore(default_cache_dir())
    return {engine.stage: engine_spec(resolved, store, engine.stage) for engine in resolved.engines}


def requests_of(folder: Path) -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """For every answered turn: its report, its final Transcribe, its Generate and its first Synthesize."""
    commands = [
        command
        for line in (folder / "journal.jsonl").read_text().splitlines()[1:]
        for command in json.loads(line).get("commands", [])
        if command["is"] == "ToInference"
    ]
    report = json.loads((folder / "report.json").read_text())
    found = []
    for turn in report["turns"]:
        if not turn["answered"] or "stages_ms" not in turn:
            continue
        asked = [c["message"] for c in commands if c["message"]["is"] == "Transcribe"]
        final = [m for m in asked if m["kind"] == "final" and m["utterance_id"] == turn["turn"]][-1]
        generate = next(
            c for c in commands
            if c["message"]["is"] == "Generate" and c["message"]["messages"][-1]["text"].endswith(turn["caller"])
        )  # fmt: skip
        speak = next(
            c["message"] for c in commands if c["message"]["is"] == "Synthesize" and c["run_id"] == generate["run_id"]
        )
        found.append((turn, final, generate["message"], speak))
    return found


async def main() -> None:
    """Makes the calls and prints their times."""
    placed = specs()
    stt, tts, llm = make_stt(placed[Stage.STT]), make_tts(placed[Stage.TTS]), make_llm(placed[Stage.LLM], CoreTurns(2))
    stt.warm_up()
    tts.warm_up()
    await llm.start()
    times: dict[str, list[float]] = {
        name: [] for name in ("stt final", "llm to first text", "llm to first clause", "tts to first sound")
    }
    for argument in sys.argv[1:]:
        folder = Path(argument)
        samples, _ = soundfile.read(folder / "recording.wav", dtype="int16")
        for _, final, generate, speak in requests_of(folder):
            sound = samples[final["start_offset_samples"] : final["end_offset_samples"] or None, 0] / PCM_SCALE
            began_s = time.perf_counter()
            stt.transcribe(sound.astype(np.float32), "en-US", CancelToken())
            times["stt final"].append((time.perf_counter() - began_s) * 1_000)
            messages = tuple(ChatMessage(role=ChatRole(m["role"]), text=m["text"]) for m in generate["messages"])
            # What the cache holds before a turn in a call: everything but the turn itself.
            await llm.prime("bench", messages[:-1], CancelToken())
            first_ms, clause_ms = await generation(llm, messages, generate)
            times["llm to first text"].append(first_ms)
            times["llm to first clause"].append(clause_ms)
            began_s = time.perf_counter()
            next(iter(tts.synthesize(speak["text"], "", speak["speaking_rate"], CancelToken())))
            times["tts to first sound"].append((time.perf_counter() - began_s) * 1_000)
    await llm.close()
    print(json.dumps(times))


async def generation(
    llm: LlmEngine, messages: tuple[ChatMessage, ...], generate: dict[str, Any]
) -> tuple[float, float]:
    """Milliseconds to the first text and to the first clause; the rest is not written."""
    request = LlmRequest(
        session_id="bench",
        messages=messages,
        max_tokens=generate["max_tokens"],
        temperature=generate["temperature"],
        top_p=generate["top_p"],
        seed=generate["seed"],
        stop=tuple(generate["stop"]),
        deadline_s=time.monotonic(),
    )
    began_s = time.perf_counter()
    first_ms, buffer = 0.0, ""
    cancel = CancelToken()
    stream = llm.generate(request, cancel)
    async for item in stream:
        elapsed_ms = (time.perf_counter() - began_s) * 1_000
        if isinstance(item, LlmText):
            first_ms = first_ms or elapsed_ms
            buffer += item.text
            if split_ready(buffer, first=True)[0]:
                break
    elapsed_ms = (time.perf_counter() - began_s) * 1_000
    cancel.cancel()
    return first_ms, elapsed_ms


if __name__ == "__main__":
    asyncio.run(main())
