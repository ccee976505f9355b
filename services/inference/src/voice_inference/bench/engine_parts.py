"""Makes the engines of a placement one by one, with any number of threads."""

from dataclasses import dataclass, replace

from voice_contract.failures import Stage
from voice_inference.catalogue.store import ModelStore
from voice_inference.core_turns import CoreTurns
from voice_inference.engines.base import EndOfTurnEngine, LlmEngine, SttEngine, TtsEngine, VadEngine
from voice_inference.engines.registry import (
    EngineSpec,
    make_end_of_turn,
    make_llm,
    make_stt,
    make_tts,
    make_vad,
)
from voice_inference.placement.engine_spec import engine_spec
from voice_inference.placement.machine import ThisMachine
from voice_inference.placement.resolve import ResolvedPlacement


@dataclass(frozen=True, slots=True)
class EngineParts:
    """Loads what the placement says. Blocking engines come warm; a language model is started by its user."""

    resolved: ResolvedPlacement
    store: ModelStore

    def vad(self) -> VadEngine:
        """The VAD engine."""
        engine = make_vad(self._spec(Stage.VAD))
        engine.warm_up()
        return engine

    def stt(self, threads: int | None = None) -> SttEngine:
        """The STT engine."""
        engine = make_stt(self._spec(Stage.STT, threads))
        engine.warm_up()
        return engine

    def end_of_turn(self) -> EndOfTurnEngine | None:
        """The end-of-turn engine; None when the placement has none."""
        if not self.resolved.has(Stage.END_OF_TURN):
            return None
        engine = make_end_of_turn(self._spec(Stage.END_OF_TURN))
        engine.warm_up()
        return engine

    def llm(self, threads: int | None = None) -> LlmEngine:
        """The LLM engine."""
        return make_llm(self._spec(Stage.LLM, threads), CoreTurns(ThisMachine().cores()))

    def tts(self, threads: int | None = None) -> TtsEngine:
        """The TTS engine."""
        engine = make_tts(self._spec(Stage.TTS, threads))
        engine.warm_up()
        return engine

    def _spec(self, stage: Stage, threads: int | None = None) -> EngineSpec:
        spec = engine_spec(self.resolved, self.store, stage)
        return spec if threads is None else replace(spec, threads=threads)
