"""Names the engines and makes them from a placement. A new engine is one module and one entry here.

Nothing heavy is imported before an engine is made.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_inference.core_turns import CoreTurns
from voice_inference.engines.base import EndOfTurnEngine, LlmEngine, SttEngine, TtsEngine, VadEngine

OptionValue = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """What a placement says of one engine. `model_dir` is None for models that live in another process."""

    stage: Stage
    engine: str
    model: str
    model_dir: Path | None
    device: str
    threads: int
    precision: str
    options: Mapping[str, OptionValue]

    def option(self, name: str, default: OptionValue) -> OptionValue:
        """The option, or its default."""
        return self.options.get(name, default)

    def files(self) -> Path:
        """The directory of the model's files; raises VoiceAgentError for an engine that has none."""
        if self.model_dir is None:
            detail = f"{self.engine} needs the files of a catalogue model, {self.model} is none"
            raise VoiceAgentError(Failure(stage=self.stage, reason=FailureReason.MODEL_MISSING, detail=detail))
        return self.model_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEntry:
    """An engine the node knows: the library behind it, how to install that, and the options it takes."""

    library: str
    install: str
    embedded: bool
    """Whether it runs in this process and needs a catalogue model."""
    options: frozenset[str] = frozenset()


ENGINES: Final[Mapping[tuple[Stage, str], EngineEntry]] = {
    (Stage.VAD, "silero"): EngineEntry(library="silero_vad", install="pip install silero-vad", embedded=True),
    (Stage.STT, "faster-whisper"): EngineEntry(
        library="faster_whisper", install="pip install faster-whisper", embedded=True
    ),
    (Stage.END_OF_TURN, "smart-turn"): EngineEntry(
        library="faster_whisper", install="pip install faster-whisper", embedded=True
    ),
    (Stage.LLM, "llama-cpp"): EngineEntry(
        library="llama_cpp",
        install="pip install llama-cpp-python",
        embedded=True,
        options=frozenset({"context_tokens", "repeat_penalty", "concurrency", "cache_tokens"}),
    ),
    (Stage.LLM, "ollama"): EngineEntry(
        library="ollama",
        install="pip install ollama",
        embedded=False,
        options=frozenset({"host", "concurrency", "context_tokens"}),
    ),
    (Stage.LLM, "openai-compatible"): EngineEntry(
        library="openai",
        install="pip install openai",
        embedded=False,
        options=frozenset({"base_url", "concurrency"}),
    ),
    (Stage.TTS, "piper"): EngineEntry(library="piper", install="pip install piper-tts", embedded=True),
}
"""Every engine by stage and name."""


def require_installed(stage: Stage, engine: str) -> EngineEntry:
    """The engine's entry; raises VoiceAgentError naming what to do when it is unknown or not installed."""
    entry = ENGINES.get((stage, engine))
    if entry is None:
        known = ", ".join(sorted(name for known_stage, name in ENGINES if known_stage is stage))
        raise _failure(stage, f"there is no {stage.value} engine {engine!r}; known: {known}")
    if find_spec(entry.library) is None:
        raise _failure(stage, f"the {engine} engine is not installed: run `{entry.install}`")
    return entry


def _failure(stage: Stage, detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=stage, reason=FailureReason.ENGINE_ERROR, detail=detail))


def make_vad(spec: EngineSpec) -> VadEngine:
    """Loads the VAD engine."""
    require_installed(Stage.VAD, spec.engine)
    from voice_inference.engines.vad.silero import SileroVad, bundled_model

    return SileroVad(bundled_model())


def make_stt(spec: EngineSpec) -> SttEngine:
    """Loads the STT engine."""
    require_installed(Stage.STT, spec.engine)
    from voice_inference.engines.stt.faster_whisper import FasterWhisper

    return FasterWhisper(
        spec.files(), model=spec.model, device=spec.device, threads=spec.threads, precision=spec.precision or "int8"
    )


def make_end_of_turn(spec: EngineSpec) -> EndOfTurnEngine:
    """Loads the end-of-turn engine."""
    require_installed(Stage.END_OF_TURN, spec.engine)
    from voice_inference.engines.end_of_turn.smart_turn import SmartTurn

    (network,) = spec.files().glob("*.onnx")
    return SmartTurn(network, model=spec.model, threads=spec.threads)


def make_tts(spec: EngineSpec) -> TtsEngine:
    """Loads the TTS engine."""
    require_installed(Stage.TTS, spec.engine)
    from voice_inference.engines.tts.piper import Piper

    return Piper(spec.files(), model=spec.model, device=spec.device, threads=spec.threads)


def make_llm(spec: EngineSpec, turns: CoreTurns) -> LlmEngine:
    """Makes the LLM engine; its `start` loads or reaches the model. One that runs here takes its `turns`."""
    require_installed(Stage.LLM, spec.engine)
    if spec.engine == "ollama":
        from voice_inference.engines.llm.ollama import Ollama

        host = str(spec.option("host", "")) or os.environ.get("OLLAMA_HOST", "http://127.0.0.1:11434")
        return Ollama(
            model=spec.model,
            host=host,
            device=spec.device,
            concurrency=int(spec.option("concurrency", 1)),
            context_tokens=int(spec.option("context_tokens", 4096)),
        )
    if spec.engine == "openai-compatible":
        from voice_inference.engines.llm.openai_compatible import OpenAiCompatible

        base_url = str(spec.option("base_url", "")) or os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8001/v1")
        return OpenAiCompatible(
            model=spec.model,
            base_url=base_url,
            api_key=os.environ.get("OPENAI_API_KEY", ""),
            concurrency=int(spec.option("concurrency", 4)),
        )
    from voice_inference.engines.llm.llama_cpp import LlamaCpp

    (gguf,) = spec.files().glob("*.gguf")
    return LlamaCpp(
        gguf,
        model=spec.model,
        device=spec.device,
        threads=spec.threads,
        context_tokens=int(spec.option("context_tokens", 2048)),
        repeat_penalty=float(spec.option("repeat_penalty", 1.1)),
        turns=turns,
        precision=spec.precision,
        concurrency=int(spec.option("concurrency", 4)),
        cache_tokens=int(spec.option("cache_tokens", 0)),
    )
